import type { Sql } from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
  const dropped = await dropExpired(sql, { logsDays: 7, extractionsDays: undefined }, { now: NOW, dryRun: true })
  expect(dropped.every(({ table }) => table === 'logs')).toBe(true)
  expect(dropped.map(({ day }) => day)).toEqual(expect.arrayContaining(['2026-03-12', '2026-03-03', 'rest']))
  expect(await kept('logs')).toEqual([0, 6, 7, 8, 17, 400])
})

test('days that lie further back than the policy keeps are dropped, with what no day took', async () => {
  const dropped = await dropExpired(sql, { logsDays: 7, extractionsDays: undefined }, { now: NOW })
  expect(dropped.map(({ day }) => day)).toEqual(expect.arrayContaining(['2026-03-12', 'rest']))
  expect(await kept('logs')).toEqual([0, 6, 7])
  expect(await kept('extractions')).toEqual([0, 6, 7, 8, 17, 400])
  expect(await dropExpired(sql, { logsDays: 7, extractionsDays: undefined }, { now: NOW })).toEqual([])
})

test('extractions go by a policy of their own', async () => {
  await dropExpired(sql, { logsDays: undefined, extractionsDays: 10 }, { now: NOW })
  expect(await kept('extractions')).toEqual([0, 6, 7, 8])
})

test('records go on to be stored', async () => {
  await records.addExtractions([someExtraction({ createdAt: NOW })])
  expect(await kept('extractions')).toEqual([0, 0, 6, 7, 8])
})
