import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openKeyRows } from '../runtime/store/key-rows.ts'
import { type AppUnderTest, startApp } from './app.setup.ts'
import { createApp } from './app.ts'
import { openUsage } from './usage.ts'

let app: AppUnderTest
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app?.[Symbol.asyncDispose]())

interface Made {
  key: string
  row: { id: string; prefix: string; name: string; rotates: string | null }
}

async function make(rights: object, key?: string): Promise<Made> {
  const answer = await app.send('/v1/auth/keys', { body: { name: 'test', ...rights }, ...(key !== undefined && { key }) })
  expect(answer).toMatchObject({ status: 201 })
  return answer.body as unknown as Made
}
const bodyOf = async (...sent: Parameters<AppUnderTest['send']>) => (await app.send(...sent)).body as unknown as Record<string, unknown>
const errorOf = async (...sent: Parameters<AppUnderTest['send']>) => {
  const { status, body } = await app.send(...sent)
  return `${status} ${body.error ? (body.error as unknown as { message: string }).message : 'no error'}`
}

it('a key that was made works, is listed by its prefix alone, and ends when it is revoked', async () => {
  const { key, row } = await make({ name: 'reader', roles: ['viewer'] })
  expect(key).toMatch(/^bk_[0-9a-f]{8}_/)
  expect(key).toContain(row.prefix)
  expect((await app.send('/v1/modules', { key })).status).toBe(200)
  expect(await errorOf('/v1/modules/echo/reload', { key, method: 'POST' })).toBe('403 the API key "reader" has no scope "modules:write"')
  expect(await bodyOf('/v1/auth/whoami', { key })).toMatchObject({ id: row.id, name: 'reader', roles: ['viewer'], modules: null })

  const listed = await app.send('/v1/auth/keys')
  expect(listed.body.items.find(({ id }) => id === row.id)).toMatchObject({ name: 'reader', createdBy: 'admin', revokedAt: null })
  expect(JSON.stringify(listed.body)).not.toContain(key)

  expect(await errorOf(`/v1/auth/keys/${row.id}`, { method: 'DELETE' })).toContain('confirm=true')
  expect((await app.send(`/v1/auth/keys/${row.id}?confirm=true`, { method: 'DELETE' })).status).toBe(200)
  const fresh = { database: app.database } // an app that has not seen the key yet
  expect((await app.send('/v1/modules', { key }, fresh)).status).toBe(401)
})

it('a key that was rotated goes on for the overlap, and the new one has the same rights', async () => {
  const first = await make({ scopes: ['modules:read'], modules: ['echo'], requestsPerMinute: 500 })
  const answer = await app.send(`/v1/auth/keys/${first.row.id}/rotate?overlapHours=0`, { method: 'POST' })
  const second = answer.body as unknown as Made
  expect(second.row).toMatchObject({ rotates: first.row.id, scopes: ['modules:read'], modules: ['echo'], requestsPerMinute: 500 })
  const fresh = { database: app.database }
  expect((await app.send('/v1/modules/echo', { key: second.key }, fresh)).status).toBe(200)
  expect((await app.send('/v1/modules/echo', { key: first.key }, fresh)).status).toBe(401)
  expect(await errorOf(`/v1/auth/keys/${first.row.id}/rotate`, { method: 'POST' })).toBe('409 cannot rotate the key "test", it has ended')

  const third = (await bodyOf(`/v1/auth/keys/${second.row.id}/rotate`, { method: 'POST' })) as unknown as Made
  expect((await app.send('/v1/modules/echo', { key: second.key }, fresh)).status).toBe(200)
  expect((await app.send('/v1/modules/echo', { key: third.key }, fresh)).status).toBe(200)
})

it('an expired key is none', async () => {
  const { key, row } = await make({ scopes: ['modules:read'], expiresInDays: 1 })
  await app.database.sql`update bulkhead.api_keys set expires_at = now() - interval '1 second' where id = ${row.id}`
  expect(await errorOf('/v1/modules', { key })).toBe('401 the API key is not known, or no longer valid')
})

