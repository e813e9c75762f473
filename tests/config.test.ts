import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answering, openOperator, type Operator } from './operator.setup.ts'

const SCHEMA = `
config:
  type: object
  properties:
    level: { type: string, enum: [low, high], default: low }
    limits:
      type: object
      properties: { first: { type: integer, default: 1 }, second: { type: integer } }
      default: {}
    words: { type: array, items: { type: string }, default: [] }
    list: { type: object, additionalProperties: { type: integer }, maxProperties: 2 }`

let operator: Operator
const send: Operator['send'] = (...sent) => operator.send(...sent)
const set = (module: string, where: string, said: object) => send('PUT', `/v1/modules/${module}/config${where}`, said)
const seen = async (module: string, place: object = {}) => (await operator.call(place)).output[module]

beforeAll(async () => {
  operator = await openOperator()
  const both = `{ call: ctx.config, own: this.config, changes: this.changes?.length ?? 0 }`
  await operator.write('a', SCHEMA, answering('a', both))
  await operator.write('watcher', `${SCHEMA}\nlimits: { maxConcurrency: 8 }`, `
    export default {
      changes: [],
      onLoad(config) { this.loaded = config.level },
      onConfig(config) { if (config.level === 'high' && config.words.includes('fail')) throw new Error('not that'); this.changes.push(config.level) },
      async handle(hook, ctx) {
        const before = ctx.config.level
        await ctx.kv
        return { action: 'continue', modifications: { output: { watcher: { before, after: ctx.config.level, loaded: this.loaded, changes: this.changes, frozen: Object.isFrozen(ctx.config.limits) && Object.isFrozen(this.config) } } } }
      },
    }`)
  await operator.write('needy', 'config: { type: object, properties: { key: { type: string } }, required: [key] }', answering('needy', 'this.config.key'))
  await operator.write('classy', 'scope: { allowGlobal: false, allowGroup: false, allowTool: false }\nconfig: { type: object, properties: { n: { type: integer, default: 0 } } }', answering('classy', 'ctx.config.n'))
  await operator.start()
})
afterAll(() => operator?.[Symbol.asyncDispose]())

