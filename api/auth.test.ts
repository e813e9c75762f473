import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { openDatabase, type Database } from '../runtime/store/database.ts'
import { ensureAdminKey } from '../runtime/store/keys.ts'
import { openRoleRows } from '../runtime/store/role-rows.ts'
import { openKeyRows } from '../runtime/store/key-rows.ts'
import { authorize, authorizeModule, createAccess } from './auth.ts'
import { allows, beyond } from './roles.ts'

let folder: string
let database: Database
let key: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'auth-'))
  database = await openDatabase({ folder, log: pino({ level: 'silent' }) })
  const { file } = await ensureAdminKey(database.sql, { folder })
  key = (await readFile(file!, 'utf8')).trim()
})
afterAll(async () => {
  await database?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})
afterEach(() => vi.useRealTimers())

const reload = { name: 'modules:reload', scope: 'modules:write', path: '/v1/modules/:name/reload' } as const
const list = { name: 'logs:list', scope: 'logs:read', path: '/v1/logs' } as const

it('a good key is who it was made for', async () => {
  const { identify } = createAccess(database.sql)
  expect(await identify(`Bearer ${key}`)).toMatchObject({ caller: { name: 'admin', scopes: ['*'] }, rate: undefined })
  expect(await identify(`bearer  ${key}`)).toMatchObject({ caller: { name: 'admin' } })
})

it('a key that was good is not asked after again within five seconds, a revoked one ends with them', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const { identify } = createAccess(database.sql)
  await identify(`Bearer ${key}`)
  await database.sql`update bulkhead.api_keys set revoked_at = now()`
  vi.advanceTimersByTime(4999)
  await identify(`Bearer ${key}`)
  vi.advanceTimersByTime(1)
  await expect(identify(`Bearer ${key}`)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  await database.sql`update bulkhead.api_keys set revoked_at = null`
  expect(await identify(`Bearer ${key}`)).toMatchObject({ caller: { name: 'admin' } })
})

it('a key asks as often as its rate says, and again once time has passed', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const rows = openKeyRows(database.sql)
  const limited = await rows.create({ ...NO_RIGHTS, name: 'slow', requestsPerMinute: 3 }, 'admin')
  const { identify } = createAccess(database.sql, { requestsPerMinute: 1000 })
  const ask = () => identify(`Bearer ${limited.key}`)
  expect((await ask()).rate).toEqual({ allowed: true, limit: 3, remaining: 2, resetS: 20 })
  await ask()
  expect((await ask()).rate).toMatchObject({ remaining: 0, resetS: 60 })
  await expect(ask()).rejects.toMatchObject({ code: 'RATE_LIMITED', status: 429, details: { remaining: 0, resetS: 20 } })
  vi.advanceTimersByTime(19_999)
  await expect(ask()).rejects.toMatchObject({ code: 'RATE_LIMITED', details: { resetS: 1 } })
  vi.advanceTimersByTime(1)
  expect((await ask()).rate).toMatchObject({ remaining: 0 })
  expect((await identify(`Bearer ${key}`)).rate).toMatchObject({ limit: 1000, remaining: 999 })
})

it('a scope is held by its name, the name of the operation, a pattern or the star, not by a part of it', () => {
  for (const scopes of [['*'], ['logs:read', 'modules:write'], ['modules:*'], ['*:write'], ['modules:reload']]) {
    expect([scopes, allows(scopes, reload)]).toEqual([scopes, true])
  }
  for (const scopes of [[], ['modules'], ['modules:'], ['modules:writer'], ['*:read'], ['logs:*'], ['module:*']]) {
    expect([scopes, allows(scopes, reload)]).toEqual([scopes, false])
  }
})

it('nobody gives away more than they hold', () => {
  expect(beyond(['modules:*', 'logs:read'], ['modules:read', 'modules:*', 'modules:reload', 'logs:read'])).toEqual([])
  expect(beyond(['modules:*', 'logs:read'], ['*', '*:read', 'logs:*', 'auth:write'])).toEqual(['*', '*:read', 'logs:*', 'auth:write'])
  expect(beyond(['*'], ['*', 'auth:*'])).toEqual([])
})

it('a key may do what its roles may, those that operators made among them', async () => {
  const rows = openKeyRows(database.sql)
  await openRoleRows(database.sql).set({ name: 'reloader', description: '', scopes: ['modules:reload'] }, 'admin')
  const { identify } = createAccess(database.sql)
  const callerOf = async (roles: string[]) => (await identify(`Bearer ${(await rows.create({ ...NO_RIGHTS, roles }, 'admin')).key}`)).caller
  const viewer = await callerOf(['viewer'])
  expect(() => authorize(viewer, list)).not.toThrow()
  expect(() => authorize(viewer, reload)).toThrow('has no scope "modules:write"')
  expect(() => authorize({ ...viewer, scopes: [] }, list)).toThrow('has no scope')
  const reloader = await callerOf(['reloader', 'nobody-made-this'])
  expect(() => authorize(reloader, reload)).not.toThrow()
  expect(() => authorize(reloader, list)).toThrow('has no scope "logs:read"')
})

it('a key for some modules does nothing about others, nor about all of them', async () => {
  const rows = openKeyRows(database.sql)
  const made = await rows.create({ ...NO_RIGHTS, scopes: ['*'], modules: ['mine'] }, 'admin')
  const { caller } = await createAccess(database.sql).identify(`Bearer ${made.key}`)
  expect(() => authorizeModule(caller, reload, { name: 'mine' })).not.toThrow()
  expect(() => authorizeModule(caller, list, { module: 'mine' })).not.toThrow()
  expect(() => authorizeModule(caller, reload, { name: 'theirs', module: 'mine' })).toThrow('is for mine alone, not for "theirs"')
  expect(() => authorizeModule(caller, list, { name: 'mine' })).toThrow('is for mine alone, logs:list names none of them here')
  expect(() => authorizeModule(caller, list, { module: ['mine'] })).toThrow('names none of them here')
})

const NO_RIGHTS = { name: 'test', scopes: [], roles: [], modules: null, requestsPerMinute: null, expiresAt: null }
