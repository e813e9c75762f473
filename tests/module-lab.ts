import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RuntimeEvent } from '../runtime/events.ts'
import { completeContext, type HookBody } from '../runtime/context.ts'
import { type Runtime, type RuntimeOptions, startRuntime } from '../runtime/runtime.ts'
import { type Database, openDatabase } from '../runtime/store/database.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** A real runtime on a real embedded database, over a folder of modules that a test writes. */
export interface Lab extends AsyncDisposable {
  readonly folder: string
  readonly runtime: Runtime
  readonly database: Database
  readonly events: RuntimeEvent[]
  /** Writes `module.yaml` (name, version and description are added) and `index.ts`. */
  write(name: string, yaml: string, code: string): Promise<void>
  start(options?: Pick<RuntimeOptions, 'watch' | 'environment' | 'npmRegistry'>): Promise<void>
  /** Waits until every module is ready; on a machine that is busy, cells are lost and begin again. */
  ready(): Promise<void>
  /** Stops the runtime; the database goes on. */
  stop(): Promise<void>
  hook(hook: string, body?: HookBody): ReturnType<Runtime['executeHook']>
  /** Names of the events so far, of one module. */
  eventsOf(module: string): string[]
}

export async function openLab(): Promise<Lab> {
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-lab-'))
  const modules = join(folder, 'modules')
  const data = join(folder, 'data')
  await mkdir(modules)
  const database = await openDatabase({ folder: data, log: silent })
  const events: RuntimeEvent[] = []
  let runtime: Runtime | undefined

  const lab: Lab = {
    folder,
    database,
    events,
    get runtime() {
      if (!runtime) throw new Error('the runtime was not started')
      return runtime
    },
    async write(name, yaml, code) {
      await mkdir(join(modules, name), { recursive: true })
      const version = /^version:/m.test(yaml) ? '' : 'version: 1.0.0\n'
      await writeFile(join(modules, name, 'module.yaml'), `name: ${name}\n${version}description: a test module\n${yaml}\n`)
      await writeFile(join(modules, name, 'index.ts'), code)
    },
    async start(options = {}) {
      runtime = await startRuntime({ ...options, modules, data, cells: 2, database, log: silent, onEvent: (event) => events.push(event) })
    },
    async ready() {
      const deadline = performance.now() + 60_000
      while (!lab.runtime.modules().every(({ status }) => status === 'ready') && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    async stop() {
      await runtime?.[Symbol.asyncDispose]()
      runtime = undefined
    },
    hook: (hook, body = {}) => lab.runtime.executeHook(hook, completeContext(hook, body, 'request')),
    eventsOf: (module) => events.flatMap((event) => ('module' in event && event.module === module ? [event.type] : [])),
    async [Symbol.asyncDispose]() {
      await lab.stop()
      await database[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
  return lab
}
