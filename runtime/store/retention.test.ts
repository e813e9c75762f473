import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AuditRecord, openAudit } from './audit.ts'
import { makePartitions } from './partitions.ts'
import { openRecords, type Records } from './records.ts'
import { dropExpired } from './retention.ts'
import { openTemporary, someExtraction, someLog, type TemporaryDatabase } from './store.setup.ts'

const DAY = 24 * 60 * 60 * 1000
const NOW = new Date('2026-03-20T12:00:00Z')
let temporary: TemporaryDatabase
let records: Records
let sql: Sql

beforeAll(async () => {
  temporary = await openTemporary()
  sql = temporary.database.sql
  records = openRecords(sql)
  for (const back of [0, 9, 18]) await makePartitions(sql, new Date(NOW.getTime() - back * DAY))
  const days = [0, 6, 7, 8, 17, 400]
  await records.addExtractions(days.map((back) => someExtraction({ createdAt: new Date(NOW.getTime() - back * DAY) })))
  records.addLogs(days.map((back) => someLog({ createdAt: new Date(NOW.getTime() - back * DAY) })))
  await records.flush()
})
afterAll(async () => {
  await records?.close()
  await temporary?.[Symbol.asyncDispose]()
})

const kept = async (table: string) => {
  const rows = await sql<Array<{ back: number }>>`
    select extract(day from ${NOW}::timestamptz - created_at)::int as back from ${sql(`bulkhead.${table}`)} order by 1`
  return rows.map(({ back }) => back)
}

test('a dry run tells what would go, and keeps it', async () => {
  const dropped = await dropExpired(sql, { logsDays: 7, extractionsDays: undefined, auditDays: undefined }, { now: NOW, dryRun: true })
  expect(dropped.every(({ table }) => table === 'logs')).toBe(true)
  expect(dropped.map(({ day }) => day)).toEqual(expect.arrayContaining(['2026-03-12', '2026-03-03', 'rest']))
  expect(await kept('logs')).toEqual([0, 6, 7, 8, 17, 400])
})

test('days that lie further back than the policy keeps are dropped, with what no day took', async () => {
  const dropped = await dropExpired(sql, { logsDays: 7, extractionsDays: undefined, auditDays: undefined }, { now: NOW })
  expect(dropped.map(({ day }) => day)).toEqual(expect.arrayContaining(['2026-03-12', 'rest']))
  expect(await kept('logs')).toEqual([0, 6, 7])
  expect(await kept('extractions')).toEqual([0, 6, 7, 8, 17, 400])
  expect(await dropExpired(sql, { logsDays: 7, extractionsDays: undefined, auditDays: undefined }, { now: NOW })).toEqual([])
})

test('extractions go by a policy of their own', async () => {
  await dropExpired(sql, { logsDays: undefined, extractionsDays: 10, auditDays: undefined }, { now: NOW })
  expect(await kept('extractions')).toEqual([0, 6, 7, 8])
})

test('records go on to be stored', async () => {
  await records.addExtractions([someExtraction({ createdAt: NOW })])
  expect(await kept('extractions')).toEqual([0, 0, 6, 7, 8])
})

const someRecord: AuditRecord = {
  key: randomUUID(), keyName: 'test', operation: 'modules:reload', module: 'notes', requestId: 'r1', status: 200, error: null, input: {}, before: null, after: {},
}

test('who did what is kept for as long as the operator says, and for thirty days whatever is asked for', async () => {
  const audit = openAudit(sql)
  const [{ now } = { now: new Date() }] = await sql<Array<{ now: Date }>>`select now()`
  for (const days of [400, 364, 31, 29, 0]) {
    await sql`insert into bulkhead.audit (at, key, key_name, operation, request_id, status, input)
      values (${new Date(now.getTime() - days * DAY)}, ${someRecord.key}, 'test', ${`test:${days}`}, 'r', 200, '{}')`
  }
  const only = (auditDays: number) => ({ logsDays: undefined, extractionsDays: undefined, auditDays })
  const left = async () => (await audit.page({})).items.map(({ operation }) => operation)
  expect(await dropExpired(sql, only(365), { now, dryRun: true })).toEqual([{ table: 'audit', day: 'rest', bytes: expect.any(Number) }])
  expect(await left()).toHaveLength(5)
  await dropExpired(sql, only(365), { now })
  expect(await left()).toEqual(['test:0', 'test:29', 'test:31', 'test:364'])
  await dropExpired(sql, only(1), { now })
  expect(await left()).toEqual(['test:0', 'test:29'])
  await audit.add(someRecord)
  expect(await left()).toHaveLength(3)
})

test('nobody takes a record of who did what away before that, nor changes one', async () => {
  const early = async (statement: string) =>
    sql.begin(async (tx) => {
      await tx`select set_config('bulkhead.expired', 'audit', true)`
      await tx.unsafe(statement)
    })
  await expect(early('delete from bulkhead.audit')).rejects.toThrow('audit is append-only')
  await expect(early('update bulkhead.audit set status = 1')).rejects.toThrow('audit is append-only')
  await expect(early('truncate bulkhead.audit')).rejects.toThrow('audit is append-only')
  await expect(sql`delete from bulkhead.audit where at < now() - interval '900 days'`).rejects.toThrow('audit is append-only')
})
