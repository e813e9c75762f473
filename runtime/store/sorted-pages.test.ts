import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openAudit } from './audit.ts'
import { DEAD_SORTS, selectDead } from './dead-letters.ts'
import { EXTRACTION_SORTS } from './extractions.ts'
import { openHappenings } from './happenings.ts'
import { LOG_SORTS } from './logs.ts'
import type { Page } from './pages.ts'
import { openRecords, type Records } from './records.ts'
import type { SortedQuery } from './sorted-pages.ts'
import { openTemporary, someExtraction, someLog, type TemporaryDatabase } from './store.setup.ts'

let temporary: TemporaryDatabase
let sql: Sql
let records: Records

beforeAll(async () => {
  temporary = await openTemporary()
  sql = temporary.database.sql
})
afterAll(() => temporary?.[Symbol.asyncDispose]())
beforeEach(async () => {
  await sql`truncate bulkhead.extractions, bulkhead.logs, bulkhead.deliveries, bulkhead.events, bulkhead.happenings`
  records = openRecords(sql)
})
afterEach(() => records.close())

const ORDERS = ['asc', 'desc'] as const
const START = Date.UTC(2026, 0, 1)

/** All pages, with `limit` items each; `between` is called after each. */
async function walk<Item, Query extends SortedQuery>(list: (query: Query) => Promise<Page<Item>>, query: Query, between: () => unknown = () => {}): Promise<Item[]> {
  const seen: Item[] = []
  for (let cursor: string | undefined; ; ) {
    const { items, nextCursor } = await list({ ...query, cursor })
    seen.push(...items)
    await between()
    if (nextCursor === null) return seen
    cursor = nextCursor
  }
}

const ranked = (a: unknown, b: unknown) => (a === b ? 0 : (a as string) < (b as string) ? -1 : 1)

/** By a field, then as they were made. */
function inOrder<Item extends { seq: number }>(items: Item[], sort: keyof Item, order: 'asc' | 'desc'): number[] {
  const sign = order === 'asc' ? 1 : -1
  const value = (item: Item) => (item[sort] instanceof Date ? item[sort].getTime() : item[sort])
  return items.toSorted((a, b) => sign * (ranked(value(a), value(b)) || a.seq - b.seq)).map(({ seq }) => seq)
}

const NAMES = ['b', 'a', 'c', 'a', 'B', 'ä', 'a']

async function addLogs() {
  records.addLogs(NAMES.map((module, seq) => someLog({ module, seq, createdAt: new Date(START + Math.floor(seq / 3)) })))
  await records.flush()
}

