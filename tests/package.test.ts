import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const EMBED = `
import { startRuntime } from 'bulkhead'
import { openDatabase } from 'bulkhead/database'
import { runModule } from 'bulkhead/testing'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const data = process.argv[1]
{
  await using database = await openDatabase({ folder: data, log })
  await using runtime = await startRuntime({ modules: 'modules', data, cells: 1, database, log })
  const { modifications } = await runtime.executeHook('chat:before_ai', { message: { content: 'to ann@example.org' } })
  console.log(modifications.message.content)
}
console.log((await runModule('modules/pii-filter', 'chat:after_ai', { response: '10.0.0.1' })).result.modifications.response)
`

test('an application embeds the runtime in its own process', async () => {
  const data = await mkdtemp(join(tmpdir(), 'bulkhead-embed-'))
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', EMBED, data])
    expect(stdout).toBe('to [EMAIL]\n[IP]\n')
  } finally {
    await rm(data, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
})
