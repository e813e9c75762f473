import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Logger, pino } from 'pino'
import { startRuntime, type Runtime } from '../runtime/runtime.ts'
import { openDatabase, type Database } from '../runtime/store/database.ts'
import { ensureAdminKey } from '../runtime/store/keys.ts'
import { createApp } from './app.ts'

/** Nothing listens there: no test of the API fetches packages. */
const NOWHERE = 'http://127.0.0.1:9'
const PII_FILTER = fileURLToPath(new URL('../modules/pii-filter', import.meta.url))

/** Answers with the context it was called with. */
const ECHO = {
  'module.yaml':
    'name: echo\nversion: 1.0.0\ndescription: Answers with its context\n' +
    'hooks: [chat:before_ai, run:complete]\nblocking: { run:complete: true }\npermissions: [emit, log]\n',
  'index.ts': `export default {
    handle(hook, { emit, log, ...context }) {
      return { action: 'continue', modifications: { output: { context } } }
    },
  }`,
}

export interface Sent {
  method?: string
  body?: unknown
  /** The body as it is sent, in place of `body`. */
  text?: string
  key?: string | null
  headers?: Record<string, string>
}

/** Of the body, each answer has some of the fields. */
export interface Answer {
  status: number
  headers: Headers
  body: {
    items: Array<Record<string, unknown>>
    nextCursor: string | null
    error: { details: { faults: Array<{ path: string; message: string }> } }
    modifications: { message: { content: string }; output: { context: Record<string, unknown> } }
  }
}

export interface AppUnderTest extends AsyncDisposable {
  folder: string
  database: Database
  runtime: Runtime
  adminKey: string
  log: Logger
  logged: Array<Record<string, unknown>>
  /** Sends one request, with the admin's key unless told otherwise, to the app or to one with other parts. */
  send(path: string, sent?: Sent, parts?: Partial<Parameters<typeof createApp>[0]>): Promise<Answer>
  /** Sends one as it is, without a key. */
  request(path: string, init?: RequestInit): Promise<Response>
}

/** The API over a real runtime, in a folder of its own, with the modules `echo` and `pii-filter`. */
export async function startApp(): Promise<AppUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'app-'))
  const modules = join(folder, 'modules')
  await mkdir(join(modules, 'echo'), { recursive: true })
  await cp(PII_FILTER, join(modules, 'pii-filter'), { recursive: true })
  for (const [name, text] of Object.entries(ECHO)) await writeFile(join(modules, 'echo', name), text)

  const silent = pino({ level: 'silent' })
  const database = await openDatabase({ folder, log: silent })
  const { file } = await ensureAdminKey(database.sql, { folder })
  const adminKey = (await readFile(file!, 'utf8')).trim()
  const runtime = await startRuntime({ modules, data: folder, cells: 1, database, log: silent, npmRegistry: NOWHERE })
  const logged: AppUnderTest['logged'] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(JSON.parse(line)) })
  const app = createApp({ runtime, database, log })

  return {
    folder,
    database,
    runtime,
    adminKey,
    log,
    logged,
    request: async (path, init) => app.request(path, init),
    async send(path, { method, body, text = JSON.stringify(body), key = adminKey, headers } = {}, parts) {
      const asked = parts ? createApp({ runtime, database, log, ...parts }) : app
      const response = await asked.request(path, {
        method: method ?? (text === undefined ? 'GET' : 'POST'),
        headers: {
          ...(key !== null && { authorization: `Bearer ${key}` }),
          ...(text !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(text !== undefined && { body: text }),
      })
      const answer = await response.text()
      const { status } = response
      // Lines are each a JSON text of their own; tests of what streams read them.
      const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
      return { status, headers: response.headers, body: isJson && answer !== '' ? JSON.parse(answer) : undefined }
    },
    async [Symbol.asyncDispose]() {
      await runtime[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}
