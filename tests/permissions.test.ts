import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_VIOLATIONS } from '../runtime/violations.ts'
import { answering, openOperator, type Operator } from './operator.setup.ts'

const SECRET = 'sk-"live"\\0123456789é'
const REGION = 'eu'

let operator: Operator
const send: Operator['send'] = (...sent) => operator.send(...sent)
const decide = (module: string, what: 'grant' | 'revoke', permissions?: string[]) =>
  send('POST', `/v1/modules/${module}/permissions/${what}`, permissions ? { permissions } : {})
const seen = async (module: string, content?: string) => (await operator.call({}, content)).output[module]
const attempt = (expression: string) => `await (async () => ${expression})().then(() => 'done', (e) => e.name + ' ' + e.code)`
const told = (type: string, module: string) => operator.events.filter((event) => event.type === type && 'module' in event && event.module === module)

beforeAll(async () => {
  operator = await openOperator()
  await operator.write('emitter', 'permissions: [emit, log]', answering('emitter', attempt(`ctx.emit('t', { a: 1 })`)))
  await operator.write('thief', 'permissions: [log]', answering('thief', `[${attempt(`ctx.emit('t', {})`)}, ${attempt(`ctx.kv.get(['a'])`)}, ${attempt(`ctx.env.get('API_KEY')`)}, ${attempt(`ctx.env.get('no such\\0name')`)}]`))
  await operator.write('reader', 'permissions: ["env:API_KEY", "env:REGION", "env:UNSET"]', answering('reader', `['API_KEY', 'REGION', 'UNSET'].map((n) => { try { return ctx.env.get(n)?.length ?? 'none' } catch (e) { return e.name } })`))
  const leaks = `
    permissions: [emit, log]
    config: { type: object, properties: { key: { type: string, minLength: 12 }, plain: { type: string }, n: { type: integer } } }`
  await operator.write('leaky', leaks.replaceAll('\n    ', '\n'), `
    export default {
      onLoad(config) { console.log('loaded with', config) },
      onConfig(config) { console.log('changed to', config); if (config.plain === 'throw') throw new Error('cannot use ' + config.key) },
      async handle(hook, ctx) {
        const { key } = ctx.config
        ctx.log.info('key is ' + key, { [key]: [key] })
        await ctx.emit('leak', { key, [key]: 1 })
        if (ctx.message.content === 'throw') throw new Error('refused by the other side: ' + key)
        return { action: 'continue', modifications: { output: { leaky: { key, length: key?.length, plain: ctx.config.plain } } }, extractions: [{ type: 'leak', data: { key } }] }
      },
    }`)
  await operator.start({ environment: { API_KEY: SECRET, REGION } })
})
afterAll(() => operator?.[Symbol.asyncDispose]())

describe('a permission', () => {
  test('is granted to a new module where it declares it, but not the values of the operator', async () => {
    expect(await seen('emitter')).toBe('done')
    expect(operator.runtime.module('reader')).toMatchObject({ status: 'ready', granted: [], permissions: ['env:API_KEY', 'env:REGION', 'env:UNSET'] })
    expect(await seen('reader')).toEqual(['NotCapable', 'NotCapable', 'NotCapable'])
    const { body } = await send('GET', '/v1/permissions?module=emitter')
    expect(body.items).toMatchObject([{ permission: 'emit', asked: true, granted: true }, { permission: 'log', granted: true, decidedBy: 'first grant: declared' }])
  })

  test('that was not granted is refused in the guest and recorded', async () => {
    expect(await seen('thief')).toEqual(Array(4).fill('NotCapable CAPABILITY_DENIED'))
    const { body } = await send('GET', '/v1/permissions/audit?module=thief')
    expect(body.violations.map(({ permission }) => permission).toSorted()).toEqual(['(others)', 'emit', 'env:API_KEY', 'kv'])
    expect(told('module:violation', 'thief')).toContainEqual(expect.objectContaining({ permission: 'kv', hook: 'chat:before_ai', version: '1.0.0' }))
  })

  test('is taken from what runs, and given back, without a reload', async () => {
    const { loadedAt } = operator.runtime.module('emitter')
    expect(await decide('emitter', 'revoke', ['emit'])).toMatchObject({ status: 200, body: { items: [{ permission: 'emit', granted: false, decidedBy: 'admin' }, {}] } })
    expect(await seen('emitter')).toBe('NotCapable CAPABILITY_DENIED')
    expect((await send('GET', '/v1/modules/emitter/permissions/emit')).body).toMatchObject({ asked: true, granted: false, effective: false })
    await decide('emitter', 'grant')
    expect(await seen('emitter')).toBe('done')
    expect((await send('GET', '/v1/modules/emitter/permissions/emit')).body).toMatchObject({ granted: true, effective: true })
    expect(operator.runtime.module('emitter').loadedAt).toBe(loadedAt)
    const { body } = await send('GET', '/v1/permissions/audit?module=emitter&limit=2')
    expect(body).toMatchObject({ items: [{ action: 'grant' }, { action: 'grant' }], nextCursor: expect.any(String) })
  })

  test('is not granted to who does not ask for it', async () => {
    expect(await decide('emitter', 'grant', ['kv'])).toMatchObject({ status: 422, body: { error: { message: expect.stringContaining('emitter does not ask for it') } } })
    expect(await decide('emitter', 'grant', ['emitt'])).toMatchObject({ status: 422, body: { error: { message: expect.stringContaining('did you mean "emit"') } } })
    expect(await decide('emiter', 'grant', ['emit'])).toMatchObject({ status: 404 })
  })

  test('opens the values that the operator lends, one by one', async () => {
    await decide('reader', 'grant', ['env:API_KEY', 'env:UNSET'])
    expect(await seen('reader')).toEqual([SECRET.length, 'NotCapable', 'none'])
    expect((await send('GET', '/v1/configs/env')).body.items).toEqual([{ name: 'API_KEY', modules: ['reader'] }, { name: 'REGION', modules: [] }])
  })

  test('outlives a restart', async () => {
    await decide('emitter', 'revoke', ['emit'])
    await operator.start({ environment: { API_KEY: SECRET, REGION } })
    expect(await seen('emitter')).toBe('NotCapable CAPABILITY_DENIED')
    expect(operator.runtime.module('emitter').status).toBe('ready')
    await decide('emitter', 'grant', ['emit'])
  })
})