it('nobody hands on more than they have', async () => {
  const { key } = await make({ name: 'half', scopes: ['auth:*', 'modules:read'] })
  const tries: Array<[object, string]> = [
    [{ scopes: ['*'] }, '403 the API key "half" cannot give *, which it has not itself'],
    [{ scopes: ['modules:read', 'modules:write'] }, '403 the API key "half" cannot give modules:write, which it has not itself'],
    [{ roles: ['admin'] }, '403 the API key "half" cannot give *, which it has not itself'],
    [{ roles: ['nobody'] }, '404 no role named "nobody"; roles are admin, operator, developer, viewer, app'],
    [{}, '422 cannot make a key that may do nothing, give it scopes or roles'],
    [{ scopes: ['modules'] }, '422'],
    [{ scopes: ['modules:read'], requestsPerMinute: 0 }, '422'],
  ]
  for (const [rights, said] of tries) {
    expect(await errorOf('/v1/auth/keys', { key, body: { name: 'more', ...rights } })).toContain(said)
  }
  const admin = (await app.send('/v1/auth/keys')).body.items.find(({ name }) => name === 'admin')
  expect(await errorOf(`/v1/auth/keys/${admin?.['id']}/rotate`, { key, method: 'POST' })).toContain('403')
  expect(await errorOf(`/v1/auth/keys/${admin?.['id']}?confirm=true`, { key, method: 'DELETE' })).toContain('403')
  expect(await errorOf('/v1/auth/roles/more', { key, method: 'PUT', body: { description: '', scopes: ['*:write'] } })).toContain('403')
})

it('a key that ends, or has a rate, makes none that goes further', async () => {
  const { key } = await make({ scopes: ['auth:*'], requestsPerMinute: 100, expiresInDays: 1 })
  const { row } = (await make({ scopes: ['auth:read'], requestsPerMinute: 1000 }, key)) as unknown as { row: { expiresAt: string; requestsPerMinute: number } }
  expect(row.requestsPerMinute).toBe(100)
  expect(Date.parse(row.expiresAt)).toBeLessThanOrEqual(Date.now() + 24 * 60 * 60 * 1000)
  const less = (await make({ scopes: ['auth:read'], requestsPerMinute: 5 }, key)) as unknown as { row: { requestsPerMinute: number } }
  expect(less.row.requestsPerMinute).toBe(5)
})

it('the last key that may do everything stays', async () => {
  const admin = (await app.send('/v1/auth/keys')).body.items.find(({ name }) => name === 'admin')
  expect(await errorOf(`/v1/auth/keys/${admin?.['id']}?confirm=true`, { method: 'DELETE' })).toContain('409 cannot revoke the key "admin", it is the last one')
})

it('a role that operators made gives its scopes, and cannot be removed while keys have it', async () => {
  const set = (scopes: string[]) => app.send('/v1/auth/roles/reloader', { method: 'PUT', body: { description: 'reloads', scopes } })
  expect((await set(['modules:reload'])).status).toBe(200)
  const { key, row } = await make({ roles: ['reloader'] })
  expect((await app.send('/v1/modules/echo/reload', { key, method: 'POST' })).status).toBe(200)
  expect((await app.send('/v1/modules', { key })).status).toBe(403)
  expect(await errorOf('/v1/auth/roles/reloader', { method: 'DELETE' })).toContain('409 cannot remove the role "reloader", keys have it: test')
  await app.send(`/v1/auth/keys/${row.id}?confirm=true`, { method: 'DELETE' })
  expect((await app.send('/v1/auth/roles/reloader', { method: 'DELETE' })).status).toBe(200)
  expect(await errorOf('/v1/auth/roles/admin', { method: 'PUT', body: { description: '', scopes: [] } })).toContain('409 the role "admin" is built in')
})

it('a role that may do more than a key is not for that key to change', async () => {
  const set = (scopes: string[], key?: string) =>
    errorOf('/v1/auth/roles/watcher', { method: 'PUT', body: { description: 'watches', scopes }, ...(key !== undefined && { key }) })
  expect(await set(['modules:read', 'system:read'])).toBe('200 no error')
  const { key } = await make({ name: 'half', scopes: ['auth:*', 'modules:read'] })
  expect(await set(['modules:read'], key)).toBe('403 the API key "half" cannot give or take system:read, which it has not itself')
  const whole = await make({ name: 'whole', scopes: ['auth:*', 'modules:read', 'system:*'] })
  expect(await set(['modules:read'], whole.key)).toBe('200 no error')
  expect(await errorOf('/v1/auth/roles/watcher', { method: 'DELETE' })).toBe('200 no error')
})