describe('a list out of the database', () => {
  test.each(LOG_SORTS.flatMap((sort) => ORDERS.map((order) => [sort, order] as const)))('has every log line once, sorted by %s %s', async (sort, order) => {
    await addLogs()
    const all = (await records.listLogs({})).items
    for (const limit of [1, 2, 200]) {
      const seen = await walk(records.listLogs, { sort, order, limit })
      expect(seen.map(({ seq }) => seq), `by ${limit}`).toEqual(inOrder(all, sort, order))
    }
  })

  test.each(EXTRACTION_SORTS.flatMap((sort) => ORDERS.map((order) => [sort, order] as const)))('has every extraction once, sorted by %s %s', async (sort, order) => {
    const rows = NAMES.map((name, seq) => someExtraction({ module: name, type: NAMES[NAMES.length - seq - 1]!, seq, createdAt: new Date(START + Math.floor(seq / 3)) }))
    await records.addExtractions(rows)
    const seen = await walk(records.listExtractions, { sort, order, limit: 2 })
    expect(seen.map(({ seq }) => seq)).toEqual(inOrder(rows, sort, order))
  })

  test.each(DEAD_SORTS.flatMap((sort) => ORDERS.map((order) => [sort, order] as const)))('has every dead letter once, sorted by %s %s', async (sort, order) => {
    const event = randomUUID()
    for (const [n, module] of ['b', 'a', 'c', 'd'].entries()) {
      await sql`insert into bulkhead.deliveries (event, module, hook, attempt, dead_at, code, message)
        values (${event}, ${module}, ${n % 2 ? 'one' : 'two'}, ${n + 9}, ${`2026-01-01 00:00:00.00000${n % 3}+00`}::text::timestamptz, ${n === 1 ? null : 'TIMEOUT'}, 'late')`
    }
    const whole = (await selectDead(sql, { sort, order })).items
    expect(whole).toHaveLength(4)
    expect(await walk((query) => selectDead(sql, query), { sort, order, limit: 1 })).toEqual(whole)
    const values = whole.map((item) => Number(item[sort]) || item[sort])
    expect(values).toEqual(values.toSorted((a, b) => (order === 'asc' ? ranked(a, b) : ranked(b, a))))
    expect((await selectDead(sql, { search: 'TIMEOUT' })).items).toHaveLength(3)
  })

  test('goes on where it was, whatever came meanwhile', async () => {
    await addLogs()
    let seq = 100
    const seen = await walk(records.listLogs, { sort: 'module', order: 'asc', limit: 2 }, async () => {
      records.addLogs([someLog({ module: 'A', seq: seq++, createdAt: new Date(START) })])
      await records.flush()
    })
    expect(seen.map(({ module }) => module)).toEqual(NAMES.toSorted(ranked))
  })

  test('refuses a cursor of another sort, and goes on under its own', async () => {
    await addLogs()
    const { nextCursor } = await records.listLogs({ sort: 'module', limit: 2 })
    const cursor = nextCursor ?? ''
    for (const query of [{}, { sort: 'createdAt' }, { sort: 'module', order: 'asc' }] as const) {
      await expect(records.listLogs({ ...query, cursor })).rejects.toMatchObject({ code: 'BAD_REQUEST', message: expect.stringContaining('sorted by "module" desc') })
    }
    await expect(records.listExtractions({ sort: 'type', cursor })).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    expect((await records.listLogs({ sort: 'module', order: 'desc', cursor })).items).toHaveLength(5)
  })

  test('goes on under the longest name that a record can have', async () => {
    await records.addExtractions([0, 1].map((seq) => someExtraction({ seq, type: '\u0001'.repeat(512) })))
    const { nextCursor } = await records.listExtractions({ sort: 'type', limit: 1 })
    expect(nextCursor?.length).toBeLessThan(5000)
    expect((await records.listExtractions({ sort: 'type', limit: 1, cursor: nextCursor ?? '' })).items).toHaveLength(1)
  })
})

