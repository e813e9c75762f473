import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureAdminKey } from '../../runtime/store/keys.ts'
import { type AppUnderTest, startApp } from '../app.setup.ts'
import { createApp } from '../app.ts'

let app: AppUnderTest
let headers: Record<string, string>
let fetch: (path: string, init?: RequestInit) => Promise<Response>

beforeAll(async () => {
  app = await startApp()
  headers = { authorization: `Bearer ${(await readFile(join(app.folder, 'admin.key'), 'utf8')).trim()}` }
  const hono = createApp({ runtime: app.runtime, database: app.database, log: pino({ level: 'silent' }) })
  fetch = async (path, init) => hono.request(path, { headers, ...init })
  await app.send('/v1/hooks/chat:before_ai', { body: { message: { content: 'ann@example.org' }, session: { id: 's1' } } })
})
afterAll(() => app?.[Symbol.asyncDispose]())

test('an export comes line by line, and goes back in', async () => {
  const answer = await fetch('/v1/data/pii-filter/export')
  expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
  const lines = await answer.text()
  expect(lines.trimEnd().split('\n').map((line) => Object.keys(JSON.parse(line))[0])).toEqual(['format', 'extraction', 'end'])
  const tried = await fetch('/v1/data/pii-filter/import?dryRun=true', { method: 'POST', body: lines })
  expect(await tried.json()).toEqual({ module: 'pii-filter', dryRun: true, tables: {}, keys: 0, extractions: 0 })
  await app.database.sql`delete from bulkhead.extractions`
  const done = await fetch('/v1/data/pii-filter/import', { method: 'POST', body: lines })
  expect(await done.json()).toEqual({ module: 'pii-filter', dryRun: false, tables: {}, keys: 0, extractions: 1 })
})

test('what fails before the first line is answered as ever; a HEAD costs no transaction', async () => {
  const answer = await fetch('/v1/data/nothing/export')
  expect([answer.status, ((await answer.json()) as { error: { code: string } }).error.code]).toEqual([404, 'NOT_FOUND'])
  const head = await fetch('/v1/data/pii-filter/export', { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([200, ''])
  const stopped = await fetch('/v1/data/pii-filter/export')
  await stopped.body?.cancel()
  const [row] = await app.database.sql`select count(*)::int as open from pg_stat_activity where state like 'idle in transaction%'`
  expect(row?.['open']).toBe(0)
})

test('an import without lines is refused', async () => {
  const answer = await fetch('/v1/data/pii-filter/import', { method: 'POST' })
  expect(answer.status).toBe(422)
})

test('a query needs a key of every scope, and one that writes has to be confirmed', async () => {
  const key = `bk_${randomUUID()}`
  await ensureAdminKey(app.database.sql, { folder: await mkdtemp(join(app.folder, 'key-')), preset: key })
  await app.database.sql`update bulkhead.api_keys set scopes = ${['database:execute']} where name = 'admin (preset)'`
  expect(await app.send('/v1/database/query', { key, body: { sql: 'select 1' } })).toMatchObject({ status: 403 })
  expect(await app.send('/v1/database/query', { body: { sql: 'select 1 as one' } })).toMatchObject({ status: 200, body: { columns: ['one'], rows: [[1]] } })
  const text = 'update bulkhead.modules set enabled = enabled'
  expect(await app.send('/v1/database/query', { body: { sql: text } })).toMatchObject({ status: 422 })
  expect(await app.send('/v1/database/query', { body: { sql: text, write: true } })).toMatchObject({ status: 428, body: { error: { message: expect.stringContaining('confirm') } } })
  expect(await app.send('/v1/database/query?confirm=true', { body: { sql: text, write: true } })).toMatchObject({ status: 200 })
})

test('what a query reads is not kept in the record of who did what', async () => {
  expect(await app.send('/v1/database/query', { body: { sql: `select 'nobody else' || '''s' as text` } })).toMatchObject({ body: { rows: [["nobody else's"]] } })
  const { body } = await app.send('/v1/auth/audit?operation=database:query&limit=1')
  expect(body.items[0]).toMatchObject({ after: { columns: ['text'], rows: '(not kept)', count: 1 } })
})

test('a rollback and a cleaning say what they would do, and are done once they are confirmed', async () => {
  expect(await app.send('/v1/database/rollback?dryRun=true', { body: { module: 'pii-filter' } })).toMatchObject({ status: 200, body: { migrations: [], done: false } })
  expect(await app.send('/v1/database/rollback', { body: { module: 'pii-filter' } })).toMatchObject({ status: 428 })
  expect(await app.send('/v1/database/rollback?confirm=true', { body: { module: 'pii-filter' } })).toMatchObject({ status: 409 })
  expect(await app.send('/v1/data/clean?dryRun=true', { body: { logsDays: 1 } })).toMatchObject({ status: 200, body: { done: false } })
  expect(await app.send('/v1/data/clean', { body: { logsDays: 1 } })).toMatchObject({ status: 428 })
  expect(await app.send('/v1/data/clean?confirm=true', { body: { logsDays: 1 } })).toMatchObject({ status: 200, body: { done: true } })
  expect(await app.send('/v1/database/migrate', { body: { module: 'nothing' } })).toMatchObject({ status: 404 })
  expect(await app.send('/v1/database/migrate', { body: { module: 'pii-filter' } })).toMatchObject({ status: 409 })
})