it('a key for one module sees and does nothing about others', async () => {
  const { key } = await make({ scopes: ['*'], modules: ['echo'] })
  expect((await app.send('/v1/modules/echo', { key })).status).toBe(200)
  expect((await app.send('/v1/logs?module=echo', { key })).status).toBe(200)
  expect((await app.send('/v1/auth/whoami', { key })).status).toBe(200)
  for (const path of ['/v1/modules', '/v1/modules/pii-filter', '/v1/logs', '/v1/logs?module=pii-filter', '/v1/auth/keys']) {
    expect(await errorOf(path, { key })).toContain('403 the API key "test" is for echo alone')
  }
})

it('a rate is told with every answer, and past it the answer says when to come again', async () => {
  const { key } = await make({ scopes: ['modules:read'], requestsPerMinute: 2 })
  const first = await app.send('/v1/modules', { key })
  expect(first.headers.get('ratelimit-policy')).toBe('"key";q=2;w=60')
  expect(first.headers.get('ratelimit')).toBe('"key";r=1;t=30')
  const second = await app.send('/v1/modules/none', { key })
  expect([second.status, second.headers.get('ratelimit')]).toEqual([404, expect.stringMatching(/^"key";r=0;t=(59|60)$/)])
  const third = await app.send('/v1/modules', { key })
  expect(third).toMatchObject({ status: 429, body: { error: { code: 'RATE_LIMITED' } } })
  expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(third.headers.get('ratelimit')).toMatch(/^"key";r=0;t=\d+$/)
})

it('who tries one unknown key after the other is told when to come again', async () => {
  const hono = createApp(app)
  const ask = (key: string) => hono.request('/v1/modules', { headers: { authorization: `Bearer ${key}` } }, { remoteAddress: '192.0.2.1' })
  for (let tried = 0; tried < 60; tried++) expect((await ask(`bk_00000000_${randomUUID()}`)).status).toBe(401)
  const refused = await ask(`bk_00000000_${randomUUID()}`)
  expect([refused.status, ((await refused.json()) as { error: { code: string } }).error.code]).toEqual([429, 'RATE_LIMITED'])
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
  expect(refused.headers.get('ratelimit-policy')).toBe('"network";q=60;w=60')
  expect((await ask(app.adminKey)).status).toBe(200)
})

it('what keys ask is counted by day', async () => {
  const { key, row } = await make({ scopes: ['modules:read'] })
  {
    await using usage = openUsage(openKeyRows(app.database.sql), { ...console, warn: () => {} })
    await app.send('/v1/modules', { key }, { usage })
    await app.send('/v1/modules/none', { key }, { usage })
    await app.send('/v1/auth/keys', { key }, { usage })
  }
  const day = new Date().toISOString().slice(0, 10)
  expect((await app.send(`/v1/auth/usage?key=${row.id}`)).body.items).toEqual([{ key: row.id, day, requests: 3, refused: 2 }])
})

it('nobody changes the audit log, not even the host', async () => {
  const { sql } = app.database
  await app.send('/v1/modules/echo/reload', { method: 'POST', headers: { 'x-request-id': randomUUID() } })
  for (const statement of ['update bulkhead.audit set status = 1', 'delete from bulkhead.audit', 'truncate bulkhead.audit']) {
    await expect(sql.unsafe(statement)).rejects.toThrow('audit is append-only')
  }
})

it('pages of other origins are let in only where they are configured', async () => {
  const asked = (origin: string) => ({ headers: { origin } })
  expect((await app.send('/v1/modules', asked('https://app.example.org'))).headers.get('access-control-allow-origin')).toBeNull()
  const parts = { corsOrigins: ['https://app.example.org'] }
  expect((await app.send('/v1/modules', asked('https://app.example.org'), parts)).headers.get('access-control-allow-origin')).toBe('https://app.example.org')
  expect((await app.send('/v1/modules', asked('https://evil.example.org'), parts)).headers.get('access-control-allow-origin')).toBeNull()
  const preflight = await app.send('/v1/modules', {
    method: 'OPTIONS', key: null, headers: { origin: 'https://app.example.org', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
  }, parts)
  expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([204, 'authorization'])
})
