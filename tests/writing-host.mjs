// A host that calls a module without pause, and says on standard output which calls were answered.
import { join } from 'node:path'
import { startRuntime } from '../runtime/runtime.ts'
import { openDatabase } from '../runtime/store/database.ts'

const [folder, first] = process.argv.slice(2)
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const database = await openDatabase({ folder: join(folder, 'data'), log: silent })
const runtime = await startRuntime({ modules: join(folder, 'modules'), data: join(folder, 'data'), cells: 2, database, log: silent })
let next = Number(first)

async function call() {
  for (;;) {
    const n = next++
    const { failures } = await runtime.executeHook('chat:before_ai', { input: { n } })
    process.stdout.write(failures.length === 0 ? `answered ${n}\n` : `failed ${n} ${failures[0].code}\n`)
  }
}
for (let at = 0; at < 24; at++) void call()
