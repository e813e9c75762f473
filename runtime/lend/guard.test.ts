import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findExternal } from '../store/store.setup.ts'
import { type LendLab, openLendLab, refusalOf } from './lend.setup.ts'

const external = await findExternal()

/** What authors write. That it is admitted is not enough: it has to run, on the oldest server as on the newest. */
const ADMITTED = [
  'select 1',
  'select * from notes',
  'select notes.* from notes',
  'select * from "mod_writer".notes n',
  'select * from mod_writer.notes as n(a, b)',
  'table notes',
  "values (1, 'a'), (2, 'b')",
  'select n.id, n.text, count(*) over (partition by n.text order by n.id rows between 1 preceding and current row) from notes n',
  'select text, count(*) filter (where id > 1) as many from notes group by text having count(*) > 0 order by many desc nulls last limit 10 offset 0',
  'select text, id, sum(id) from notes group by grouping sets ((text), (id), ()), rollup (text)',
  'select distinct on (text) text, id from notes order by text, id',
  'with recursive r as (select 1 as n union all select n + 1 from r where n < 5) select sum(n) from r',
  'with recursive r(id, up) as (select id, id from notes union all select r.id + 1, r.up from r where r.id < 3) search depth first by id set o cycle id set c using p select * from r',
  'select * from notes a join notes b using (id) left join notes c on c.id = a.id natural full join marks d cross join lateral (select a.id) e',
  'select * from notes where id = any ($1::int[]) and text like $2 escape $3',
  "select * from notes where text ilike '%a%' and text similar to 'a%' and text ~* 'x' and id between symmetric 1 and 2",
  "select case text when 'a' then 1 else 2 end, coalesce(text, 'x'), nullif(text, ''), greatest(id, 1), least(id, 2) from notes",
  'select exists (select from notes), (select max(id) from notes), array(select id from notes), id in (select id from notes) from notes',
  "select (row(1, 'a')).f1, row(id, text) = row(1, 'a') from notes",
  "select now(), current_date, current_timestamp, localtime, now() at time zone 'Europe/Vienna', extract(epoch from now()), date_trunc('day', now())",
  "select interval '1 day' * 2, date '2026-01-01' + 1, make_interval(days => 3), age(now()), to_char(now(), 'YYYY-MM-DD')",
  "select trim(both 'x' from text), substring(text from 1 for 2), overlay(text placing 'b' from 1), position('a' in text), upper(text), text || 'x' collate \"C\" from notes",
  "select extra->'a', extra->>'a', extra#>>'{a,b}', extra @> '{}', extra ? 'a', jsonb_set(extra, '{a}', '1'), extra['a'] from notes",
  "select jsonb_build_object('a', id), to_jsonb(n), jsonb_agg(n order by id), row_to_json(n) from notes n group by id, n.*",
  "select * from jsonb_to_recordset('[{\"a\": 1}]') as x(a int, b text)",
  "select * from jsonb_each('{\"a\": 1}') with ordinality as e(key, value, at)",
  'select * from rows from (generate_series(1, 2), unnest(array[3, 4])) as x(a, b)',
  "select jsonb_path_query_array(extra, '$.a ? (@ > 1)') from notes",
  "select tags[1], tags[1:2], array_length(tags, 1), tags || array['x'], 'a' = any (tags), unnest(tags) from notes",
  "select to_tsvector('english', text) @@ plainto_tsquery('english', 'x'), ts_rank(to_tsvector(text), to_tsquery('a')) from notes",
  "select int4range(1, 5) && int4range(2, 3), lower(int4range(1, 5)), '[2026-01-01,2026-02-01)'::daterange",
  "select md5('a'), encode(sha256('a'), 'hex'), gen_random_uuid(), random(), round(1.5::numeric, 0), 'a'::name, '::1'::inet",
  'select id::text, cast(id as bigint), id::int8::numeric(10, 2), text::varchar(3), id::oid from notes',
  "select percentile_cont(0.5) within group (order by id), string_agg(text, ',' order by id), bool_and(id > 0), array_agg(distinct text) from notes",
  'select id from notes for update skip locked',
  'select n.id from notes n for no key update of n nowait',
  "insert into notes (text) values ('a'), (default)",
  'insert into notes default values returning *',
  "insert into notes (id, text) overriding system value values (999, 'x') on conflict (id) do update set text = excluded.text where notes.id > 0 returning id",
  'insert into notes (text) select text from notes limit 1 on conflict do nothing',
  "update notes set text = 'b', tags = array['a'], extra['a'] = '1' where id = 1 returning *",
  'update notes n set (text, tags) = (select o.text, o.tags from notes o limit 1) from notes o where o.id = n.id and false',
  'delete from notes using notes o where notes.id = o.id and false returning notes.id',
  "merge into notes using (values (1, 'm')) as s(id, text) on notes.id = s.id when matched and s.id > 1 then update set text = s.text when not matched then insert (text) values (s.text)",
  'with gone as (delete from notes where id > 100000 returning *), kept as (insert into notes (text) select text from gone returning id) select count(*) from kept',
  'select null::notes, (null::notes).id',
  'select grade from marks',
  "select 'good'::grade, enum_range(null::grade)",
  'select version, name, oid, t.version, t.oid, t.name from columns t',
  "select * from seen where text <> ''",
  'select 1;',
  'select 1 -- a comment',
  "/* a comment */ select ';', $$;$$, E'\\n', U&'\\0041'",
]

