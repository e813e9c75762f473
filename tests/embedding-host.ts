import { startRuntime } from '../runtime/runtime.ts'
import { openDatabase } from '../runtime/store/database.ts'

// An application that embeds Bulkhead in its own process: node embedding-host.ts FOLDER HOOK COUNT
const [folder = '', hook = '', count = '1'] = process.argv.slice(2)
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const database = await openDatabase({ folder: `${folder}/data`, log: silent })
const runtime = await startRuntime({ modules: `${folder}/modules`, data: `${folder}/data`, cells: 2, database, log: silent })
process.on('SIGTERM', async () => {
  await runtime[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
  process.exit(0)
})
for (let index = 0; index < Number(count); index++) {
  const context = hook.startsWith('chat:') ? { message: { content: 'hello' } } : { agentId: `a${index}` }
  console.log(JSON.stringify(await runtime.executeHook(hook, context)))
}