describe('a configuration', () => {
  test('of a tool is laid over that of the class, the group, everywhere and the manifest; the nearest wins', async () => {
    await set('a', '', { config: { limits: { first: 2 }, words: ['global'] } })
    await set('a', '?scope=group&id=g', { config: { limits: { second: 3 }, words: ['group'] } })
    await set('a', '?scope=class&id=c', { config: { level: 'high', words: ['class'] } })
    await set('a', '?scope=tool&id=t', { config: { limits: { first: 9 } } })
    const own = { level: 'low', limits: { first: 2 }, words: ['global'] }
    expect(await seen('a')).toMatchObject({ call: own, own })
    expect(await seen('a', { group: { id: 'g' } })).toMatchObject({ call: { level: 'low', limits: { first: 2, second: 3 }, words: ['group'] }, own })
    expect(await seen('a', { tool: { id: 't' }, class: { id: 'c' }, group: { id: 'g' } })).toMatchObject({
      call: { level: 'high', limits: { first: 9, second: 3 }, words: ['class'] },
      own,
    })
    expect(await seen('a', { group: { id: 'another' }, tool: { id: 'c' } })).toMatchObject({ call: own })
  })

  test('reaches what runs without a reload, before the answer does', async () => {
    const { loadedAt } = operator.runtime.module('watcher')
    expect(await set('watcher', '', { config: { level: 'high' } })).toMatchObject({ status: 200, body: { revision: expect.any(Number), changedBy: 'admin' } })
    expect(await seen('watcher')).toEqual({ before: 'high', after: 'high', loaded: 'low', changes: ['high'], frozen: true })
    expect(operator.runtime.module('watcher').loadedAt).toBe(loadedAt)
    await set('watcher', '?scope=class&id=c', { config: { level: 'low' } })
    expect(await seen('watcher', { class: { id: 'c' } })).toMatchObject({ before: 'low', changes: ['high'] })
  })

  test('that onConfig cannot take is taken by starting anew', async () => {
    await set('watcher', '', { config: { level: 'high', words: ['fail'] } })
    expect(await seen('watcher')).toMatchObject({ before: 'high', loaded: 'high', changes: [] })
    expect(operator.runtime.module('watcher').status).toBe('ready')
  })

  test('stays with an execution, however many others interleave', async () => {
    const places = Array.from({ length: 40 }, (_, n) => (n % 2 ? { class: { id: 'c' } } : {}))
    const answers = await Promise.all(places.map((place) => seen('watcher', place)))
    for (const [n, answer] of answers.entries()) expect(answer).toMatchObject(n % 2 ? { before: 'low', after: 'low' } : { before: 'high', after: 'high' })
  })

  test('is refused with every fault and no value where it does not fit', async () => {
    const answer = await set('a', '?scope=class&id=c', { config: { level: 'hihg-s3cret', limits: { first: 's3cret' }, other: 's3cret' } })
    expect(answer).toMatchObject({
      status: 422,
      body: { error: { code: 'INVALID', details: [{ path: 'level', message: 'unknown value, must be one of "low", "high"' }, { path: 'limits.first' }, { path: 'other' }] } },
    })
    expect(JSON.stringify(answer)).not.toContain('s3cret')
    const checked = await send('POST', '/v1/modules/a/config/validate', { config: { level: 1 } })
    expect(checked).toMatchObject({ status: 200, body: { valid: false, faults: [{ path: 'level' }] } })
    expect(await send('POST', '/v1/modules/a/config/validate', { config: { level: 'low' } })).toMatchObject({ body: { valid: true, faults: [] } })
  })

  test('is refused everywhere where a scope beneath would not fit any more', async () => {
    await set('a', '?scope=tool&id=full', { config: { list: { x: 1, y: 2 } } })
    expect(await set('a', '', { config: { list: { z: 3 } } })).toMatchObject({
      status: 422,
      body: { error: { message: expect.stringContaining('at tool full') } },
    })
    await send('DELETE', '/v1/modules/a/config?scope=tool&id=full')
    expect(await set('a', '', { config: { list: { z: 3 } } })).toMatchObject({ status: 200 })
  })

  test('of scopes that do not fit together is a failure of that call alone', async () => {
    await set('a', '', { config: {} })
    await set('a', '?scope=group&id=g2', { config: { list: { x: 1, y: 2 } } })
    await set('a', '?scope=class&id=c2', { config: { list: { z: 3 } } })
    expect((await operator.call({ group: { id: 'g2' }, class: { id: 'c2' } })).failures).toContainEqual({
      module: 'a',
      code: 'INVALID',
      message: expect.stringContaining('cannot configure the module a'),
    })
    expect((await operator.call({ group: { id: 'g2' } })).failures).not.toContainEqual(expect.objectContaining({ module: 'a' }))
  })

  test('that a module cannot do without brings it up once it is there', async () => {
    expect(operator.runtime.module('needy')).toMatchObject({ status: 'error', error: { code: 'INVALID', message: expect.stringContaining('key: is missing') } })
    expect(await set('needy', '', { config: { key: 'k' } })).toMatchObject({ status: 200 })
    expect(operator.runtime.module('needy')).toMatchObject({ status: 'ready', error: null })
    expect(await seen('needy')).toBe('k')
  })

  test('outlives a restart', async () => {
    await operator.start()
    expect(await seen('needy')).toBe('k')
    expect(await seen('a', { class: { id: 'c' } })).toMatchObject({ call: { level: 'high' } })
  })

  test('set by another host is there soon', async () => {
    await operator.database.sql.begin(async (tx) => {
      await tx`insert into bulkhead.config_changes (module, scope, id, action, changed_by) values ('needy', 'global', '', 'set', 'another')`
      await tx`update bulkhead.module_configs set config = '{"key":"other"}',
        revision = (select max(revision) from bulkhead.config_changes) where module = 'needy'`
    })
    await expect.poll(() => seen('needy'), { timeout: 30_000, interval: 200 }).toBe('other')
  })
})

describe('a scope', () => {
  test('is refused where the manifest does not allow it', async () => {
    for (const where of ['', '?scope=group&id=g', '?scope=tool&id=t']) {
      expect(await set('classy', where, { config: { n: 1 } })).toMatchObject({
        status: 422,
        body: { error: { message: expect.stringContaining('its manifest does not allow the scope') } },
      })
    }
    expect(await set('classy', '?scope=class&id=c', { config: { n: 1 } })).toMatchObject({ status: 200 })
  })

  test('switches a module on where it is off everywhere, and off where it is on', async () => {
    expect(await seen('classy')).toBeUndefined()
    expect(await seen('classy', { class: { id: 'c' } })).toBeUndefined()
    await set('classy', '?scope=class&id=c', { enabled: true })
    expect(await seen('classy', { class: { id: 'c' } })).toBe(1)
    await set('a', '?scope=class&id=quiet', { enabled: false })
    await set('a', '?scope=tool&id=loud', { enabled: true })
    expect(await seen('a', { class: { id: 'quiet' } })).toBeUndefined()
    expect(await seen('a', { class: { id: 'quiet' }, tool: { id: 'loud' } })).toBeDefined()
    expect(await seen('a')).toBeDefined()
  })

  test.each([
    ['?scope=class', 'is missing'],
    ['?id=c', 'the scope global has none'],
    ['?scope=klass&id=c', 'scope'],
  ])('of a request has to make sense: %s', async (where, message) => {
    expect(await set('a', where, {})).toMatchObject({ status: 422, body: { error: { message: expect.stringContaining(message) } } })
  })
})

