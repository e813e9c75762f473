import type { Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makePartitions } from './partitions.ts'
import { openRecords } from './records.ts'
import { findExternal, openTemporary, someExtraction, type TemporaryDatabase } from './store.setup.ts'

const external = await findExternal()
const DAY = 24 * 60 * 60 * 1000

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  describe.skipIf(kind === 'external' && url === undefined)('partitions', () => {
    let temporary: TemporaryDatabase
    let sql: Sql

    beforeAll(async () => {
      temporary = await openTemporary(url)
      sql = temporary.database.sql
    })
    afterAll(() => temporary?.[Symbol.asyncDispose]())

    const names = async (table: string) => {
      const rows = await sql<{ name: string }[]>`
        select inhrelid::regclass::text as name from pg_inherits
        where inhparent = ${`bulkhead.${table}`}::regclass order by 1`
      return rows.map(({ name }) => name.replace('bulkhead.', ''))
    }
    const homes = async () => {
      const rows = await sql<{ name: string }[]>`select tableoid::regclass::text as name from bulkhead.extractions`
      return rows.map(({ name }) => name.replace('bulkhead.', '')).toSorted()
    }

    test('are made from yesterday to a week from now, by UTC, however many hosts make them', async () => {
      const now = new Date('2030-12-30T23:59:59.999Z')
      await Promise.all([makePartitions(sql, now), makePartitions(sql, now), makePartitions(sql, now)])
      const days = [29, 30, 31].map((day) => `extractions_203012${day}`)
      const next = [1, 2, 3, 4, 5, 6].map((day) => `extractions_2031010${day}`)
      expect((await names('extractions')).filter((name) => name.includes('_203'))).toEqual([...days, ...next])
      expect(await names('logs')).toHaveLength((await names('extractions')).length)
    })

    test('take the records of their day, to the millisecond', async () => {
      await makePartitions(sql, new Date('2030-12-30T00:00:00Z'))
      const records = openRecords(sql)
      const times = ['2030-12-30T23:59:59.999Z', '2030-12-31T00:00:00Z', '1999-01-01T00:00:00Z']
      await records.addExtractions(times.map((time) => someExtraction({ createdAt: new Date(time) })))
      await records.addExtractions([someExtraction()])
      await records.close()
      const today = `extractions_${new Date().toISOString().slice(0, 10).replaceAll('-', '')}`
      expect(await homes()).toEqual(['extractions_20301230', 'extractions_20301231', 'extractions_rest', today].toSorted())
    })

    test('a day whose records lie in the rest has no partition, the others have', async () => {
      const records = openRecords(sql)
      await records.addExtractions([someExtraction({ createdAt: new Date('2040-06-15T12:00:00Z') })])
      await records.close()
      const noon = new Date('2040-06-15T12:00:00Z')
      await expect(makePartitions(sql, noon)).rejects.toThrow('would be violated by some row')
      const made = (await names('extractions')).filter((name) => name.includes('_2040'))
      expect(made).toHaveLength(8)
      expect(made).not.toContain('extractions_20400615')
      expect((await names('logs')).filter((name) => name.includes('_2040'))).toHaveLength(9)
    })

    test('do not wait for ever behind a statement that holds the table', async () => {
      const held = Promise.withResolvers<void>()
      const begun = Promise.withResolvers<void>()
      const holder = sql.begin(async (tx) => {
        await tx`select 1 from bulkhead.logs limit 1`
        begun.resolve()
        await held.promise
      })
      await begun.promise
      const far = new Date(Date.UTC(2050, 0, 1) - DAY)
      await expect(makePartitions(sql, far)).rejects.toMatchObject({ code: '55P03' })
      held.resolve()
      await holder
      await makePartitions(sql, far)
    }, 60_000)
  })
})
