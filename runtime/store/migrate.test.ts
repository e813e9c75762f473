import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { migrate } from './migrate.ts'
import { findExternal, openTemporary, type TemporaryDatabase } from './store.setup.ts'

const external = await findExternal()

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  describe.skipIf(kind === 'external' && url === undefined)('migrations', () => {
    let temporary: TemporaryDatabase
    let sql: Sql
    let folder: string

    beforeAll(async () => {
      temporary = await openTemporary(url)
      sql = temporary.database.sql
    })
    afterAll(() => temporary?.[Symbol.asyncDispose]())

    beforeEach(async () => {
      await sql.unsafe('drop schema bulkhead cascade')
      folder = join(temporary.folder, 'migrations')
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
      await mkdir(folder)
    })

    const write = (files: Record<string, string>) =>
      Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)))
    const ONE = { '0001_one.sql': 'create table bulkhead.one (a int);\ninsert into bulkhead.one values (1);' }
    const TWO = { '0002_two.sql': 'insert into bulkhead.one values (2)' }

    test('run in order, once', async () => {
      await write({ ...TWO, ...ONE })
      expect(await migrate(sql, { folder })).toEqual(['0001_one.sql', '0002_two.sql'])
      expect(await migrate(sql, { folder })).toEqual([])
      expect([...(await sql`select a from bulkhead.one`)]).toEqual([{ a: 1 }, { a: 2 }])
    })

    test('run once when several hosts start at the same time', async () => {
      await write({ ...ONE, ...TWO })
      const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(sql, { folder })))
      expect(applied.flat().toSorted()).toEqual(['0001_one.sql', '0002_two.sql'])
      expect([...(await sql`select a from bulkhead.one`)]).toHaveLength(2)
    })

    test('a failing one leaves no trace, keeps those before it, and names file and line', async () => {
      await write({ ...ONE, '0002_bad.sql': 'insert into bulkhead.one values (2);\n\nselect nonsense;' })
      const failing = expect.objectContaining({
        code: 'STORE_FAILED',
        message: 'cannot run the migration 0002_bad.sql line 3: column "nonsense" does not exist',
      })
      await expect(migrate(sql, { folder })).rejects.toEqual(failing)
      expect([...(await sql`select a from bulkhead.one`)]).toEqual([{ a: 1 }])
      await write({ '0002_bad.sql': 'insert into bulkhead.one values (3)' })
      expect(await migrate(sql, { folder })).toEqual(['0002_bad.sql'])
    })

    test.each<[string, Record<string, string>, string[], string]>([
      ['was changed', { '0001_one.sql': 'select 1' }, [], '0001_one.sql was changed after it was run'],
      ['is missing', {}, ['0002_two.sql'], '0002_two.sql was run but is missing: this version is older than the database'],
      ['was renamed', { '0002_other.sql': 'select 1' }, ['0002_two.sql'], '0002_two.sql was run but is missing, 0002_other.sql'],
      ['leaves a gap', { '0004_four.sql': '' }, [], '0004_four.sql stands where 0003_name.sql is expected'],
      ['doubles a number', { '0002_too.sql': '' }, [], '0002_two.sql stands where 0003_name.sql is expected'],
      ['has no number', { 'more.sql': '' }, [], 'more.sql stands where 0003_name.sql is expected'],
    ])('a file that %s is refused before anything runs', async (_what, added, removed, why) => {
      await write({ ...ONE, ...TWO })
      await migrate(sql, { folder })
      for (const name of removed) await rm(join(folder, name))
      await write({ ...added, ...(removed.length === 0 && { '0003_three.sql': 'insert into bulkhead.one values (9)' }) })
      if ('0004_four.sql' in added || 'more.sql' in added || '0002_too.sql' in added) await rm(join(folder, '0003_three.sql'))
      await expect(migrate(sql, { folder })).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining(why) })
      expect([...(await sql`select a from bulkhead.one`)]).toHaveLength(2)
    })

    test('line ends of another system change nothing', async () => {
      await write(ONE)
      await migrate(sql, { folder })
      await write({ '0001_one.sql': ONE['0001_one.sql'].replaceAll('\n', '\r\n') })
      expect(await migrate(sql, { folder })).toEqual([])
    })

    test('our own make every table, and nothing outside of the schema bulkhead', async () => {
      await migrate(sql)
      const tables = await sql<{ name: string }[]>`select tablename as name from pg_tables where schemaname = 'bulkhead'`
      const names = tables.map(({ name }) => name)
      expect(names).toEqual(expect.arrayContaining(['migrations', 'extractions', 'logs', 'api_keys', 'modules']))
      const others = await sql`select 1 from pg_tables where schemaname not in ('bulkhead', 'pg_catalog', 'information_schema')`
      expect(others).toHaveLength(0)
    })
  })
})
