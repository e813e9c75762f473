import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { completeContext } from '../runtime/context.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import { openTemporary, type TemporaryDatabase } from '../runtime/store/store.setup.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** A real runtime on a database of its own, on either kind of server. */
export interface DbLab extends AsyncDisposable {
  readonly runtime: Runtime
  readonly database: TemporaryDatabase['database']
  /** Writes a module with one migration. */
  write(name: string, yaml: string, code: string, tables: string): Promise<void>
  start(): Promise<void>
  /** Says something to the modules of a hook; answers with the response that came of it, or the first failure. */
  ask(content: string, hook?: string): Promise<unknown>
}

export async function openDbLab(external: string | undefined): Promise<DbLab> {
  const temporary = await openTemporary(external)
  const { database, folder } = temporary
  const modules = join(folder, 'modules')
  const names: string[] = []
  let runtime: Runtime | undefined
  await mkdir(modules)
  const running = () => {
    if (!runtime) throw new Error('the runtime was not started')
    return runtime
  }
  return {
    database,
    get runtime() {
      return running()
    },
    async write(name, yaml, code, tables) {
      names.push(name)
      const migrations = join(modules, name, 'database/migrations')
      await mkdir(migrations, { recursive: true })
      await writeFile(join(modules, name, 'module.yaml'), `name: ${name}\nversion: 1.0.0\ndescription: a test module\n${yaml}\n`)
      await writeFile(join(modules, name, 'index.ts'), code)
      if (tables !== '') await writeFile(join(migrations, '0001_tables.sql'), tables)
    },
    async start() {
      runtime = await startRuntime({ modules, data: folder, cells: 2, database, log: silent })
    },
    async ask(content, hook = 'chat:before_ai') {
      const { failures, modifications } = await running().executeHook(hook, completeContext(hook, { message: { content } }, 'request'))
      return failures[0] ?? JSON.parse(modifications?.response ?? 'null')
    },
    async [Symbol.asyncDispose]() {
      const name = String(database.sql.options.database)
      await runtime?.[Symbol.asyncDispose]()
      await temporary[Symbol.asyncDispose]()
      if (external === undefined) return
      const admin = postgres(external, { max: 1, onnotice() {} })
      for (const module of names) await admin.unsafe(`drop role if exists "mod_${module}.${name}"`)
      await admin.end()
    },
  }
}
