import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findExternal } from '../store/store.setup.ts'
import { openConnection } from './connection.ts'
import { type LendLab, openLendLab, refusalOf } from './lend.setup.ts'

const external = await findExternal()

const LIMITS = {
  statementMs: 800,
  graceMs: 300,
  transactionMs: 1_500,
  waitMs: 500,
  waiting: 5,
  resultRows: 100,
  resultBytes: 64 * 1024,
  statementsPerTransaction: 5,
  connections: 6,
  idleMs: 400,
  schemaBytes: 4 * 1024 * 1024,
}

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  const there = kind === 'embedded' || url !== undefined
  let lab: LendLab

  beforeAll(async () => {
    if (!there) return
    lab = await openLendLab(url, LIMITS)
    await lab.define('busy', 'create table items (id int primary key, text text); insert into items values (1)')
    await lab.define('large', 'create table items (text text)')
  })
  afterAll(() => lab?.[Symbol.asyncDispose]())

  describe.runIf(there)('limits', () => {
    test('rows: as many as there may be, and one more', async () => {
      const { sql, end } = lab.execution('busy')
      expect((await sql('select from generate_series(1, 100)')).count).toBe(100)
      expect(await refusalOf(sql('select from generate_series(1, 101)'))).toMatchObject({ code: 'SIZE_LIMIT' })
      expect((await sql('select 1')).count).toBe(1)
      end()
    })

    test('bytes: of the rows as they are handed on', async () => {
      const { sql, end } = lab.execution('busy')
      const room = 64 * 1024 - '[""]'.length
      expect((await sql(`select repeat('x', ${room})`)).count).toBe(1)
      expect(await refusalOf(sql(`select repeat('x', ${room + 1})`))).toMatchObject({ code: 'SIZE_LIMIT' })
      end()
    })

    test('a write whose rows are too many is undone', async () => {
      const { sql, end } = lab.execution('busy')
      const text = 'insert into items select g, null from generate_series(1000, 1100) g returning id'
      expect(await refusalOf(sql(text))).toMatchObject({ code: 'SIZE_LIMIT' })
      expect((await sql('select from items where id >= 1000')).count).toBe(0)
      end()
    })

    test('in a transaction, it leaves nothing but to roll back', async () => {
      const { within, begin, commit, sql, end } = lab.execution('busy')
      const tx = await begin()
      const text = 'insert into items select g, null from generate_series(2000, 2100) g returning id'
      expect(await refusalOf(within(tx, text))).toMatchObject({ code: 'SIZE_LIMIT' })
      expect(await refusalOf(within(tx, 'select 1'))).toMatchObject({ code: 'SIZE_LIMIT' })
      expect(await refusalOf(commit(tx))).toMatchObject({ code: 'SIZE_LIMIT' })
      expect((await sql('select from items where id >= 2000')).count).toBe(0)
      end()
    })

    test('parameters: 2,000 of them, 256 Ki characters in all', async () => {
      const { sql, end } = lab.execution('busy')
      const marks = (count: number) => Array.from({ length: count }, (_, at) => `$${at + 1}`).join(',')
      const values = (count: number) => Array.from({ length: count }, () => '1')
      expect((await sql(`select 1 where 1 in (${marks(2_000)})`, ...values(2_000))).count).toBe(1)
      expect(await refusalOf(sql(`select 1 where 1 in (${marks(2_001)})`, ...values(2_001)))).toMatchObject({ code: 'SIZE_LIMIT' })
      expect((await sql('select length($1)', 'x'.repeat(250_000))).rows).toEqual([['250000']])
      expect(await refusalOf(Promise.resolve().then(() => sql('select length($1)', 'x'.repeat(256 * 1024))))).toMatchObject({ code: 'SIZE_LIMIT' })
      end()
    })

    test('statements of a transaction', async () => {
      const { within, begin, end } = lab.execution('busy')
      const tx = await begin()
      for (let count = 0; count < 5; count++) await within(tx, 'select 1')
      expect(await refusalOf(within(tx, 'select 1'))).toMatchObject({ code: 'CALL_LIMIT' })
      end()
    })

    test('statements of an execution', async () => {
      const { sql, end } = lab.execution('busy')
      for (let count = 0; count < 500; count++) await sql('select 1')
      expect(await refusalOf(Promise.resolve().then(() => sql('select 1')))).toMatchObject({ code: 'CALL_LIMIT' })
      end()
    })

    test('two transactions at a time; statements go on beside them', async () => {
      const { sql, begin, commit, end } = lab.execution('busy')
      const [first] = await Promise.all([begin(), begin()])
      expect(await refusalOf(begin())).toMatchObject({ code: 'BUSY' })
      expect((await sql('select 1')).count).toBe(1)
      const third = begin()
      await commit(first)
      expect(await third).toMatch(/-/)
      end()
    })

    test('a transaction left open is ended by the clock, and its locks are gone', async () => {
      const idle = lab.execution('busy')
      const other = lab.execution('busy')
      const tx = await idle.begin()
      await idle.within(tx, "update items set text = 'held' where id = 1")
      await delay(LIMITS.transactionMs + 100)
      expect((await other.sql("update items set text = 'free' where id = 1 returning text")).rows).toEqual([['free']])
      expect(await refusalOf(idle.within(tx, 'select 1'))).toMatchObject({ code: 'TIMEOUT' })
      expect(await refusalOf(idle.commit(tx))).toMatchObject({ code: 'TIMEOUT' })
      idle.end()
      other.end()
    })

    test('who waits for a lock is ended by the clock', async () => {
      const holder = lab.execution('busy')
      const waiter = lab.execution('busy')
      const tx = await holder.begin()
      await holder.within(tx, 'select id from items where id = 1 for update')
      const { code } = await refusalOf(waiter.sql("update items set text = 'x' where id = 1"))
      expect(code).toBe('TIMEOUT')
      holder.end()
      waiter.end()
    })

    test('what runs when the execution ends is stopped', async () => {
      const { sql, end } = lab.execution('busy')
      const running = refusalOf(sql('select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b'))
      await delay(100)
      end()
      expect(await running).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('the execution has ended') })
      await expect.poll(() => lab.database.sql`select from pg_stat_activity where state = 'active' and query like '%generate_series(1, 1000000)%' and pid <> pg_backend_pid()`).toHaveLength(0)
      expect(await refusalOf(sql('select 1'))).toMatchObject({ code: 'UNAVAILABLE' })
    })

    test('conflicts say that they may be tried again', async () => {
      const { sql, within, begin, commit, end } = lab.execution('busy')
      await sql("insert into items values (10, 'a'), (11, 'b') on conflict do nothing")
      const [one, two] = await Promise.all([begin(), begin()])
      await within(one, 'select sum(length(text)) from items')
      await within(two, 'select sum(length(text)) from items')
      await within(one, "update items set text = 'x' where id = 10")
      await within(two, "update items set text = 'x' where id = 11")
      await commit(one)
      expect(await refusalOf(commit(two))).toMatchObject({ code: 'CONFLICT', details: { sqlstate: '40001', retry: true } })
      end()
    })

    test('a table that is changed does not confuse what was prepared', async () => {
      const { sql, end } = lab.execution('busy')
      expect((await sql('select * from items where id = 1')).columns).toHaveLength(2)
      await lab.define('busy', 'alter table items add column if not exists more int')
      expect((await sql('select * from items where id = 1')).columns).toHaveLength(3)
      end()
    })

    test('prepared statements of a connection', async () => {
      const { credentials } = await lab.lend.prepare('busy')
      const connection = await openConnection(lab.database.sql.options, credentials)
      const caps = { rows: 10, bytes: 1_000 }
      for (let count = 0; count < 100; count++) await connection.run({ text: `select ${count}`, parameters: [], undoable: false }, caps)
      for (let count = 0; count < 40; count++) {
        await connection.run({ text: `select ${count} from`, parameters: [], undoable: false }, caps).catch(() => {})
      }
      await lab.database.sql`select 1`
      const text = kind === 'embedded' ? 'select 1' : 'select count(*) from pg_prepared_statements'
      const { rows } = await connection.run({ text, parameters: [], undoable: false }, caps)
      expect(Number(JSON.parse(rows)[0])).toBeLessThanOrEqual(32)
      connection.destroy()
    })

    test('writing stops when the tables are too large; deleting and reading go on', async () => {
      const { sql, end } = lab.execution('large')
      await sql("insert into items select md5(g::text) from generate_series(1, 1000) g")
      const flood = "insert into items select repeat(md5(g::text), 60) from (select generate_series(1, 5000000) as g) t"
      expect(await refusalOf(sql(flood))).toMatchObject({ code: 'QUOTA' })
      for (let count = 0; count < 20; count++) {
        const code = await sql('insert into items select repeat(md5(g::text), 60) from generate_series(1, 1000) g').then(() => '', ({ code }) => code)
        if (code === 'QUOTA') break
        await delay(200)
      }
      expect(await refusalOf(sql("insert into items values ('x')"))).toMatchObject({ code: 'QUOTA' })
      expect(await refusalOf(sql("update items set text = 'x'"))).toMatchObject({ code: 'QUOTA' })
      expect(await refusalOf(sql("with i as (insert into items values ('x') returning *) select * from i"))).toMatchObject({ code: 'QUOTA' })
      expect(Number((await sql('select count(*) from items')).rows[0]?.[0])).toBeGreaterThan(0)
      expect((await sql('delete from items')).count).toBeGreaterThan(0)
      const neighbour = lab.execution('busy')
      expect((await neighbour.sql('update items set text = text where id = 1')).count).toBe(1)
      neighbour.end()
      end()
    })

    test('connections: few in all, in turn, and closed when idle', async () => {
      const modules = Array.from({ length: 12 }, (_, at) => `crowd-${at}`)
      const executions = modules.map((module) => lab.execution(module))
      let most = 0
      const watch = setInterval(() => (most = Math.max(most, lab.lend.connections)), 2)
      await Promise.all(executions.flatMap(({ sql }) => [sql('select 1'), sql('select 2')]))
      clearInterval(watch)
      expect(most).toBeLessThanOrEqual(LIMITS.connections)
      for (const { end } of executions) end()
      await expect.poll(() => lab.lend.connections).toBe(0)
    })

    test('who floods waits by himself', async () => {
      const flood = lab.execution('busy')
      const slow = 'select count(*) from generate_series(1, 100000000)'
      const floods = Array.from({ length: 12 }, () => flood.sql(slow).then(() => '', ({ code }) => code))
      const neighbour = lab.execution('crowd-1')
      expect((await neighbour.sql('select 1')).count).toBe(1)
      const codes = await Promise.all(floods)
      expect(codes.filter((code) => code === 'BUSY').length).toBeGreaterThanOrEqual(12 - 3 - LIMITS.waiting)
      flood.end()
      neighbour.end()
    })
  })
})