describe('the history', () => {
  test('says who changed what, and takes a scope back to a revision', async () => {
    const where = '?scope=class&id=past'
    const first = (await set('a', where, { config: { words: ['one'] } })).body
    const second = (await set('a', where, { config: { words: ['two'], level: 'high' }, enabled: false })).body
    const { body } = await send('GET', `/v1/modules/a/config/history${where}`)
    expect(body.items).toMatchObject([
      { revision: second.revision, action: 'set', before: { config: { words: ['one'] }, enabled: null }, after: { enabled: false }, changedBy: 'admin' },
      { revision: first.revision, before: null, after: { config: { words: ['one'] } } },
    ])
    expect((await send('GET', `/v1/modules/a/config/diff${where}&from=${first.revision}`)).body.items).toEqual([
      { path: 'config.level', after: 'high' },
      { path: 'config.words', before: ['one'], after: ['two'] },
      { path: 'enabled', before: null, after: false },
    ])
    expect(await send('POST', `/v1/modules/a/config/rollback${where}&revision=${first.revision}`)).toMatchObject({ status: 200, body: { row: { config: { words: ['one'] }, enabled: null } } })
    expect(await seen('a', { class: { id: 'past' } })).toMatchObject({ call: { words: ['one'] } })
    expect(await send('POST', `/v1/modules/a/config/rollback${where}`)).toMatchObject({ body: { row: { config: { words: ['two'] }, enabled: false } } })
    expect(await send('POST', `/v1/modules/a/config/rollback${where}&revision=0`)).toMatchObject({ body: { row: null } })
    expect((await send('GET', `/v1/modules/a/config/history${where}&limit=1`)).body).toMatchObject({ items: [{ action: 'rollback', after: null }], nextCursor: expect.any(String) })
    expect(await send('POST', `/v1/modules/a/config/rollback?revision=${first.revision}`)).toMatchObject({ status: 404 })
  })

  test('keeps one of two who change the same from undoing the other', async () => {
    const where = '?scope=class&id=contested'
    const { revision } = (await set('a', `${where}&revision=0`, { config: {} })).body
    expect(await set('a', `${where}&revision=0`, { config: {} })).toMatchObject({ status: 409, body: { error: { details: { revision } } } })
    const both = await Promise.all([1, 2].map((n) => set('a', `${where}&revision=${revision}`, { config: { words: [String(n)] } })))
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 409])
  })
})

describe('an export', () => {
  test('is imported whole, or not at all', async () => {
    const { body: exported } = await send('GET', '/v1/configs/export?module=a')
    await set('a', '?scope=class&id=c', { config: { words: ['changed'] } })
    expect(await send('POST', '/v1/configs/import?dryRun=true', exported)).toMatchObject({ status: 200 })
    expect((await send('GET', '/v1/configs/export?module=a')).body).not.toEqual(exported)
    expect(await send('POST', '/v1/configs/import', exported)).toMatchObject({ status: 200, body: { imported: exported.entries.length } })
    expect((await send('GET', '/v1/configs/export?module=a')).body).toEqual(exported)
    const broken = { version: 1, entries: [{ ...exported.entries[0], config: { words: ['x'] } }, { module: 'a', scope: 'tool', id: 'z', config: { no: 1 }, enabled: null }] }
    expect(await send('POST', '/v1/configs/import', broken)).toMatchObject({ status: 422 })
    expect((await send('GET', '/v1/configs/export?module=a')).body).toEqual(exported)
    expect((await send('GET', '/v1/configs/export?module=a&scope=class&id=c')).body.entries).toHaveLength(1)
  })
})