/** PostgreSQL 18 and later, or 16. */
const NEWER = [
  "select json_object('a': 1 returning jsonb), json_array(1, 2), json_arrayagg(id), json_objectagg('a': id) from notes",
  "select * from json_table('[{\"a\": 1}]', '$[*]' columns (n for ordinality, a int path '$.a')) t",
  "select json_value('{\"a\": 1}', '$.a' returning int), json_query('{}', '$'), json_exists('{}', '$.a'), '{}' is json",
  "update notes set text = 'c' returning old.text, new.text",
  'select any_value(text), uuidv7(), casefold(text) from notes group by text',
  "merge into notes using (values (1)) s(id) on notes.id = s.id when matched then do nothing when not matched by source and false then delete returning merge_action()",
]

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  const there = kind === 'embedded' || url !== undefined
  let lab: LendLab

  beforeAll(async () => {
    if (!there) return
    lab = await openLendLab(url)
    await lab.define('writer', `
      create table notes (id int generated by default as identity primary key, text text default 'd', tags text[], extra jsonb);
      create type grade as enum ('good', 'bad');
      create table marks (grade grade);
      create table columns (version int, name text, oid int);
      create view seen as select * from notes;
      insert into notes (text) values ('a')`)
  })
  afterAll(() => lab?.[Symbol.asyncDispose]())

  test.runIf(there).each(kind === 'embedded' ? [...ADMITTED, ...NEWER] : ADMITTED)('%s', async (text) => {
    const { sql, end } = lab.execution('writer')
    await sql(text, ...[['1', '2'], '%a%', '!'].slice(0, new Set(text.match(/\$\d/g)).size))
    end()
  })
})

describe('texts made to keep the parser busy', () => {
  let lab: LendLab
  beforeAll(async () => {
    lab = await openLendLab()
  })
  afterAll(() => lab?.[Symbol.asyncDispose]())

  const many = (part: string, room = 16 * 1024) => part.repeat(Math.floor(room / part.length))
  const half = (open: string, close: string) => {
    const times = Math.floor((16 * 1024 - 20) / (open.length + close.length))
    return `${open.repeat(times)}1${close.repeat(times)}`
  }

  test.each([
    ['comments within comments', `select 1 ${half('/*', '*/').replace('1', '')}`],
    ['parentheses', `select ${half('(', ')')}`],
    ['not', `select ${many('not ', 16_000)} true`],
    ['sums', `select 1${many('+1', 16_000)}`],
    ['cases', `select ${half('case when true then ', ' end')}`],
    ['subqueries', `select * from ${half('(select * from ', ') x')}`],
    ['arrays', `select ${half('array[', ']')}`],
    ['casts', `select 1${many('::int', 16_000)}`],
    ['unions', `select 1${many(' union select 1', 16_000)}`],
    ['calls', `select ${half('f(', ')')}`],
    ['assignments that copy their source', `update t set (${many('a,', 8_000)}a) = (select ${many('b,', 8_000)}1)`],
    ['operators', `select 1 ${many('+-', 16_000)} 1`],
    ['quotes', `select ${many("''", 16_000)}`],
    ['continued strings', `select 'a'${many("\n'a'", 16_000)}`],
    ['dollars', `select ${many('$a', 16_000)}`],
    ['escapes', `select U&'${many('\\0041', 16_000)}'`],
  ])('%s: answered, and the neighbour too', async (name, text) => {
    const attacker = lab.execution(name.replaceAll(' ', '-'))
    const neighbour = lab.execution('neighbour')
    const [, answer] = await Promise.all([
      attacker.sql(text).catch((error: { code: string }) => {
        if (!['INVALID', 'SIZE_LIMIT', 'TIMEOUT'].includes(error.code)) throw error
      }),
      neighbour.sql(`select ${Math.floor(Math.random() * 1e9)} as fresh`),
    ])
    expect(answer.count).toBe(1)
    attacker.end()
    neighbour.end()
  })

  test('a text has at most 100 comments', async () => {
    const { sql, end } = lab.execution('writer')
    expect((await sql(`select 1 ${'/**/'.repeat(100)}`)).count).toBe(1)
    expect(await refusalOf(sql(`select 1 ${'/**/'.repeat(101)}`))).toMatchObject({ code: 'INVALID' })
    end()
  })

  test('a text has at most 16,384 characters', async () => {
    const { sql, end } = lab.execution('writer')
    const text = (length: number) => `select 1 -- ${'x'.repeat(length - 12)}`
    expect((await sql(text(16 * 1024))).count).toBe(1)
    expect(await refusalOf(sql(text(16 * 1024 + 1)))).toMatchObject({ code: 'SIZE_LIMIT' })
    expect(await refusalOf(sql('select 1 \0; drop'))).toMatchObject({ code: 'INVALID' })
    expect(await refusalOf(sql("select '\ud800'"))).toMatchObject({ code: 'INVALID' })
    end()
  })
})
