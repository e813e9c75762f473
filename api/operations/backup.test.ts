import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AppUnderTest, startApp } from '../app.setup.ts'
import { createApp } from '../app.ts'

let app: AppUnderTest
let ask: (path: string, key?: string, init?: RequestInit) => Promise<Response>
beforeAll(async () => {
  app = await startApp()
  const hono = createApp({ runtime: app.runtime, database: app.database, log: pino({ level: 'silent' }) })
  ask = async (path, key = app.adminKey, init = {}) => hono.request(path, { method: 'POST', ...init, headers: { authorization: `Bearer ${key}`, ...init.headers } })
})
afterAll(() => app?.[Symbol.asyncDispose]())

async function keyWith(rights: { scopes?: string[]; roles?: string[] }): Promise<string> {
  const { body } = await app.send('/v1/auth/keys', { body: { name: 'test', ...rights } })
  return (body as unknown as { key: string }).key
}
const codeOf = async (answer: Response) => `${answer.status} ${((await answer.json()) as { error: { code: string } }).error.code}`

it('a backup comes line by line, for every scope or its own, which no pattern stands for', async () => {
  const answer = await ask('/v1/system/backup')
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-ndjson'])
  const lines = (await answer.text()).trimEnd().split('\n').map((line) => JSON.parse(line) as object)
  expect([Object.keys(lines[0]!)[0], Object.keys(lines.at(-1)!)[0]]).toEqual(['format', 'end'])
  const own = await ask('/v1/system/backup', await keyWith({ scopes: ['system:backup'] }))
  expect([own.status, (await own.text()).length > 0]).toEqual([200, true])
  for (const rights of [{ roles: ['operator'] }, { scopes: ['system:*'] }, { scopes: ['*:execute', 'system:execute'] }, { roles: ['viewer'] }]) {
    expect(await codeOf(await ask('/v1/system/backup', await keyWith(rights)))).toBe('403 FORBIDDEN')
  }
})

it('who took one is in the record of who did what, and nothing that was in it', async () => {
  await (await ask('/v1/system/backup', undefined, { headers: { 'x-request-id': 'took-it', 'idempotency-key': 'one' } })).text()
  // Sent as it is made, it is sent again as it is then.
  const again = await ask('/v1/system/backup', undefined, { headers: { 'idempotency-key': 'one' } })
  expect([again.status, (await again.text()).slice(0, 9)]).toEqual([200, '{"format"'])
  const { body } = await app.send('/v1/auth/audit?operation=system:backup')
  expect(body.items.find(({ requestId }) => requestId === 'took-it')).toMatchObject({ keyName: 'admin', status: 200, after: '(not kept)' })
})

it('a backup that nobody reads to its end holds no transaction', async () => {
  await (await ask('/v1/system/backup')).body?.cancel()
  const open = async () => (await app.database.sql`select count(*)::int as open from pg_stat_activity where state like 'idle in transaction%'`)[0]?.['open']
  await expect.poll(open, { timeout: 50_000 }).toBe(0)
}, 60_000)

it('only a key of every scope restores, once it has been confirmed', async () => {
  const backup = await (await ask('/v1/system/backup')).text()
  expect(await codeOf(await ask('/v1/system/restore', undefined, { body: backup }))).toBe('428 NOT_CONFIRMED')
  for (const rights of [{ roles: ['operator'] }, { scopes: ['system:restore'] }, { scopes: ['system:*', '*:execute'] }]) {
    expect(await codeOf(await ask('/v1/system/restore?confirm=true', await keyWith(rights), { body: backup }))).toBe('403 FORBIDDEN')
  }
  const tried = await ask('/v1/system/restore?dryRun=true', undefined, { body: backup })
  expect([tried.status, await tried.json()]).toMatchObject([200, { done: false, obstacles: [expect.stringMatching(/^\d keys$/)] }])
  expect(await codeOf(await ask('/v1/system/restore?confirm=true', undefined, { body: backup }))).toBe('409 CONFLICT')
  expect(await codeOf(await ask('/v1/system/restore?confirm=true', undefined, { body: backup.slice(0, -5) }))).toBe('422 INVALID')
  expect(await codeOf(await ask('/v1/system/restore?confirm=true'))).toBe('422 INVALID')
})