describe('a search', () => {
  const found = async (search: string) => (await records.listLogs({ search })).items.map(({ seq }) => seq).toSorted()

  test('looks into the texts of a line, in any case, and takes every sign for itself', async () => {
    const messages = ['Grüße an alle', '100% sure', '100 or sure', 'a_b', 'axb', 'C:\\temp', "it's", 'plain']
    records.addLogs(messages.map((message, seq) => someLog({ seq, message })))
    records.addLogs([someLog({ seq: 50, module: 'finder' }), someLog({ seq: 51, data: '{"user":"Zoë","deep":{"n":[7,"seven"]}}' })])
    await records.flush()
    expect(await found('GRÜSSE')).toEqual([])
    expect(await found('GRÜßE')).toEqual([0])
    expect(await found('100%')).toEqual([1])
    expect(await found('A_B')).toEqual([3])
    expect(await found(':\\T')).toEqual([5])
    expect(await found("'")).toEqual([6])
    expect(await found("' or true --")).toEqual([])
    expect(await found('Find')).toEqual([50])
    expect(await found('ZOË')).toEqual([51])
    expect(await found('"SEVEN"')).toEqual([51])
    expect(await found('\0')).toEqual([])
    expect(await found('\ud800')).toEqual([])
  })

  test('goes with filters, sorts and pages', async () => {
    await addLogs()
    records.addLogs([someLog({ module: 'z', seq: 90, level: 'error', message: 'needle' }), someLog({ module: 'y', seq: 91, level: 'error', message: 'a NEEDLE' }), someLog({ module: 'y', seq: 92, message: 'needle' })])
    await records.flush()
    const query = { search: 'needle', level: 'error', sort: 'module', order: 'asc', limit: 1 } as const
    expect((await walk(records.listLogs, query)).map(({ seq }) => seq)).toEqual([91, 90])
  })

  test('looks into what extractions are about', async () => {
    await records.addExtractions([someExtraction({ seq: 1, sessionId: 'Class-9' }), someExtraction({ seq: 2, data: '{"text":"in class-9"}' }), someExtraction({ seq: 3 })])
    expect((await records.listExtractions({ search: 'class-9' })).items.map(({ seq }) => seq).toSorted()).toEqual([1, 2])
  })

  test('looks into what happened, and into who changed what', async () => {
    const happenings = openHappenings(sql)
    for (const [type, module] of [['module:ready', 'b'], ['cell:lost', null], ['module:ready', 'a']] as const) happenings.add(type, module, { version: '1.0.0' })
    await happenings.flush()
    expect((await happenings.page({ search: 'READY', sort: 'module', order: 'asc' })).items.map(({ module }) => module)).toEqual(['a', 'b'])
    expect((await walk(happenings.page, { sort: 'module', order: 'asc', limit: 1 })).map(({ module }) => module)).toEqual([null, 'a', 'b'])
    await happenings.close()

    const audit = openAudit(sql)
    for (const [operation, module] of [['modules:disable', 'a'], ['auth:setrole', null], ['modules:enable', 'a']] as const) {
      await audit.add({ key: randomUUID(), keyName: 'me', operation, module, requestId: 'r', status: 200, error: null, input: { name: module }, before: null, after: { note: 'Done' } })
    }
    expect((await walk(audit.page, { search: 'done', sort: 'operation', order: 'asc', limit: 1 })).map(({ operation }) => operation)).toEqual(['auth:setrole', 'modules:disable', 'modules:enable'])
    expect((await audit.page({ limit: 1 })).items[0]?.operation).toBe('modules:enable')
  })
})

describe('a list that would read too much', () => {
  /** Holds the table while work is done, so that whoever reads it has to wait. */
  async function holding<Result>(work: () => Promise<Result>): Promise<Result> {
    const { promise: done, resolve: release } = Promise.withResolvers<void>()
    const { promise: held, resolve: hold } = Promise.withResolvers<void>()
    const holder = sql.begin(async (tx) => {
      await tx`lock table bulkhead.logs in access exclusive mode`
      hold()
      await done
    })
    await held
    return work().finally(() => {
      release()
      return holder
    })
  }
  const codeOf = (asked: Promise<unknown>) => asked.then(() => 'done', (thrown: { code: string }) => thrown.code)

  test('is ended by the server, with how to ask for less; too many are told to come again, and others are not kept from reading', { timeout: 120_000 }, async () => {
    const asked = await holding(async () => {
      const all = Array.from({ length: 12 }, () => records.listLogs({ search: 'x' }))
      const codes = all.map(codeOf)
      expect((await records.listExtractions({})).items).toEqual([])
      await expect(all[0]).rejects.toMatchObject({
        code: 'TIMEOUT',
        message: 'cannot list the logs, that would read for longer than 5 s: name a module, give a later "since", or leave the sort out',
        details: { limit: 'readMs', value: 5000, used: 5000 },
      })
      return codes
    })
    // Two read at a time and eight wait, which leaves two.
    expect((await Promise.all(asked)).filter((code) => code === 'BUSY')).toHaveLength(2)
    expect(await codeOf(records.listLogs({ search: 'x' }))).toBe('done')
  })
})
