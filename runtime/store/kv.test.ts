import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KvMutation, KvValue } from '../../bridge/kv.host.ts'
import { encodeKey } from '../../bridge/kv-key.host.ts'
import { type KeyValues, openKeyValues } from './kv.ts'
import { findExternal, openTemporary, type TemporaryDatabase } from './store.setup.ts'

const external = await findExternal()
const LIMITS = { keys: 20, bytes: 4_000 }

const key = (...parts: Array<string | number>) => encodeKey(parts)
const text = (value: string): KvValue => ({ kind: 'v', bytes: Buffer.from(value) })
const set = (name: string, value = '1', expireInMs?: number): KvMutation => ({ type: 'set', key: key(name), value: text(value), expireInMs })
const remove = (name: string): KvMutation => ({ type: 'delete', key: key(name) })

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  describe.skipIf(kind === 'external' && url === undefined)('keys and values', () => {
    let temporary: TemporaryDatabase
    let kv: KeyValues

    beforeAll(async () => {
      temporary = await openTemporary(url)
      kv = openKeyValues(temporary.database.sql, { limits: LIMITS })
    })
    afterAll(async () => {
      await kv?.close()
      await temporary?.[Symbol.asyncDispose]()
    })

    const write = (module: string, ...mutations: KvMutation[]) => kv.commit(module, { checks: [], mutations })
    const valuesOf = async (module: string, ...names: string[]) =>
      (await kv.read(module, names.map((name) => key(name)))).map((entry) => entry?.value.bytes.toString())

    test('are read as they were written, by their module alone', async () => {
      const version = await write('one', set('a', 'first'), set('b', 'second'))
      expect(await kv.read('one', [key('b'), key('nothing'), key('a')])).toEqual([
        { key: key('b'), value: text('second'), version },
        undefined,
        { key: key('a'), value: text('first'), version },
      ])
      expect(await valuesOf('two', 'a', 'b')).toEqual([undefined, undefined])
      await write('two', set('a', 'theirs'), remove('b'))
      expect(await valuesOf('one', 'a', 'b')).toEqual(['first', 'second'])
      expect((await kv.list('two', { from: Buffer.of(0), to: Buffer.of(255), reverse: false, limit: 9 })).entries).toHaveLength(1)
    })

    test('have versions that rise with every write', async () => {
      const versions = await Promise.all(Array.from({ length: 50 }, (_, n) => write('rising', set('a', String(n)))))
      expect(versions).toEqual(versions.toSorted((a, b) => (BigInt(a ?? 0n) < BigInt(b ?? 0n) ? -1 : 1)))
      expect(new Set(versions).size).toBe(50)
      expect(await valuesOf('rising', 'a')).toEqual(['49'])
    })

    test('are written only where every check holds, one after the other in a batch as well', async () => {
      const first = await write('checked', set('a', '0'))
      const results = await Promise.all(Array.from({ length: 20 }, (_, n) =>
        kv.commit('checked', { checks: [{ key: key('a'), version: first }], mutations: [set('a', `winner ${n}`)] })))
      expect(results.filter((version) => version !== undefined)).toHaveLength(1)
      expect(await valuesOf('checked', 'a')).toEqual(['winner 0'])
      const absent = { checks: [{ key: key('new'), version: undefined }], mutations: [set('new'), set('other')] }
      expect(await kv.commit('checked', absent)).toBeDefined()
      expect(await kv.commit('checked', absent)).toBeUndefined()
    })

    test('count without losing any, wrap at 2^64, and are refused on what is no counter', async () => {
      const sum = (operand: bigint): KvMutation => ({ type: 'sum', key: key('n'), operand })
      await Promise.all(Array.from({ length: 300 }, () => write('counting', sum(2n))))
      const counter = async () => (await kv.read('counting', [key('n')]))[0]?.value.bytes.readBigUInt64LE()
      expect(await counter()).toBe(600n)
      await write('counting', sum(2n ** 64n - 1n))
      expect(await counter()).toBe(599n)
      await write('counting', { type: 'min', key: key('n'), operand: 7n }, { type: 'max', key: key('n'), operand: 9n })
      expect(await counter()).toBe(9n)
      await write('counting', set('text'))
      await expect(write('counting', set('x'), { type: 'sum', key: key('text'), operand: 1n })).rejects.toMatchObject({ code: 'INVALID' })
      expect(await valuesOf('counting', 'x')).toEqual([undefined])
    })

    test('are listed in order, backwards and in pages', async () => {
      await write('listed', ...['b', 'a', 'c', 'd'].map((name) => set(name, name)))
      const range = { from: key('a'), to: key('d'), reverse: false, limit: 2 }
      const names = (entries: Array<{ value: KvValue }>) => entries.map(({ value }) => value.bytes.toString())
      const page = await kv.list('listed', range)
      expect([names(page.entries), page.more]).toEqual([['a', 'b'], true])
      const back = await kv.list('listed', { ...range, reverse: true, limit: 3 })
      expect([names(back.entries), back.more]).toEqual([['c', 'b', 'a'], false])
    })

    test('are out of sight once expired, and count as absent', async () => {
      const version = await write('expiring', set('a', '1', 40), set('later', '1', 60_000))
      expect(await valuesOf('expiring', 'a', 'later')).toEqual(['1', '1'])
      await delay(60)
      expect(await valuesOf('expiring', 'a', 'later')).toEqual([undefined, '1'])
      expect((await kv.list('expiring', { from: Buffer.of(0), to: Buffer.of(255), reverse: false, limit: 9 })).entries).toHaveLength(1)
      expect(await kv.commit('expiring', { checks: [{ key: key('a'), version }], mutations: [] })).toBeUndefined()
      expect(await kv.commit('expiring', { checks: [{ key: key('a'), version: undefined }], mutations: [] })).toBeDefined()
      expect((await kv.usage('expiring')).keys).toBe(2)
      expect(await kv.sweep()).toBe(1)
      expect((await kv.usage('expiring')).keys).toBe(1)
    })

    test('lose their expiry when they are written without', async () => {
      await write('renewed', set('a', '1', 30))
      await write('renewed', set('a', '2'))
      await delay(50)
      expect(await valuesOf('renewed', 'a')).toEqual(['2'])
    })

    test('are limited in number: one fewer is kept, one more refused, and reading, removing and replacing go on', async () => {
      await write('many', ...Array.from({ length: LIMITS.keys }, (_, n) => set(`k${n}`)))
      await expect(write('many', set('one more'))).rejects.toMatchObject({ code: 'QUOTA', details: { limit: 'kv.keys', value: LIMITS.keys } })
      await write('many', set('k1', '2'))
      await write('many', remove('k0'), set('one more'))
      expect(await valuesOf('many', 'k0', 'k1', 'one more')).toEqual([undefined, '2', '1'])
      expect((await kv.usage('many')).keys).toBe(LIMITS.keys)
    })

    test('are limited in bytes, of what a batch brings only what does not fit being refused', async () => {
      const overhead = key('a').length
      const [fits, tooMuch, small] = await Promise.allSettled([
        write('large', set('a', 'x'.repeat(LIMITS.bytes - overhead - 10))),
        write('large', set('b', 'x'.repeat(8))),
        write('large', set('c', 'x'.repeat(10 - overhead))),
      ])
      expect([fits.status, tooMuch.status, small.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      expect(await kv.usage('large')).toEqual({ keys: 2, bytes: LIMITS.bytes })
    })

    test('make room of what has expired before they are refused', async () => {
      await write('stale', ...Array.from({ length: LIMITS.keys }, (_, n) => set(`k${n}`, '1', n === 0 ? 60_000 : 1)))
      await delay(20)
      await write('stale', set('k1', 'again'), set('new'))
      expect(await kv.usage('stale')).toMatchObject({ keys: 3 })
      expect(await valuesOf('stale', 'k0', 'k1', 'k2', 'new')).toEqual(['1', 'again', undefined, '1'])
    })

    test('are accounted exactly, whatever was done', async () => {
      let seed = 7
      const random = (below: number) => (seed = (seed * 16807) % 2147483647) % below
      await Promise.allSettled(Array.from({ length: 400 }, () => {
        const name = `k${random(30)}`
        return write('random', random(3) === 0 ? remove(name) : set(name, 'x'.repeat(random(400)), random(4) === 0 ? random(5) : undefined))
      }))
      const [counted] = await temporary.database.sql`select count(*)::int as keys,
        coalesce(sum(octet_length(key) + octet_length(value)), 0)::int as bytes from bulkhead.kv where module = 'random'`
      expect(await kv.usage('random')).toEqual({ ...counted })
    })

    test('survive the loss of connections: what was confirmed is there, and counters count what was confirmed', async () => {
      const { sql } = temporary.database
      let confirmed = 0n
      let uncertain = 0n
      const load = Array.from({ length: 20 }, async (_, n) => {
        for (let i = 0; i < 30; i++) {
          await kv.commit('shaken', { checks: [], mutations: [{ type: 'sum', key: key('n'), operand: 1n }, set(`k${n % 10}`, String(i))] })
            .then(() => confirmed++, () => uncertain++)
        }
      })
      for (let round = 0; round < 10; round++) {
        await delay(30)
        await sql`select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'bulkhead' and datname = current_database() and pid <> pg_backend_pid()`.catch(() => {})
      }
      await Promise.all(load)
      const [entry] = await kv.read('shaken', [key('n')])
      const counted = entry?.value.bytes.readBigUInt64LE() ?? 0n
      expect(counted).toBeGreaterThanOrEqual(confirmed)
      expect(counted).toBeLessThanOrEqual(confirmed + uncertain)
    })

    test('of one module do not fill the queue of another', async () => {
      const flood = Promise.allSettled(Array.from({ length: 3_000 }, () => kv.commit('flooding', { checks: [], mutations: [set('a')] })))
      await write('neighbour', set('a', 'here'))
      expect(await valuesOf('neighbour', 'a')).toEqual(['here'])
      const outcomes = await flood
      expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(2_000)
      expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'BUSY' } })
    })
  })
})
