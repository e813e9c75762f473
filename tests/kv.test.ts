import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { completeContext } from '../runtime/context.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import { findExternal, openTemporary, type TemporaryDatabase } from '../runtime/store/store.setup.ts'

const external = await findExternal()
const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** Each case is the body of a function of `kv`; what it returns, or the error it threw, comes back as text. */
const CASES = {
  values: `
    const cycle = {}; cycle.self = cycle
    const values = [null, undefined, true, 1.5, -0, NaN, -Infinity, 'text \\0 \\ud800', 12345678901234567890n, new Date(7), new Date(NaN),
      new Uint8Array([0, 255]), new Uint8Array(), new Float64Array([1.5]), new ArrayBuffer(2), new Map([[{ a: 1 }, new Set([1n])]]), /a+/gi,
      { $map: 1 }, { $object: { $date: 1 } }, { a: { b: [undefined, 3] } }, new RangeError('no'), JSON.parse('{"__proto__": {"x": 1}}')]
    const show = (v) => v === null || typeof v !== 'object' ? Object.is(v, -0) ? '-0' : typeof v === 'bigint' ? v + 'n' : String(v) :
      v instanceof Error ? v.name + v.message : Object.getPrototypeOf(v).constructor.name + (v instanceof Date ? v.getTime() : v instanceof RegExp ? String(v)
        : v instanceof ArrayBuffer ? v.byteLength : v instanceof Map || v instanceof Set || ArrayBuffer.isView(v) ? [...v].flat().map(show)
        : Object.getOwnPropertyNames(v).map((k) => k + ':' + show(v[k])))
    const wrong = []
    for (const [i, value] of values.entries()) {
      await kv.set(['v', i], value)
      const got = (await kv.get(['v', i])).value
      if (show(got) !== show(value)) wrong.push([show(value), show(got)])
    }
    for (const value of [() => 1, Symbol('s'), cycle]) await kv.set(['x'], value).then(() => wrong.push(String(value)), () => {})
    return wrong`,
  keys: `
    const keys = [['a', 1, 2n, true, new Uint8Array([7])], ['__proto__'], ['constructor', 'prototype'], ['\\0'], ['\\0', '\\0\\0'], [''], [NaN], [-0], [0], [-(2n ** 70n)], ["';drop table bulkhead.kv;--"]]
    for (const [i, key] of keys.entries()) await kv.set(key, i)
    const read = []
    for (const key of keys) read.push((await kv.get(key)).value)
    const listed = []
    for await (const { key } of kv.list({ prefix: [] })) listed.push(key)
    return [read, listed.length, listed.map((key) => key.map((part) => typeof part))[0]]`,
  sizes: `
    const code = (promise) => promise.then(() => 'ok', (error) => error.code)
    return [
      await code(kv.set(['big'], new Uint8Array(65536))), await code(kv.set(['big'], new Uint8Array(65537))),
      await code(kv.set(['big'], 'x'.repeat(65534))), await code(kv.set(['big'], 'x'.repeat(65535))),
      await code(kv.set(['big'], 'é'.repeat(32767))), await code(kv.set(['big'], 'é'.repeat(32768))),
      await code(kv.set(['k'.repeat(2046)], 1)), await code(kv.set(['k'.repeat(2047)], 1)),
      await code(kv.set(['huge'], 'x'.repeat(10_000_000))), await code(kv.set(['huge'], new Uint8Array(10_000_000))),
      await code(kv.set([], 1)), await code(kv.get('a')), await code(kv.get([{}])), await code(kv.set([null], 1)),
      await code(kv.getMany(Array.from({ length: 10 }, (_, i) => [i]))), await code(kv.getMany(Array.from({ length: 11 }, (_, i) => [i]))),
    ]`,
  entry: `
    const missing = await kv.get(['no'])
    const { ok, versionstamp } = await kv.set(['yes'], { a: 1 })
    const entry = await kv.get(['yes'])
    await kv.delete(['yes'])
    return [missing, ok, entry.versionstamp === versionstamp, versionstamp.length, entry.value, (await kv.get(['yes'])).value]`,
  atomic: `
    const first = await kv.atomic().check({ key: ['a'], versionstamp: null }).set(['a'], 1).set(['b'], 2).commit()
    const again = await kv.atomic().check({ key: ['a'], versionstamp: null }).set(['a'], 3).commit()
    const { versionstamp } = await kv.get(['a'])
    const swap = await kv.atomic().check({ key: ['a'], versionstamp }).delete(['b']).set(['a'], 4).commit()
    return [first.ok, again, swap.ok, (await kv.getMany([['a'], ['b']])).map(({ value }) => value)]`,
  counters: `
    await Promise.all(Array.from({ length: 50 }, () => kv.atomic().sum(['n'], 2n).max(['m'], 7n).min(['m'], 5n).commit()))
    const [n, m] = await kv.getMany([['n'], ['m']])
    await kv.set(['n'], kv.u64(5n))
    await kv.atomic().sum(['n'], 2n ** 64n - 1n).commit()
    await kv.set(['text'], 'x')
    const refused = await kv.atomic().sum(['text'], 1n).commit().catch((error) => error.code)
    let range
    try { kv.u64(-1n) } catch (error) { range = error.name }
    return [n.value.constructor.name, String(n.value.value), String(m.value.value), String((await kv.get(['n'])).value.value), refused, range]`,
  list: `
    for (let i = 0; i < 7; i++) await kv.set(['p', i], i)
    await kv.set(['p'], 'itself'); await kv.set(['q', 1], 'other'); await kv.set(['p\\0', 1], 'near')
    const all = async (...args) => { const got = []; for await (const { value } of kv.list(...args)) got.push(value); return got }
    const paged = kv.list({ prefix: ['p'] }, { limit: 3, batchSize: 2 })
    const page = []; for await (const { value } of paged) page.push(value)
    const back = kv.list({ prefix: ['p'] }, { limit: 2, reverse: true })
    await back.next(); await back.next()
    return [
      await all({ prefix: ['p'] }), await all({ prefix: ['p'] }, { reverse: true, batchSize: 3 }),
      await all({ prefix: ['p'], start: ['p', 5] }), await all({ prefix: ['p'], end: ['p', 2] }), await all({ start: ['p', 2], end: ['p', 4] }),
      page, await all({ prefix: ['p'] }, { cursor: paged.cursor }), await all({ prefix: ['p'] }, { reverse: true, cursor: back.cursor, limit: 1 }),
      await all({ prefix: ['p'], start: ['q'] }).catch((error) => error.code), await all({ prefix: ['p'] }, { cursor: '////' }).catch((error) => error.code),
    ]`,
  expiry: `
    await kv.set(['soon'], 1, { expireIn: 30 })
    const before = (await kv.get(['soon'])).value
    await new Promise((done) => setTimeout(done, 60))
    return [before, (await kv.get(['soon'])).value, await kv.set(['x'], 1, { expireIn: -1 }).catch((error) => error.code)]`,
  limits: `
    const code = (promise) => promise.then(({ ok }) => ok, (error) => error.code)
    const times = (count, change, atomic = kv.atomic()) => { for (let n = 0; n < count; n++) change(atomic, n); return code(atomic.commit()) }
    const kib = new Uint8Array(1024 - 6)
    const page = (batchSize) => kv.list({ prefix: [] }, { batchSize }).next().then(() => true, (error) => error.code)
    return [
      await times(100, (atomic, n) => atomic.check({ key: ['c', n], versionstamp: null })), await times(101, (atomic, n) => atomic.check({ key: ['c', n], versionstamp: null })),
      await times(1000, (atomic, n) => atomic.delete(['m', n])), await times(1001, (atomic, n) => atomic.delete(['m', n])),
      await times(800, (atomic, n) => atomic.set(['kib'], kib)), await times(801, (atomic, n) => atomic.set(['kib'], kib)), await times(801, (atomic, n) => atomic.set(['kib'], new Uint8Array(2048))),
      await page(500), await page(501), await page(0),
      await code(kv.atomic().sum(['n'], 2n ** 64n - 1n).commit()), await code((async () => kv.atomic().sum(['n'], 2n ** 64n).commit())().catch((error) => { throw { code: error.name } })),
      await code(kv.atomic().check({ key: ['n'], versionstamp: 'x' }).commit()), await code(kv.atomic().check({ key: ['n'], versionstamp: 'f'.repeat(20) }).commit()),
    ]`,
  rewritten: `
    JSON.stringify = () => '{"v":"forged"}'; JSON.parse = () => ({}); Array.isArray = () => true
    Object.prototype.toJSON = () => 'forged'; String.prototype.charCodeAt = () => 0; Promise.prototype.then = undefined
    await kv.set(['safe'], { a: [1] })
    const { value } = await kv.get(['safe'])
    return value.a[0]`,
  calls: `
    let refused = 0
    for (let i = 0; i < 1001; i++) await kv.get(['a']).catch((error) => { if (error.code === 'CALL_LIMIT') refused++ })
    return refused`,
} satisfies Record<string, string>

