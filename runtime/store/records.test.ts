import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openRecords, type NewExtraction, type NewLog, type Records } from './records.ts'
import { collectLog, findExternal, openTemporary, someExtraction, someLog, type TemporaryDatabase } from './store.setup.ts'

const external = await findExternal()

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  describe.skipIf(kind === 'external' && url === undefined)('records', () => {
    let temporary: TemporaryDatabase
    let sql: Sql
    let records: Records

    beforeAll(async () => {
      temporary = await openTemporary(url)
      sql = temporary.database.sql
    })
    afterAll(() => temporary?.[Symbol.asyncDispose]())
    beforeEach(async () => {
      await sql`truncate bulkhead.extractions, bulkhead.logs`
      records = openRecords(sql)
    })
    afterEach(() => records.close())

    const count = async (table: 'extractions' | 'logs') =>
      (await sql`select count(*)::int as n from bulkhead.${sql(table)}`)[0]?.['n']

    test('an extraction comes back as it was given, its data parsed', async () => {
      const full = someExtraction({ data: '{"a":[1,null,"ü"]}', sessionId: 's', userId: 'u', runId: 'r' })
      await records.addExtractions([full])
      const { items } = await records.listExtractions({})
      expect(items).toEqual([{ ...full, data: { a: [1, null, 'ü'] } }])
    })

    test('what is not given of an extraction is null', async () => {
      await records.addExtractions([someExtraction()])
      const { items } = await records.listExtractions({})
      expect(items[0]).toMatchObject({ sessionId: null, userId: null, runId: null })
    })

    test('a log line comes back as it was given', async () => {
      const line = someLog({ data: '{"a":1}' })
      const bare = someLog({ execution: null, createdAt: new Date(line.createdAt.getTime() - 1) })
      records.addLogs([line, bare])
      await records.flush()
      const { items } = await records.listLogs({})
      expect(items).toMatchObject([{ ...line, data: { a: 1 } }, { ...bare, data: null }])
    })

    test('nothing added is nothing to wait for', async () => {
      await records.addExtractions([])
      await records.flush()
    })

    test('a record sent again is kept once, within one batch and across batches', async () => {
      const row = someExtraction()
      await records.addExtractions([row, row, { ...row, id: randomUUID() }])
      await Promise.all([records.addExtractions([row]), records.addExtractions([{ ...row, seq: 1, id: randomUUID() }])])
      await records.addExtractions([row])
      expect(await count('extractions')).toBe(2)
      const line = someLog()
      records.addLogs([line, line])
      await records.flush()
      expect(await count('logs')).toBe(1)
    })

    test('log lines outside of an execution do not take each other for copies', async () => {
      const line = someLog({ execution: null })
      records.addLogs([line, line])
      await records.flush()
      expect(await count('logs')).toBe(2)
    })

    test('pages hold every record once, newest first, in the order of their numbers within a millisecond', async () => {
      const start = Date.now()
      const rows = Array.from({ length: 45 }, (_, n) => someExtraction({ seq: n, createdAt: new Date(start + Math.floor(n / 10)) }))
      await records.addExtractions(rows)
      const seen: number[] = []
      for (let cursor: string | undefined; ; ) {
        const page = await records.listExtractions({ limit: 10, cursor })
        expect(page.items.length).toBeLessThanOrEqual(10)
        seen.push(...page.items.map(({ seq }) => seq))
        if (page.nextCursor === null) break
        cursor = page.nextCursor
      }
      expect(seen).toEqual(rows.map(({ seq }) => seq).toReversed())
    })

    test('a page that ends with the last record has no cursor', async () => {
      await records.addExtractions([someExtraction(), someExtraction()])
      expect((await records.listExtractions({ limit: 2 })).nextCursor).toBeNull()
      expect((await records.listExtractions({ limit: 1 })).nextCursor).not.toBeNull()
    })

    test('records that come while pages are turned do not shift them', async () => {
      const start = Date.now()
      await records.addExtractions([1, 2, 3, 4].map((n) => someExtraction({ seq: n, createdAt: new Date(start + n) })))
      const first = await records.listExtractions({ limit: 2 })
      await records.addExtractions([someExtraction({ seq: 5, createdAt: new Date(start + 5) })])
      const second = await records.listExtractions({ limit: 2, cursor: first.nextCursor ?? '' })
      expect([...first.items, ...second.items].map(({ seq }) => seq)).toEqual([4, 3, 2, 1])
    })

    test('a page ends early where its data is large, and the next goes on from there', async () => {
      const data = JSON.stringify({ text: 'x'.repeat(1_500_000) })
      await records.addExtractions([0, 1, 2, 3, 4].map((seq) => someExtraction({ seq, data })))
      const first = await records.listExtractions({})
      expect(first.items).toHaveLength(3)
      const second = await records.listExtractions({ cursor: first.nextCursor ?? '' })
      expect([second.items.length, second.nextCursor]).toEqual([2, null])
    })

    test('numbers that are short to write and long to read are bounded by the page too', async () => {
      const data = JSON.stringify({ numbers: Array.from({ length: 8_000 }, () => 1e99) })
      await records.addExtractions(Array.from({ length: 20 }, (_, seq) => someExtraction({ seq, data })))
      const { items, nextCursor } = await records.listExtractions({})
      expect(items.length).toBeLessThan(10)
      expect(nextCursor).not.toBeNull()
    })

    test('extractions are found by module, type, session, user and time, and by all of them', async () => {
      const old = new Date(Date.now() - 60_000)
      const rows = [
        someExtraction({ seq: 1, module: 'a', type: 't', sessionId: 's', userId: 'u' }),
        someExtraction({ seq: 2, module: 'b', type: 't', sessionId: 's' }),
        someExtraction({ seq: 3, module: 'a', type: 'x', userId: 'u' }),
        someExtraction({ seq: 4, module: 'a', type: 't', sessionId: 's', userId: 'u', createdAt: old }),
      ]
      await records.addExtractions(rows)
      const found = async (query: Parameters<Records['listExtractions']>[0]) =>
        (await records.listExtractions(query)).items.map(({ seq }) => seq).toSorted()
      expect(await found({ module: 'a' })).toEqual([1, 3, 4])
      expect(await found({ type: 't' })).toEqual([1, 2, 4])
      expect(await found({ session: 's' })).toEqual([1, 2, 4])
      expect(await found({ user: 'u' })).toEqual([1, 3, 4])
      expect(await found({ since: new Date(Date.now() - 30_000) })).toEqual([1, 2, 3])
      expect(await found({ since: old, module: 'a' })).toEqual([1, 3, 4])
      expect(await found({ module: 'a', type: 't', session: 's', user: 'u', since: old })).toEqual([1, 4])
      expect(await found({ module: "a' or true --" })).toEqual([])
      expect(await found({ session: 's\0' })).toEqual([])
    })

    test('log lines are found by module, least level and time', async () => {
      const levels = ['debug', 'info', 'warn', 'error'] as const
      records.addLogs(levels.map((level, seq) => someLog({ level, seq })))
      records.addLogs([someLog({ module: 'other', level: 'error', seq: 9 })])
      await records.flush()
      const found = async (query: Parameters<Records['listLogs']>[0]) =>
        (await records.listLogs(query)).items.map(({ seq }) => seq).toSorted()
      expect(await found({ level: 'debug' })).toEqual([0, 1, 2, 3, 9])
      expect(await found({ level: 'warn' })).toEqual([2, 3, 9])
      expect(await found({ level: 'error', module: 'pii-filter' })).toEqual([3])
      expect(await found({ since: new Date(Date.now() + 60_000) })).toEqual([])
    })

    test.each([
      ['a limit past 200', { limit: 201 }],
      ['a limit of none', { limit: 0 }],
      ['a cursor of nobody', { cursor: 'abc' }],
      ['a date that is none', { since: new Date('') }],
    ])('%s is a bad request', async (_what, query) => {
      await expect(records.listExtractions(query)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
      await expect(records.listLogs(query)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    })

    const BACKSLASH = '\\'
    const poison: Array<[string, Partial<NewExtraction>]> = [
      ['no JSON', { data: '{"a":' }],
      ['JSON that only JavaScript has', { data: '{"a":NaN}' }],
      ['a raw control character', { data: '{"a":"\n"}' }],
      ['an unknown escape', { data: `{"a":"${BACKSLASH}x"}` }],
      ['data that would end the statement', { data: "'); drop table bulkhead.extractions; --" }],
      ['nesting past every parser', { data: '['.repeat(1e6) }],
      ['a type past what an index holds', { type: 'x'.repeat(3000) }],
      ['a number that is none', { seq: 1e10 }],
      ['an execution that is none', { execution: 'me' }],
      ['a time that is none', { createdAt: new Date('') }],
    ]
    test.each(poison)('a record with %s is refused, its neighbours are stored', async (_what, bad) => {
      const rows = Array.from({ length: 20 }, (_, seq) => someExtraction({ seq, ...(seq === 7 && bad) }))
      const alone = records.addExtractions([someExtraction()])
      const refused = { code: 'INVALID', details: { refused: [{ id: rows[7]?.id }] } }
      await expect(records.addExtractions(rows)).rejects.toMatchObject(refused)
      await alone
      expect(await count('extractions')).toBe(20)
    })

    const held: Array<[string, Partial<NewExtraction>, unknown]> = [
      ['NUL', { data: `{"a":"${BACKSLASH}u0000"}`, type: 't\0', sessionId: '\0' }, { a: '\uFFFD' }],
      ['halves of pairs', { data: `{"${BACKSLASH}udc00":"\ud800"}`, type: '\ud800' }, { '\uFFFD': '\uFFFD' }],
      ['1e400', { data: '{"a":1e400}' }, { a: null }],
      ['a million digits', { data: `{"a":${'7'.repeat(1e6)}}` }, { a: null }],
      ['a key __proto__', { data: '{"__proto__":{"polluted":true}}' }, JSON.parse('{"__proto__":{"polluted":true}}')],
      ['4 MB of text', { data: JSON.stringify({ a: 'x'.repeat(4e6) }) }, { a: 'x'.repeat(4e6) }],
    ]
    test.each(held)('a record with %s is stored as PostgreSQL can hold it', async (_what, odd, data) => {
      await records.addExtractions([someExtraction({ ...odd, seq: 1 })])
      const { items } = await records.listExtractions({})
      expect(items[0]?.data).toEqual(data)
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    })

    test('log lines with NUL and halves of pairs are kept, those that cannot be are counted', async () => {
      const bad: NewLog = someLog({ data: '{' })
      records.addLogs([someLog({ message: 'a\0\ud800', seq: 1 }), bad, bad, someLog({ seq: 2 })])
      await records.flush()
      const { items } = await records.listLogs({})
      expect(items.map(({ message }) => message).toSorted()).toEqual([
        '2 log lines dropped: cannot store the record: invalid input syntax for type json',
        'a\uFFFD\uFFFD',
        'hello',
      ])
    })

    test('a full queue drops log lines and says of each module how many', async () => {
      const small = openRecords(sql, { limits: { queueRows: 10, batchRows: 5 } })
      small.addLogs(Array.from({ length: 100 }, (_, seq) => someLog({ seq, module: seq % 2 === 0 ? 'even' : 'odd' })))
      await small.close()
      const kept = await sql<{ module: string; n: number; told: number }[]>`
        select module, count(*) filter (where message = 'hello')::int as n,
          sum(substring(message from '^(\\d+) log lines dropped')::int)::int as told
        from bulkhead.logs group by module order by module`
      expect(kept.map(({ module, n, told }) => [module, n + told])).toEqual([['even', 50], ['odd', 50]])
      expect(kept.every(({ told }) => told > 0)).toBe(true)
    })

    test('a full queue makes extractions wait, and loses none', async () => {
      const small = openRecords(sql, { limits: { queueRows: 10, batchRows: 5 } })
      await Promise.all(Array.from({ length: 300 }, (_, seq) => small.addExtractions([someExtraction({ seq })])))
      await small.close()
      expect(await count('extractions')).toBe(300)
    })

    test('closing stores what was added, and then takes nothing more', async () => {
      const closing = openRecords(sql, { limits: { queueRows: 5, batchRows: 2 } })
      const added = Promise.all(Array.from({ length: 50 }, (_, seq) => closing.addExtractions([someExtraction({ seq })])))
      closing.addLogs([someLog()])
      await closing.close()
      await added
      expect([await count('extractions'), await count('logs')]).toEqual([50, 1])
      await expect(closing.addExtractions([someExtraction()])).rejects.toMatchObject({ code: 'STORE_FAILED' })
      closing.addLogs([someLog()])
      await closing.flush()
      expect(await count('logs')).toBe(1)
    })

    test('a table that is away fails the records of the time, with the reason', async () => {
      await sql`alter table bulkhead.extractions rename to hidden`
      const failing = { code: 'STORE_FAILED', message: expect.stringContaining('does not exist') }
      await expect(records.addExtractions([someExtraction()])).rejects.toMatchObject(failing)
      await expect(records.listExtractions({})).rejects.toMatchObject(failing)
      await sql`alter table bulkhead.hidden rename to extractions`
      await records.addExtractions([someExtraction()])
    })

    test('connections that are killed under load lose nothing that was acknowledged', async () => {
      const stop = new AbortController()
      const acknowledged: string[] = []
      const emitters = Array.from({ length: 50 }, async () => {
        while (!stop.signal.aborted) {
          const row = someExtraction()
          await records.addExtractions([row])
          acknowledged.push(row.execution)
        }
      })
      for (let round = 0; round < 10; round++) {
        await delay(30)
        await sql`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and application_name = 'bulkhead' and pid <> pg_backend_pid()`.catch(() => {})
      }
      stop.abort()
      await Promise.all(emitters)
      await delay(50)
      const rows = await sql<{ execution: string }[]>`select execution from bulkhead.extractions`
      const stored = new Set(rows.map(({ execution }) => execution))
      expect(acknowledged.filter((execution) => !stored.has(execution))).toEqual([])
      expect(rows).toHaveLength(acknowledged.length)
    })
  })
})

test('a database that stays away fails the records after the time set for it', async () => {
  await using temporary = await openTemporary()
  const log = collectLog()
  const records = openRecords(temporary.database.sql, { log, limits: { retryMs: 300 } })
  await records.addExtractions([someExtraction()])
  await temporary.database.sql.end()
  await expect(records.addExtractions([someExtraction()])).rejects.toMatchObject({ code: 'STORE_FAILED' })
  await expect(records.listExtractions({})).rejects.toMatchObject({ code: 'STORE_FAILED' })
  await records.close()
})
