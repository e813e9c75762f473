import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { vi } from 'vitest'
import { createApp } from '../api/app.ts'
import { listen } from '../api/server.ts'
import type { RuntimeEvent } from '../runtime/events.ts'
import { type Runtime, type RuntimeOptions, startRuntime } from '../runtime/runtime.ts'
import type { Database } from '../runtime/store/database.ts'
import { openKeyRows } from '../runtime/store/key-rows.ts'
import { ensureAdminKey } from '../runtime/store/keys.ts'
import { openTemporary } from '../runtime/store/store.setup.ts'
import { tarball, type TarEntry } from '../runtime/tarball.setup.ts'

/** Files of a module, by path. */
export type Files = Record<string, string>

/** Whatever an answer may hold; each has some of it. */
export interface Answered {
  status: number
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

/** A host: the API on a port, over a runtime with folders of its own. */
export interface Host extends AsyncDisposable {
  readonly runtime: Runtime
  readonly events: RuntimeEvent[]
  readonly modules: string
  send(method: string, path: string, body?: unknown, key?: string): Promise<Answered>
  /** Asks for long work, and waits for its progress to have ended. */
  follow(method: string, path: string, body?: unknown): Promise<Answered>
  /** Sends a tar.gz. */
  upload(entries: TarEntry[] | Files | Buffer, query?: string): Promise<Answered>
  /** What a module answers to chat:before_ai, undefined where it is not asked. */
  ask(module: string): Promise<unknown>
  /** Writes a module into a folder of the modules folder. */
  write(folder: string, files: Files): Promise<string>
}

/** One database, and hosts over it. */
export interface Site extends AsyncDisposable {
  readonly database: Database
  readonly folder: string
  /** What the hosts' log says at the level of errors. */
  readonly errors: readonly string[]
  start(options?: Partial<RuntimeOptions>, folder?: string): Promise<Host>
  /** A key with some scopes. */
  key(scopes: string[], modules?: string[]): Promise<string>
}

/** A module that answers with an expression under its name. */
export function module(name: string, version: string, expression: string, yaml = '', more = ''): Files {
  return {
    'module.yaml': `name: ${name}\nversion: ${version}\ndescription: a test module\nhooks: [chat:before_ai]\n${yaml}\n`,
    'index.ts': `${more}
export default {
  async handle(hook: string, ctx: any) { return { action: 'continue', modifications: { output: { ${JSON.stringify(name)}: ${expression} } } } },
}`,
  }
}

export async function openSite(external?: string): Promise<Site> {
  const temporary = await openTemporary(external)
  const { database } = temporary
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-site-'))
  const { file } = await ensureAdminKey(database.sql, { folder })
  const admin = (await readFile(file!, 'utf8')).trim()
  let count = 0
  const errors: string[] = []
  const log = pino({ level: 'error' }, { write: (line: string) => void errors.push(line) })

  return {
    database,
    folder,
    errors,
    async key(scopes, modules) {
      const { key } = await openKeyRows(database.sql).create({ name: scopes.join(' '), scopes, roles: [], modules: modules ?? null, expiresAt: null, requestsPerMinute: null }, 'test')
      return key
    },
    async start(options = {}, home = join(folder, `host-${++count}`)) {
      const modules = join(home, 'modules')
      await mkdir(modules, { recursive: true })
      const events: RuntimeEvent[] = []
      const runtime = await startRuntime({ modules, data: join(home, 'data'), cells: 2, database, log, onEvent: (event) => events.push(event), ...options })
      const app = createApp({ runtime, database, log })
      const server = await listen({ host: '127.0.0.1', port: 0, fetch: (request) => app.fetch(request), drainMs: 1_000 })
      const ask = async (method: string, path: string, init: RequestInit, key = admin): Promise<Answered> => {
        const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { ...init, method, headers: { authorization: `Bearer ${key}`, ...init.headers } })
        const text = await response.text()
        return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
      }
      const host: Host = {
        runtime,
        events,
        modules,
        send: (method, path, body, key) =>
          ask(method, path, body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }, key),
        async follow(method, path, body) {
          const headers = { prefer: 'respond-async', 'content-type': 'application/json' }
          const { body: begun } = await ask(method, path, { headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
          return vi.waitFor(async () => {
            const found = await ask('GET', `/v1/progress/${begun.id}`, {})
            if (found.body.state === 'running') throw new Error('it is under way')
            return found
          }, { timeout: 60_000 })
        },
        upload(entries, query = '') {
          const listed = Array.isArray(entries) ? entries : Object.entries(entries).map(([path, content]) => ({ path, content }))
          const body = Buffer.isBuffer(entries) ? entries : tarball(listed as TarEntry[])
          return ask('POST', `/v1/modules/upload${query}`, { body: new Uint8Array(body), headers: { 'content-type': 'application/gzip' } })
        },
        async ask(name) {
          const { body } = await host.send('POST', '/v1/hooks/chat:before_ai', { message: { content: 'hi' } })
          return body.modifications?.output?.[name]
        },
        async write(child, files) {
          for (const [path, text] of Object.entries(files)) {
            const place = join(modules, child, path)
            await mkdir(dirname(place), { recursive: true })
            await writeFile(place, text)
          }
          return join(modules, child)
        },
        async [Symbol.asyncDispose]() {
          await server[Symbol.asyncDispose]()
          await runtime[Symbol.asyncDispose]()
        },
      }
      return host
    },
    async [Symbol.asyncDispose]() {
      await temporary[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}