describe('a reference to a secret', () => {
  const configure = (config: object, where = '') => send('PUT', `/v1/modules/leaky/config${where}`, { config })

  test('is refused unless the module was granted it, and the operator lends it', async () => {
    expect(await configure({ key: '$API_KEY' })).toMatchObject({ status: 422, body: { error: { details: [{ path: 'key', message: expect.stringContaining('has not been granted "env:API_KEY"') }] } } })
    await decide('leaky', 'grant', ['env:API_KEY', 'env:MISSING'])
    expect(await configure({ key: '$MISSING' })).toMatchObject({ status: 422, body: { error: { message: expect.stringContaining('the operator lends no such value') } } })
    expect(await configure({ key: '$API_KEY' })).toMatchObject({ status: 200, body: { config: { key: '$API_KEY' } } })
  })

  test('is the value in the module, checked as the value, and the reference everywhere else', async () => {
    await configure({ key: '$API_KEY', plain: '$$API_KEY' })
    expect(await seen('leaky')).toEqual({ key: '[hidden]', length: SECRET.length, plain: '$API_KEY' })
    expect((await send('GET', '/v1/modules/leaky/config')).body).toMatchObject({ config: { key: '$API_KEY', plain: '$$API_KEY' } })
    await configure({ key: '$API_KEY', plain: 'tool' }, '?scope=tool&id=default')
    expect(await seen('leaky')).toMatchObject({ length: SECRET.length, plain: 'tool' })
    expect(await configure({ n: '$API_KEY' })).toMatchObject({ status: 422, body: { error: { details: [{ path: 'n', message: 'must be a whole number' }] } } })
  })

  test('holds on to its grant', async () => {
    expect(await decide('leaky', 'revoke', ['env:API_KEY'])).toMatchObject({ status: 409, body: { error: { message: expect.stringContaining('the configuration of leaky at global refers to it') } } })
  })

  test('shows its value nowhere: no answer, log line, row or event has it', async () => {
    await configure({ key: '$API_KEY', plain: 'throw' })
    await operator.call({}, 'throw')
    await operator.call({ tool: { id: 'other' } }, 'throw')
    await operator.send('POST', '/v1/hooks/chat:before_ai?trace=1', { message: { content: 'hi' } })
    for (const path of ['/v1/modules', '/v1/configs', '/v1/configs/export', '/v1/configs/env', '/v1/permissions', '/v1/permissions/audit', '/v1/extractions?limit=200', '/v1/modules/leaky/config/history']) {
      expect((await send('GET', path)).status).toBe(200)
    }
    await operator.runtime.records.flush()
    expect(JSON.stringify((await send('GET', '/v1/logs?limit=200')).body)).toContain('[hidden]')

    const { sql } = operator.database
    const rows: unknown[] = []
    const tables = await sql<Array<{ name: string }>>`select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'bulkhead'`
    for (const { name } of tables) rows.push(...(await sql.unsafe(`select t::text as row from ${name} t`)))
    const everywhere = [...operator.shown, ...operator.events.map((event) => JSON.stringify(event)), ...rows.map((row) => JSON.stringify(row))]
    expect(everywhere.some((text) => text.includes('leaky'))).toBe(true)
    const part = '0123456789é'
    for (const text of everywhere) expect(text).not.toContain(part)
  })
})

