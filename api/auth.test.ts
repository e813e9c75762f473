import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { openDatabase, type Database } from '../runtime/store/database.ts'
import { ensureAdminKey } from '../runtime/store/keys.ts'
import { openRoleRows } from '../runtime/store/role-rows.ts'
import { openKeyRows } from '../runtime/store/key-rows.ts'
import { authorize, authorizeModule, createAccess } from './auth.ts'
import type { BulkheadError } from '../bridge/errors.ts'
import { allows, beyond } from './roles.ts'
import { STRANGERS_PER_MINUTE } from './strangers.ts'

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
  expect(beyond(['config:validate'], ['config:validate:all', 'config:validate'])).toEqual(['config:validate:all'])
  expect(beyond(['config:*'], ['config:validate:all'])).toEqual([])
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

describe('keys that nobody knows', () => {
  const unknown = () => `Bearer bk_${randomBytes(4).toString('hex')}_${randomBytes(32).toString('base64url')}`
  const { network: OF_A_NETWORK, all: OF_ALL } = STRANGERS_PER_MINUTE
  const refused = (error: unknown) => (error as BulkheadError).code

  /** A database whose look-ups are counted. */
  function counted() {
    let lookUps = 0
    const sql = new Proxy(database.sql, {
      apply(target, self, args: [TemplateStringsArray]) {
        if (/from bulkhead.api_keys/.test(String(args[0]))) lookUps++
        return Reflect.apply(target, self, args)
      },
    })
    return { access: createAccess(sql), lookUps: () => lookUps }
  }

  it('are looked up so many times a minute for one address, and no more after that', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const { access, lookUps } = counted()
    const from = (address: string) => access.identify(unknown(), address).catch(refused)
    for (let tried = 0; tried < OF_A_NETWORK; tried++) expect(await from('192.0.2.1')).toBe('UNAUTHENTICATED')
    expect(lookUps()).toBe(OF_A_NETWORK)
    await expect(access.identify(unknown(), '192.0.2.1')).rejects.toMatchObject({
      code: 'RATE_LIMITED', message: expect.stringContaining('from your network'), details: { policy: 'network', limit: OF_A_NETWORK, remaining: 0, resetS: 1 },
    })
    for (let tried = 0; tried < 500; tried++) expect(await from('::ffff:192.0.2.1')).toBe('RATE_LIMITED')
    expect(lookUps()).toBe(OF_A_NETWORK + 1) // and the list of good keys, once
    expect(await from('192.0.2.2')).toBe('UNAUTHENTICATED')
    vi.advanceTimersByTime(1000)
    expect(await from('192.0.2.1')).toBe('UNAUTHENTICATED')
    expect(await from('192.0.2.1')).toBe('RATE_LIMITED')
  })

  it('are limited together as well, by which addresses without number gain nothing', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const { access, lookUps } = counted()
    const from = (nth: number) => access.identify(unknown(), `2001:db8:${nth.toString(16)}::1`).catch(refused)
    for (let nth = 0; nth < OF_ALL; nth++) expect(await from(nth)).toBe('UNAUTHENTICATED')
    for (let nth = OF_ALL; nth < 2 * OF_ALL; nth++) expect(await from(nth)).toBe('RATE_LIMITED')
    expect(lookUps()).toBe(OF_ALL + 1)
  })

  it('cost who holds a good key nothing, used before or not, though all come from one proxy', async () => {
    const rows = openKeyRows(database.sql)
    const [used, fresh] = [await rows.create(NO_RIGHTS, 'admin'), await rows.create(NO_RIGHTS, 'admin')]
    const { access } = counted()
    await access.identify(`Bearer ${used.key}`, '192.0.2.1')
    const flood = Array.from({ length: 3 * OF_A_NETWORK }, () => access.identify(unknown(), '192.0.2.1').catch(refused))
    const good = [used, fresh].map(({ key: one }) => access.identify(`Bearer ${one}`, '192.0.2.1'))
    expect(await Promise.all(good)).toMatchObject([{ caller: { name: 'test' } }, { caller: { name: 'test' } }])
    expect(new Set(await Promise.all(flood))).toEqual(new Set(['UNAUTHENTICATED', 'RATE_LIMITED']))
  })

  it('are those that were good once, too', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const { key: mine, row } = await openKeyRows(database.sql).create(NO_RIGHTS, 'admin')
    const { access, lookUps } = counted()
    await access.identify(`Bearer ${mine}`, '192.0.2.1')
    await openKeyRows(database.sql).revoke(row.id)
    vi.advanceTimersByTime(5000)
    const answers = []
    for (let tried = 0; tried < 200; tried++) answers.push(await access.identify(`Bearer ${mine}`, '192.0.2.1').catch(refused))
    expect([answers[0], answers.at(-1)]).toEqual(['UNAUTHENTICATED', 'RATE_LIMITED'])
    expect(lookUps()).toBeLessThan(OF_A_NETWORK + 5)
  })
})

const NO_RIGHTS = { name: 'test', scopes: [], roles: [], modules: null, requestsPerMinute: null, expiresAt: null }
