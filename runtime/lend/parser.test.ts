import { expect, test } from 'vitest'
import { refusalOf } from './lend.setup.ts'
import { openParser } from './parser.ts'

/** Takes some hundred milliseconds. */
const SLOW = `select 1 ${'+-'.repeat(8_000)} 1`

test('a text that takes too long is refused, its module has to wait, and the others are served', async () => {
  await using parser = openParser([], 25)
  expect(await parser.admit('evil', 'mod_evil', 'select 1')).toEqual({ kind: 'read', rows: true })
  const [refusal, admitted] = await Promise.all([
    refusalOf(parser.admit('evil', 'mod_evil', SLOW)),
    parser.admit('other', 'mod_other', 'delete from t'),
  ])
  expect(refusal).toMatchObject({ code: 'INVALID', message: 'cannot run the statement, it takes too long to parse' })
  expect(admitted).toEqual({ kind: 'delete', rows: false })
  expect(await refusalOf(parser.admit('evil', 'mod_evil', 'select 2'))).toMatchObject({ code: 'BUSY' })
  // One seen lately needs no parser.
  expect(await parser.admit('evil', 'mod_evil', 'select 1')).toEqual({ kind: 'read', rows: true })
})

test('a module may have 64 texts waiting', async () => {
  await using parser = openParser([])
  const asked = Array.from({ length: 66 }, (_, at) => parser.admit('eager', 'mod_eager', `select ${at}`).then(() => 'admitted', ({ code }) => code))
  const answers = await Promise.all(asked)
  expect(answers.filter((answer) => answer === 'BUSY')).toHaveLength(1)
  expect(answers.filter((answer) => answer === 'admitted')).toHaveLength(65)
})

test.each([
  ['insert into t values (1)', { kind: 'write', rows: false }],
  ['insert into t values (1) returning id', { kind: 'write', rows: true }],
  ['with d as (delete from t returning *) select * from d', { kind: 'delete', rows: true }],
  ['with d as (delete from t returning *) insert into t select * from d', { kind: 'write', rows: false }],
  ['merge into t using s on true when matched then delete', { kind: 'write', rows: false }],
  ['select * from t for update', { kind: 'read', rows: true }],
])('%s', async (text, admitted) => {
  await using parser = openParser([])
  expect(await parser.admit('writer', 'mod_writer', text)).toEqual(admitted)
})
