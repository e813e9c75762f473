import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { createApp } from '../api/app.ts'
import type { RuntimeEvent } from '../runtime/events.ts'
import { type Runtime, type RuntimeOptions, startRuntime } from '../runtime/runtime.ts'
import { type Database, openDatabase } from '../runtime/store/database.ts'
import { ensureAdminKey } from '../runtime/store/keys.ts'

/** Of the body, each answer has some of the fields. */
interface Body {
  revision: number
  items: Array<Record<string, unknown>>
  entries: object[]
  config: unknown
  failures: Array<{ module: string; code: string; message: string }>
  modifications?: { output: Record<string, unknown> }
  violations: Array<{ permission: string }>
}

/** What an operator has: the API over a real runtime and a real database, the log, and the modules' folder. */
export interface Operator extends AsyncDisposable {
  readonly database: Database
  readonly runtime: Runtime
  readonly events: RuntimeEvent[]
  /** Every line of the log as it would be on stdout, and every body that was answered. */
  readonly shown: string[]
  write(name: string, yaml: string, code: string): Promise<void>
  /** Starts the runtime, again where it runs already. */
  start(options?: Partial<RuntimeOptions>): Promise<void>
  send(method: string, path: string, body?: unknown): Promise<{ status: number; body: Body }>
  /** What the modules of chat:before_ai make of a call there, by the module's name. */
  call(place?: object, content?: string): Promise<{ failures: Body['failures']; output: Record<string, unknown> }>
}

export async function openOperator(): Promise<Operator> {
  const folder = await mkdtemp(join(tmpdir(), 'operator-'))
  const modules = join(folder, 'modules')
  await mkdir(modules)
  const shown: string[] = []
  const events: RuntimeEvent[] = []
  const log = pino({ level: 'trace' }, { write: (line: string) => void shown.push(line) })
  const database = await openDatabase({ folder, log })
  const { file } = await ensureAdminKey(database.sql, { folder })
  const key = (await readFile(file!, 'utf8')).trim()
  let runtime: Runtime | undefined
  const running = () => {
    if (!runtime) throw new Error('the runtime was not started')
    return runtime
  }

  const operator: Operator = {
    database,
    get runtime() {
      return running()
    },
    events,
    shown,
    async write(name, yaml, code) {
      await mkdir(join(modules, name), { recursive: true })
      const version = /^version:/m.test(yaml) ? '' : 'version: 1.0.0\n'
      await writeFile(join(modules, name, 'module.yaml'), `name: ${name}\n${version}description: a test module\nhooks: [chat:before_ai]\n${yaml}\n`)
      await writeFile(join(modules, name, 'index.ts'), code)
    },
    async start(options = {}) {
      await runtime?.[Symbol.asyncDispose]()
      runtime = await startRuntime({ modules, data: folder, cells: 2, database, log, onEvent: (event) => events.push(event), ...options })
    },
    async send(method, path, body) {
      const response = await createApp({ runtime: running(), database, log }).request(path, {
        method,
        headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      shown.push(text)
      return { status: response.status, body: JSON.parse(text) }
    },
    async call(place = {}, content = 'hi') {
      const { body } = await operator.send('POST', '/v1/hooks/chat:before_ai', { message: { content }, ...place })
      return { failures: body.failures, output: body.modifications?.output ?? {} }
    },
    async [Symbol.asyncDispose]() {
      await runtime?.[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
  return operator
}

/** A module that answers with an expression, under its name. */
export function answering(name: string, expression: string, more = ''): string {
  return `${more}
export default {
  ${more === '' ? '' : '...parts,'}
  async handle(hook, ctx) { return { action: 'continue', modifications: { output: { ${JSON.stringify(name)}: ${expression} } } } },
}`
}
