import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startServer } from '../api/cli/cli.setup.ts'

const GREETER = {
  'module.yaml': 'name: greeter\nversion: 1.0.0\ndescription: Counts greetings\nhooks: [chat:before_ai]\npermissions: [kv]\n',
  'index.ts': `import { defineModule } from '@bulkhead/sdk'
export default defineModule({
  async handle(hook, ctx) {
    const { value } = await ctx.kv.get<number>(['greetings'])
    await ctx.kv.set(['greetings'], (value ?? 0) + 1)
    return { action: 'continue', modifications: { output: { greetings: (value ?? 0) + 1 } } }
  },
})`,
}

it('one server is backed up from the shell, and another one restored', async () => {
  await using one = await startServer()
  const folder = join(one.folder, 'greeter')
  await mkdir(folder)
  for (const [name, text] of Object.entries(GREETER)) await writeFile(join(folder, name), text)
  const greetings = async (server: typeof one) => {
    const outcome = await server.json('hooks:execute', 'chat:before_ai', '{"message":{"content":"hi"}}').catch(() => ({}))
    return (outcome as { modifications?: { output?: { greetings?: number } } }).modifications?.output?.greetings
  }
  expect(await one.cli('modules:install', folder)).toMatchObject({ code: 0 })
  expect(await greetings(one)).toBe(1)
  expect(await greetings(one)).toBe(2)
  const file = join(one.folder, 'backup.ndjson')
  expect(await one.cli('system:backup', '--output', file)).toMatchObject({ code: 0, stderr: '' })
  expect((await stat(file)).size).toBeGreaterThan(1000)

  await using other = await startServer()
  expect(await other.json('system:restore', file, '--dry-run')).toMatchObject({ done: false, obstacles: [] })
  expect((await other.cli('system:restore', file)).code).toBe(2)
  expect(await greetings(other)).toBeUndefined()
  expect(await other.json('system:restore', file, '--confirm')).toMatchObject({ done: true, counts: { 'keys of modules': 1 } })
  await expect.poll(async () => (await other.json('modules:get', 'greeter'))['status'], { timeout: 60_000, interval: 200 }).toBe('ready')
  expect(await greetings(other)).toBe(3)
  const again = await other.cli('system:restore', file, '--confirm')
  expect(again).toMatchObject({ code: 5, stderr: expect.stringContaining('is not empty') })
}, 180_000)