describe('a version that asks for more', () => {
  test('waits, the old one running, until somebody grants it, and then comes up by itself', async () => {
    await operator.write('emitter', 'version: 2.0.0\npermissions: [emit, log, kv]', answering('emitter', attempt(`ctx.kv.set(['a'], 1)`)))
    expect(await send('POST', '/v1/modules/emitter/reload')).toMatchObject({
      status: 200,
      body: { status: 'upgrade_pending', version: '1.0.0', upgrade: { version: '2.0.0', permissions: ['kv'] }, error: null },
    })
    expect(told('module:upgrade_pending', 'emitter')).toMatchObject([{ version: '2.0.0', permissions: ['kv'] }])
    expect(await seen('emitter')).toBe('done')
    expect((await send('GET', '/v1/permissions?module=emitter')).body.items).toContainEqual(expect.objectContaining({ permission: 'kv', asked: true, granted: false, decidedBy: null }))
    await decide('emitter', 'grant', ['kv'])
    expect(operator.runtime.module('emitter')).toMatchObject({ status: 'ready', version: '2.0.0', upgrade: null, granted: ['emit', 'log', 'kv'] })
    expect(await seen('emitter')).toBe('done')
  })

  test('comes up without what somebody refused it', async () => {
    await operator.write('emitter', 'version: 3.0.0\npermissions: [emit, "env:REGION"]', answering('emitter', attempt(`ctx.env.get('REGION')`)))
    await send('POST', '/v1/modules/emitter/reload')
    expect(operator.runtime.module('emitter').status).toBe('upgrade_pending')
    await decide('emitter', 'revoke', ['env:REGION'])
    expect(operator.runtime.module('emitter')).toMatchObject({ status: 'ready', version: '3.0.0', granted: ['emit'] })
    expect(await seen('emitter')).toBe('NotCapable CAPABILITY_DENIED')
  })

  test('that asks for less, or for the same again, does not wait', async () => {
    await operator.write('emitter', 'version: 4.0.0\npermissions: [emit]', answering('emitter', '4'))
    await send('POST', '/v1/modules/emitter/reload')
    expect(await seen('emitter')).toBe(4)
    await operator.start({ environment: { API_KEY: SECRET } })
    expect(operator.runtime.module('emitter').status).toBe('ready')
  })
})

describe('where the operator grants nothing by itself', () => {
  test('a new module runs with nothing until something is granted', async () => {
    await operator.write('fresh', 'permissions: [emit]', answering('fresh', attempt(`ctx.emit('t', {})`)))
    await operator.start({ firstGrant: 'none', environment: { API_KEY: SECRET } })
    expect(operator.runtime.module('fresh')).toMatchObject({ status: 'ready', granted: [] })
    expect(await seen('fresh')).toBe('NotCapable CAPABILITY_DENIED')
    await decide('fresh', 'grant')
    expect(await seen('fresh')).toBe('done')
  })
})

describe('a module that goes on asking', () => {
  const violate = async (times: number) => {
    for (let n = 0; n < times; n++) await operator.call()
  }

  test('is let be where the policy is to warn', async () => {
    await operator.write('thief', 'permissions: [log]\nfailure: { chat:before_ai: closed }', answering('thief', attempt(`ctx.emit('t', {})`)))
    await operator.start({ environment: { API_KEY: SECRET } })
    await violate(MAX_VIOLATIONS + 1)
    expect(operator.runtime.module('thief').status).toBe('ready')
  })

  test('is denied all it was granted where that is the policy', async () => {
    await operator.start({ onViolation: 'deny', environment: { API_KEY: SECRET } })
    await violate(MAX_VIOLATIONS - 1)
    expect(told('module:denied', 'thief')).toHaveLength(0)
    await violate(1)
    expect(told('module:denied', 'thief')).toHaveLength(1)
    expect((await send('GET', '/v1/modules/thief/permissions/log')).body).toMatchObject({ granted: true, effective: false })
  })

  test('is put in quarantine where that is the policy, over a restart, until somebody enables it', async () => {
    await operator.start({ onViolation: 'quarantine', environment: { API_KEY: SECRET } })
    await violate(MAX_VIOLATIONS - 1)
    expect(operator.runtime.module('thief').status).toBe('ready')
    await violate(1)
    const error = { code: 'CAPABILITY_DENIED', message: expect.stringContaining(`it asked ${MAX_VIOLATIONS} times within a minute`) }
    expect(operator.runtime.module('thief')).toMatchObject({ status: 'disabled', error })
    expect(await send('POST', '/v1/modules/thief/reload')).toMatchObject({ status: 409 })
    const blocked = await send('POST', '/v1/hooks/chat:before_ai', { message: { content: 'hi' } })
    expect(blocked.body).toMatchObject({ action: 'block', blockedBy: 'thief' })
    await expect.poll(async () => (await operator.database.sql`select from bulkhead.modules where quarantined and name = 'thief'`).length).toBe(1)
    await operator.start({ environment: { API_KEY: SECRET } })
    expect(operator.runtime.module('thief')).toMatchObject({ status: 'disabled', error })
    expect((await send('POST', '/v1/hooks/chat:before_ai', { message: { content: 'hi' } })).body).toMatchObject({ action: 'block' })
    expect(await send('POST', '/v1/modules/thief/enable')).toMatchObject({ status: 200, body: { status: 'ready', error: null } })
    expect(await seen('thief')).toBe('NotCapable CAPABILITY_DENIED')
  })
})
