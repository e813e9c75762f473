import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { setTimeout as delay } from 'node:timers/promises'
import { findExternal } from '../store/store.setup.ts'
import { openConnection } from './connection.ts'
import { type LendLab, openLendLab, refusalOf } from './lend.setup.ts'

const external = await findExternal()

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  const there = kind === 'embedded' || url !== undefined
  let lab: LendLab

  beforeAll(async () => {
    if (!there) return
    lab = await openLendLab(url)
    await lab.define('notes', `
      create table notes (id int generated always as identity primary key, text text not null, tags text[], extra jsonb);
      create unique index on notes (text)`)
  })
  afterAll(() => lab?.[Symbol.asyncDispose]())

  describe.runIf(there)('statements', () => {
    test('rows come with their columns and types, as the server writes them', async () => {
      const { sql, end } = lab.execution('notes')
      expect(await sql('select 1 as one, $1::text as two, null as three', 'x')).toEqual({
        columns: [['one', 23], ['two', 25], ['three', 25]],
        rows: [['1', 'x', null]],
        count: 1,
      })
      end()
    })

    test('a list is an array or JSON, as the column asks', async () => {
      const { sql, end } = lab.execution('notes')
      const list = ['a "b" \\', null, 'NULL', 'ü,{}']
      const { rows } = await sql('insert into notes (text, tags, extra) values ($1, $2, $3) returning tags, extra', 'lists', list, list)
      expect(JSON.parse(rows[0]?.[1] ?? '')).toEqual(list)
      expect(rows[0]?.[0]).toBe('{"a \\"b\\" \\\\",NULL,"NULL","ü,{}"}')
      end()
    })

    test('what the server refuses is told with its SQLSTATE', async () => {
      const { sql, end } = lab.execution('notes')
      expect((await sql('insert into notes (text) values ($1)', 'unique')).count).toBe(1)
      expect(await refusalOf(sql('insert into notes (text) values ($1)', 'unique'))).toMatchObject({
        code: 'CONFLICT',
        details: { sqlstate: '23505', constraint: 'notes_text_idx', detail: 'Key (text)=(unique) already exists.' },
      })
      expect(await refusalOf(sql('select nothing from notes'))).toMatchObject({ code: 'INVALID', details: { sqlstate: '42703' } })
      expect(await refusalOf(sql('select'.repeat(2)))).toMatchObject({ code: 'INVALID', message: expect.stringContaining('syntax error') })
      end()
    })

    test('a connection outlives the time it had for logging in', async () => {
      const { credentials } = await lab.lend.prepare('notes')
      const connection = await openConnection(lab.database.sql.options, credentials, 300)
      await delay(400)
      expect(connection.lost).toBe(false)
      await connection.command('select 1')
      connection.destroy()
      expect(connection.lost).toBe(true)
    })

    test('a statement that many send at once is parsed once', async () => {
      const { sql, end } = lab.execution('notes')
      const answers = await Promise.all(Array.from({ length: 200 }, () => sql('select count(*) from notes where id < 0')))
      expect(answers.every(({ rows }) => rows[0]?.[0] === '0')).toBe(true)
      end()
    })

    test('a transaction that is not committed when the execution ends never was', async () => {
      const first = lab.execution('notes')
      const tx = await first.begin()
      await first.within(tx, 'insert into notes (text) values ($1)', 'not kept')
      first.end()
      const second = lab.execution('notes')
      expect((await second.sql('select from notes where text = $1', 'not kept')).count).toBe(0)
      const kept = await second.begin()
      await second.within(kept, 'insert into notes (text) values ($1)', 'kept')
      await second.commit(kept)
      expect((await second.sql('select from notes where text = $1', 'kept')).count).toBe(1)
      expect(await refusalOf(second.within(kept, 'select 1'))).toMatchObject({ code: 'INVALID' })
      second.end()
    })
  })
})