test('all configurations are checked at once, each scope by itself, against the manifests as they are now', async () => {
  const number = (maximum: number, more = '') => `config: { type: object, properties: { n: { type: integer, maximum: ${maximum} }, m: { type: integer } } }\n${more}`
  await operator.write('tight', number(9), answering('tight', 'ctx.config.n'))
  await operator.write('wanting', 'config: { type: object, properties: { key: { type: string } }, required: [key] }', answering('wanting', '1'))
  await operator.start()
  await set('tight', '', { config: { m: 1 } })
  for (const [where, n] of [['class&id=few', 2], ['class&id=many', 8], ['tool&id=t', 1]] as const) await set('tight', `?scope=${where}`, { config: { n } })
  const check = async (query = '') => (await send('GET', `/v1/configs/validate?module=tight${query}`)).body.items
  expect((await check()).map(({ scope, id, valid }) => [scope, id, valid])).toEqual([
    ['class', 'few', true],
    ['class', 'many', true],
    ['global', '', true],
    ['tool', 't', true],
  ])

  await operator.write('tight', number(3, 'scope: { allowTool: false }'), answering('tight', 'ctx.config.n'))
  await send('POST', '/v1/modules/tight/reload')
  expect(await check('&filter=valid=false')).toEqual([
    { module: 'tight', scope: 'class', id: 'many', valid: false, message: expect.stringContaining('at class many'), faults: [expect.objectContaining({ path: 'n' })] },
    { module: 'tight', scope: 'tool', id: 't', valid: false, message: expect.stringContaining('does not allow the scope tool'), faults: [] },
  ])
  const all = (await send('GET', '/v1/configs/validate?limit=1000')).body.items
  expect(all).toContainEqual(expect.objectContaining({ module: 'wanting', scope: 'global', valid: false, message: expect.stringContaining('key') }))
  expect(new Set(all.map(({ module }) => module))).toEqual(new Set(operator.runtime.modules().map(({ name }) => name)))
  expect(await send('GET', '/v1/configs/validate?module=nothing')).toMatchObject({ status: 404 })
})

test('there are 100,000 rows at most', async () => {
  await operator.database.sql`
    insert into bulkhead.module_configs (module, scope, id, config, revision, changed_by, changed_at)
    select 'gone', 'class', n::text, '{}', 0, 'test', now()
    from generate_series(1, 99999 - (select count(*) from bulkhead.module_configs)) n`
  expect(await set('a', '?scope=class&id=last', { config: {} })).toMatchObject({ status: 200 })
  expect(await set('a', '?scope=class&id=beyond', { config: {} })).toMatchObject({ status: 507, body: { error: { code: 'QUOTA' } } })
  expect(await set('a', '?scope=class&id=last', { enabled: true })).toMatchObject({ status: 200 })
  await operator.database.sql`delete from bulkhead.module_configs where module = 'gone'`
})

test('whatever is sent as a configuration is taken as it is or refused, and never an error of ours', async () => {
  const scope = fc.constantFrom('', '?scope=group&id=%00', '?scope=class&id=f', '?scope=tool&id=f', '?scope=tool&id=🙂')
  const known = fc.record({ level: fc.constantFrom('low', 'high'), limits: fc.record({ first: fc.integer(), second: fc.integer() }, { requiredKeys: [] }), words: fc.array(fc.string({ unit: 'binary' })) }, { requiredKeys: [] })
  await fc.assert(
    fc.asyncProperty(scope, fc.oneof(known, fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue()), async (where, config) => {
      const answer = await set('a', where, { config })
      expect([200, 400, 422]).toContain(answer.status)
      if (answer.status === 200) expect(answer.body.config).toEqual(JSON.parse(JSON.stringify(config)))
    }),
    { numRuns: 60 },
  )
  expect(operator.runtime.module('a').status).toBe('ready')
})

test('in whatever scopes a call is, what it is given is what the rows say, the nearest last', async () => {
  const value = fc.record({ level: fc.constantFrom('low', 'high'), limits: fc.record({ first: fc.integer({ min: 0, max: 9 }), second: fc.integer({ min: 0, max: 9 }) }, { requiredKeys: [] }) }, { requiredKeys: [] })
  await fc.assert(
    fc.asyncProperty(value, value, value, value, async (global, group, learners, tool) => {
      await set('a', '', { config: global, enabled: null })
      await set('a', '?scope=group&id=p', { config: group })
      await set('a', '?scope=class&id=p', { config: learners })
      await set('a', '?scope=tool&id=p', { config: tool })
      const all = [global, group, learners, tool]
      const expected = { level: all.findLast((one) => one.level)?.level ?? 'low', limits: Object.assign({ first: 1 }, ...all.map((one) => one.limits ?? {})), words: [] }
      expect(await seen('a', { group: { id: 'p' }, class: { id: 'p' }, tool: { id: 'p' } })).toMatchObject({ call: expected })
    }),
    { numRuns: 15 },
  )
})