const moduleCode = `
const show = (value) => value instanceof Error ? { name: value.name, code: value.code, message: value.message } : value
${Object.entries(CASES).map(([name, body]) => `async function ${name}(kv) {${body}}`).join('\n')}
const cases = { ${Object.keys(CASES).join(', ')} }
const stringify = JSON.stringify
export default { async handle(hook, ctx) {
  const { module, name } = ctx.input
  if (module !== this.config.module) return
  let answer
  try { answer = await cases[name](ctx.kv) } catch (error) { answer = show(error) }
  delete Object.prototype.toJSON
  return { action: 'continue', modifications: { response: stringify(answer) ?? 'undefined' } }
} }`

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  describe.skipIf(kind === 'external' && url === undefined)('ctx.kv', () => {
    let temporary: TemporaryDatabase
    let runtime: Runtime
    let folder: string

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kv-'))
      const limits = 'limits: { maxCpuMs: 5000, maxExecutionMs: 15000, maxMemoryMB: 128 }\n'
      for (const name of [...Object.keys(CASES), 'denied']) {
        const permissions = name === 'denied' ? '[log]' : '[kv]'
        await mkdir(join(folder, 'modules', name), { recursive: true })
        await writeFile(join(folder, 'modules', name, 'module.yaml'),
          `name: ${name}\nversion: 1.0.0\ndescription: a test module\nhooks: [chat:before_ai]\npermissions: ${permissions}\n${limits}` +
          `config: { type: object, properties: { module: { type: string, default: ${name} } } }\n`)
        await writeFile(join(folder, 'modules', name, 'index.ts'), moduleCode)
      }
      temporary = await openTemporary(url)
      runtime = await startRuntime({ modules: join(folder, 'modules'), data: join(folder, 'data'), cells: 2, database: temporary.database, log: silent })
    })
    afterAll(async () => {
      await runtime?.[Symbol.asyncDispose]()
      await temporary?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    })

    const ask = async (name: string, module = name): Promise<unknown> => {
      const context = completeContext('chat:before_ai', { input: { module, name } }, 'r')
      const { modifications, failures } = await runtime.executeHook('chat:before_ai', context)
      return failures[0] ?? JSON.parse(modifications?.response ?? 'null')
    }

    test('keeps whatever a structured clone keeps, and refuses the rest', async () => {
      expect(await ask('values')).toEqual([])
    })

    test('takes keys of any kind and name, and tells them apart', async () => {
      expect(await ask('keys')).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 11, ['string']])
    })

    test('refuses keys and values past their size, the last that fits being kept', async () => {
      expect(await ask('sizes')).toEqual([
        ...['ok', 'SIZE_LIMIT', 'ok', 'SIZE_LIMIT', 'ok', 'SIZE_LIMIT', 'ok', 'SIZE_LIMIT', 'SIZE_LIMIT', 'SIZE_LIMIT'],
        ...['INVALID', 'INVALID', 'INVALID', 'INVALID', 'ok', 'CALL_LIMIT'],
      ])
    })

    test('answers with entries and their versions, null for what is not there', async () => {
      expect(await ask('entry')).toEqual([{ key: ['no'], value: null, versionstamp: null }, true, true, 20, { a: 1 }, null])
    })

    test('commits all or nothing, by versions', async () => {
      expect(await ask('atomic')).toEqual([true, { ok: false }, true, [4, null]])
    })

    test('counts', async () => {
      expect(await ask('counters')).toEqual(['KvU64', '100', '5', '4', 'INVALID', 'RangeError'])
    })

    test('lists by prefix and range, both ways, from where a list ended', async () => {
      expect(await ask('list')).toEqual([
        [0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0], [5, 6], [0, 1], [2, 3],
        [0, 1, 2], [3, 4, 5, 6], [4], 'INVALID', 'INVALID',
      ])
    })

    test('lets values expire', async () => {
      expect(await ask('expiry')).toEqual([1, null, 'INVALID'])
    })

    test('bounds what is done at once, the last that fits being done', async () => {
      expect(await ask('limits')).toEqual([
        ...[true, 'CALL_LIMIT', true, 'CALL_LIMIT', true, 'SIZE_LIMIT', 'SIZE_LIMIT', true, 'INVALID', 'INVALID'],
        ...[true, 'RangeError', 'INVALID', false],
      ])
    })

    test('works on in a module that has rewritten its globals', async () => {
      expect(await ask('rewritten')).toBe(1)
    })

    test('may be asked a thousand times in an execution', async () => {
      expect(await ask('calls')).toBe(1)
    })

    test('is refused without the permission', async () => {
      expect(await ask('entry', 'denied')).toMatchObject({ name: 'NotCapable', code: 'CAPABILITY_DENIED' })
    })

    test('shows no module what another has', async () => {
      const [row] = await temporary.database.sql`select count(distinct module)::int as modules, count(*)::int as keys from bulkhead.kv`
      expect(row?.['modules']).toBeGreaterThan(5)
      expect(await ask('keys')).toMatchObject([expect.anything(), 11, expect.anything()])
    })
  })
})
