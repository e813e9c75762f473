import { setTimeout as delay } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { answered } from './failures.ts'
import { findExternal, openTemporary, type TemporaryDatabase } from './store.setup.ts'

const external = await findExternal()
const SIZE = 8

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  describe.skipIf(kind === 'external' && url === undefined)('the pool', () => {
    let temporary: TemporaryDatabase
    let sql: Sql

    beforeAll(async () => {
      temporary = await openTemporary(url)
      sql = temporary.database.sql
      await sql`create table kept (a int)`
    })
    afterAll(() => temporary?.[Symbol.asyncDispose]())

    /** Fails now and then, on a connection that the kill before it took. */
    const killOthers = () => sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'bulkhead' and datname = current_database() and pid <> pg_backend_pid()`

    /** All of the pool at once, which a connection that is stuck or leaked would show. */
    const useAll = () => Promise.all(Array.from({ length: SIZE }, (_, a) => answered(sql`select ${a}::int as a, pg_sleep(0.05)`)))

    test('survives the loss of its connections under load, again and again', async () => {
      const stop = new AbortController()
      const load = Array.from({ length: 30 }, async () => {
        while (!stop.signal.aborted) await sql`select ${1}::int`.catch(() => delay(1))
      })
      for (let round = 0; round < 30; round++) {
        await delay(20)
        await killOthers().catch(() => {})
      }
      stop.abort()
      await Promise.all(load)
      await delay(50)
      expect((await useAll()).map(([row]) => row?.['a'])).toEqual(Array.from({ length: SIZE }, (_, a) => a))
    })

    test('ends a transaction whose connection is lost; nothing of it is kept, whatever it still sends', async () => {
      const lost = sql.begin(async (tx) => {
        const [row] = await tx`insert into kept values (1) returning pg_backend_pid() as pid`
        await sql`select pg_terminate_backend(${row?.['pid']})`
        await tx`insert into kept values (2)`.catch(() => {})
        await delay(20)
        await tx`insert into kept values (3)`.catch(() => {})
      })
      await expect(lost).rejects.toThrow()
      await sql.begin((tx) => tx`insert into kept values (4)`)
      expect([...(await sql`select a from kept`)]).toEqual([{ a: 4 }])
      await useAll()
    })

    test('survives the loss of connections in the middle of transactions, none of which is kept in part', async () => {
      await sql`truncate kept`
      const stop = new AbortController()
      const load = Array.from({ length: 16 }, async (_, worker) => {
        for (let id = worker; !stop.signal.aborted; id += 16) {
          await sql.begin(async (tx) => {
            for (let step = 0; step < 4; step++) await tx`insert into kept values (${id})`
          }).catch(() => delay(1))
        }
      })
      for (let round = 0; round < 40; round++) {
        await delay(20)
        await killOthers().catch(() => {})
      }
      stop.abort()
      await Promise.all(load)
      await delay(50)
      expect(await sql`select a from kept group by a having count(*) <> 4`).toHaveLength(0)
      await useAll()
    })

    test('keeps nothing of a transaction that goes on after a statement failed', async () => {
      await sql`truncate kept`
      await expect(sql.begin(async (tx) => {
        await tx`insert into kept values (1)`
        await tx`select 1/0`.catch(() => {})
      })).rejects.toThrow('rolled back: one of its statements failed')
      expect(await sql`select a from kept`).toHaveLength(0)
    })

    test('keeps what a savepoint did not take back', async () => {
      await sql`truncate kept`
      await sql.begin(async (tx) => {
        await tx`insert into kept values (1)`
        await tx.savepoint(async (inner) => {
          await inner`insert into kept values (2)`
          await inner`select 1/0`
        }).catch(() => {})
        await tx.savepoint((inner) => inner`insert into kept values (3)`)
      })
      expect((await sql`select a from kept order by a`).map(({ a }) => a)).toEqual([1, 3])
    })

    test('refuses a statement of a transaction that has ended', async () => {
      const kept = await sql.begin(async (tx) => ({ tx }))
      await expect(kept.tx`select 1`).rejects.toThrow('the transaction has ended')
    })

    test('runs a transaction in the mode asked for', async () => {
      const [row] = await sql.begin('isolation level serializable read only', (tx) => tx`
        select current_setting('transaction_isolation') as level, current_setting('transaction_read_only') as read`)
      expect(row).toEqual({ level: 'serializable', read: 'on' })
    })

    test('has nothing that the driver would do on connections of its own', () => {
      expect(() => sql.listen).toThrow('the pool has no sql.listen')
    })

    test('rolls back a transaction that throws', async () => {
      await sql`truncate kept`
      await expect(sql.begin(async (tx) => {
        await tx`insert into kept values (1)`
        throw new Error('no')
      })).rejects.toThrow('no')
      expect(await sql`select a from kept`).toHaveLength(0)
    })

    test('cancels a query that does not answer in time, and has its connection back', async () => {
      const slow = Array.from({ length: 3 * SIZE }, () => answered(sql`select pg_sleep(30)`, 100).catch(({ code }) => code))
      expect(new Set(await Promise.all(slow))).toEqual(new Set(['ETIMEDOUT']))
      await useAll()
    })

    test('makes queries wait for a connection, in order, beyond its size', async () => {
      const rows = await Promise.all(Array.from({ length: 100 }, (_, a) => sql`select ${a}::int as a`))
      expect(rows.map(([row]) => row?.['a'])).toEqual(Array.from({ length: 100 }, (_, a) => a))
      await vi.waitFor(async () => { // backends of connections given up before take a moment to leave
        const [row] = await sql`select count(*)::int as n from pg_stat_activity
          where application_name = 'bulkhead' and datname = current_database()`
        expect(row?.['n']).toBeLessThanOrEqual(SIZE)
      }, 30_000)
    })

    test('knows the types of arrays, in both directions', async () => {
      const [row] = await sql`select ${['a', 'b"\\']}::text[] as texts, ${[1, 2]}::int[] as numbers,
        array['00000000-0000-4000-8000-000000000000']::uuid[] as ids, array[true, false, null] as booleans,
        ${[null, 'null', '', '{,}']}::text[] as nulls, ${[[1, 2], [3, 4]]}::int[] as nested, '{}'::timestamptz[] as none`
      expect(row).toEqual({
        texts: ['a', 'b"\\'],
        numbers: [1, 2],
        ids: ['00000000-0000-4000-8000-000000000000'],
        booleans: [true, false, null],
        nulls: [null, 'null', '', '{,}'],
        nested: [[1, 2], [3, 4]],
        none: [],
      })
    })

    test('composes fragments and helpers as the driver does', async () => {
      const rows = await sql`select * from (values ${sql([[1, 'x'], [2, 'y']])}) as t (a, b) ${sql`where a::int = ${2}`}`
      expect([...rows]).toEqual([{ a: '2', b: 'y' }])
      expect([...(await sql.unsafe('select $1::int as a', [3]))]).toEqual([{ a: 3 }])
    })

    test('rejects the query that is at fault, and goes on', async () => {
      await expect(sql`select 1/0`).rejects.toMatchObject({ code: '22012' })
      await useAll()
    })
  })
})

test('what comes after the end is refused, what waits for a connection too', async () => {
  await using temporary = await openTemporary()
  const { sql } = temporary.database
  const all = Array.from({ length: SIZE + 1 }, () => sql`select pg_sleep(0.1)`.then(() => 'done', ({ code }) => code))
  await delay(20)
  await sql.end()
  expect(await Promise.all(all)).toEqual([...Array.from({ length: SIZE }, () => 'done'), 'CONNECTION_ENDED'])
  await expect(sql`select 1`).rejects.toMatchObject({ code: 'CONNECTION_ENDED' })
  await expect(sql.begin(async () => {})).rejects.toMatchObject({ code: 'CONNECTION_ENDED' })
})
