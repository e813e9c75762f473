import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findExternal } from '../store/store.setup.ts'
import { openConnection, StatementFailed } from './connection.ts'
import { type LendLab, openLendLab, refusalOf } from './lend.setup.ts'

const external = await findExternal()

/** What is refused before the server sees it. In each text, `victim` is another module's schema. */
const REFUSED: Record<string, string[]> = {
  'what belongs to others': [
    'select * from "mod_victim".secrets',
    'table mod_victim.secrets',
    'select * from bulkhead.api_keys',
    'select * from only bulkhead.modules',
    'select * from U&"mod\\005fvictim".secrets',
    'select * from postgres.mod_victim.secrets',
    'with s as (select * from mod_victim.secrets) select * from s',
    'select (select value from mod_victim.secrets limit 1)',
    'select 1 union all select 2 from mod_victim.secrets',
    'select * from own, lateral (select * from mod_victim.secrets) s',
    'select exists (select from mod_victim.secrets)',
    'insert into mod_victim.secrets values (1)',
    'insert into own select 1 from mod_victim.secrets',
    'insert into own values (1) on conflict (id) do update set id = (select 1 from mod_victim.secrets)',
    'update own set id = 1 from mod_victim.secrets',
    'update mod_victim.secrets set value = 1',
    'delete from own using mod_victim.secrets',
    'delete from bulkhead.logs',
    'merge into own using mod_victim.secrets s on true when matched then delete',
    'with d as (delete from mod_victim.secrets returning *) select * from d',
    'select * from json_populate_recordset(null::mod_victim.secrets, $1)',
    "select null::bulkhead.api_keys",
    'select 1 operator(mod_victim.+) 1',
    "select 'a' collate mod_victim.c",
    "select 1 = any (select 1 from mod_victim.secrets)",
    'select array(select value from mod_victim.secrets)',
    'select case when (select true from mod_victim.secrets) then 1 end',
    'select count(*) filter (where exists (select from mod_victim.secrets)) from own',
    'select id from own order by (select 1 from mod_victim.secrets)',
    'select id from own limit (select 1 from mod_victim.secrets)',
    'select sum(id) over (partition by (select 1 from mod_victim.secrets)) from own',
    'select id from own group by id having (select true from mod_victim.secrets)',
    'insert into own values (1) returning (select value from mod_victim.secrets)',
    'values ((select value from mod_victim.secrets))',
    "select * from rows from (generate_series(1, (select 1 from mod_victim.secrets))) x",
    'select id from own for update of "mod_victim"."secrets"',
  ],
  catalogs: [
    'select * from pg_catalog.pg_class',
    'select * from pg_class',
    'select * from pg_roles',
    'select * from pg_stat_activity',
    'select * from pg_settings',
    'select * from PG_SHADOW',
    'select * from "pg_authid"',
    'select * from pg_toast.pg_toast_1255',
    'select * from information_schema.tables',
    "select 'mod_victim.secrets'::regclass",
    "select cast('mod_victim.secrets' as pg_catalog.regclass)",
    "select 'mod_victim.secrets'::regclass[]",
    "select '{mod_victim.secrets}'::_regclass",
    "select regclass 'mod_victim.secrets'",
    "select 'mod_victim'::regrole, 'mod_victim'::regnamespace",
    "select 'mod_victim=r/postgres'::aclitem",
    "select to_regclass('mod_victim.secrets')",
    "select regclassin('mod_victim.secrets')",
    "select nextval('mod_victim.counter')",
    "select has_table_privilege('mod_victim.secrets', 'select')",
    "select pg_get_viewdef('mod_victim.v')",
    "select obj_description(1, 'pg_class')",
    'select null::pg_class',
    "select json_populate_record(null::pg_authid, '{}')",
    "select * from json_to_record('{}') as x(a regclass)",
    "select * from json_table('{}', '$' columns (a regclass path '$.a')) t",
    "select json_value('{}', '$.a' returning regclass)",
  ],
  'text that becomes SQL': [
    "select query_to_xml('select * from bulkhead.api_keys', true, true, '')",
    "select pg_catalog.query_to_xml('select 1', true, true, '')",
    "select table_to_xml('mod_victim.secrets', true, true, '')",
    "select schema_to_xml('mod_victim', true, true, '')",
    "select database_to_xml(true, true, '')",
    "select cursor_to_xml('c', 1, true, true, '')",
    "select * from ts_stat('select 1')",
    "select ts_rewrite('a'::tsquery, 'select 1')",
    "select * from dblink('dbname=postgres', 'select 1') as t(a int)",
  ],
  'calls in disguise': [
    'select (0.1::float8).pg_sleep',
    "select ('x'::text).regclassin",
    'select t.pg_sleep from (select 1) t',
    "select (select 'a'::text).currval",
    'select ((1))."pg_sleep"',
    'select "pg_sleep"(1)',
    'select PG_SLEEP(1)',
    'select U&"pg\\005fsleep"(1)',
    'select pg_catalog."pg_sleep"(1)',
    'select mod_evil.f()',
    'select public.f()',
    'select * from pg_sleep(1)',
    'select id from own order by pg_sleep(1)',
    'select count(pg_sleep(1)) over () from own',
    'update own set (id) = (select 1 where pg_sleep(1) is null)',
    "select a from own tablesample system (100)",
  ],
  roles: [
    'set role mod_victim',
    'set local role none',
    'reset role',
    'reset all',
    'set session authorization postgres',
    "select set_config('role', 'postgres', false)",
    "select set_config('search_path', 'bulkhead', false)",
    "select current_setting('data_directory')",
    "alter role current_user password 'x'",
    'alter role current_user set statement_timeout = 0',
    'alter user mod_evil superuser',
    'create role other superuser',
    'drop role mod_victim',
    'grant all on own to public',
    'grant mod_victim to mod_evil',
    'revoke all on own from public',
    'alter default privileges grant all on tables to public',
    'reassign owned by mod_victim to mod_evil',
    'drop owned by mod_victim',
  ],
  settings: ["set statement_timeout = 0", "set work_mem = '1GB'", 'show all', 'set search_path = bulkhead', 'alter system set fsync = off', 'discard all', 'set transaction isolation level serializable', 'set constraints all deferred'],
  'more than one statement': [
    'select 1; select 2',
    'select 1; drop table own',
    'select 1;;select 2',
    'select 1 /* ; */ ; drop table own',
    'select $$;$$; drop table own',
    "select ';'; drop table own",
    'select $a$ $$ ; $$ $a$; drop table own',
    'select 1 -- ; comment\n; drop table own',
    'select 1 /* /* */ ; */; drop table own',
    "select E'\\''; drop table own; --'",
    'begin; drop table own; commit',
    '',
    ';',
    '-- nothing',
    '/* nothing */',
  ],
  definitions: [
    'create table t (id int)',
    'create temp table t (id int)',
    'create table t as select 1',
    'select 1 as a into t',
    'select * into temp t from own',
    'create view v as select * from mod_victim.secrets',
    'create materialized view v as select 1',
    "create function f() returns int language sql security definer as 'select 1'",
    'create procedure p() language sql begin atomic select 1; end',
    'create trigger t before insert on own execute function f()',
    'create rule r as on select to own do instead select 1',
    'create event trigger e on ddl_command_start execute function f()',
    'create extension dblink',
    'create cast (text as int) without function',
    'create operator = (function = texteq, leftarg = text, rightarg = text)',
    "create aggregate a (int) (sfunc = int4pl, stype = int)",
    'create schema s',
    'create type t as (a int)',
    'create domain d as int',
    'create sequence s',
    'create index on own (id)',
    'create database d',
    "create server s foreign data wrapper w",
    'create publication p for all tables',
    'create policy p on own',
    'alter table own add column x int',
    'alter table own add foreign key (id) references mod_victim.secrets',
    'alter table own owner to mod_victim',
    'drop table own',
    'truncate own',
    'comment on table own is $$x$$',
    'import foreign schema s from server w into x',
    "security label on table own is 'x'",
  ],
  commands: [
    "copy own to program 'id'",
    "copy own from program 'id'",
    "copy own to '/tmp/x'",
    'copy own from stdin',
    'do $$ begin perform 1; end $$',
    'call p()',
    'explain analyze select 1',
    'prepare p as select 1',
    'execute p',
    'deallocate all',
    'declare c cursor for select 1',
    'fetch c',
    'delete from own where current of c',
    'listen x',
    'notify x',
    'unlisten *',
    'lock table own',
    'begin',
    'commit',
    'rollback',
    'savepoint s',
    "prepare transaction 'x'",
    'vacuum',
    'analyze',
    'reindex table own',
    'cluster',
    'checkpoint',
    "load 'x'",
    'refresh materialized view v',
  ],
  'waiting, locking, telling': [
    'select pg_sleep(1)',
    "select pg_sleep_for('1 s')",
    'select pg_advisory_lock(1)',
    'select pg_try_advisory_xact_lock(1)',
    "select pg_notify('c', 'x')",
    'select pg_cancel_backend(1)',
    'select pg_terminate_backend(1)',
    'select pg_backend_pid()',
    'select pg_export_snapshot()',
    'select txid_current()',
    "select setval('own_id_seq', 1)",
    'select setseed(0.5)',
  ],
  'files, objects, XML': [
    "select pg_read_file('/etc/passwd')",
    "select * from pg_ls_dir('/')",
    "select pg_stat_file('/etc/passwd')",
    "select lo_import('/etc/passwd')",
    'select lo_create(0)',
    'select lo_from_bytea(0, $1)',
    'select loread(1, 1)',
    "select xmlparse(document '<a/>')",
    "select '<a/>'::xml",
    "select xpath('/a', '<a/>')",
    "select * from xmltable('/a' passing '<a/>' columns b text)",
    'select version()',
    'select inet_server_addr()',
    'select current_database()',
  ],
}

/** What takes time or room; each has to end by itself, or be ended. */
const BOUNDED: Array<[string, string]> = [
  ['a long series', 'select * from generate_series(1, 1000000000000)'],
  ['a long series, counted', 'select count(*) from generate_series(1, 1000000000000)'],
  ['endless recursion', 'with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r'],
  ['endless recursion that grows', "with recursive r as (select 'x' as t union all select t || t from r) select max(length(t)) from r"],
  ['cross joins', 'select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 100000) c'],
  ['a text of a gigabyte', "select repeat('x', 1000000000)"],
  ['a text of 100 megabytes', "select repeat('x', 100000000)"],
  ['texts in one value', "select length(string_agg(repeat('x', 1000000), '')) from generate_series(1, 100000)"],
  ['texts in an array', "select array_length(array_agg(repeat(g::text, 100000)), 1) from generate_series(1, 1000000) g"],
  ['a wide array', 'select array_fill(1, array[200000000])'],
  ['a sort past memory', 'select m from (select md5(g::text) as m from generate_series(1, 50000000) g) t order by m limit 1'],
  ['a hash past memory', 'select count(*) from (select md5(g::text) as m, count(*) from generate_series(1, 50000000) g group by 1) t'],
  ['backtracking', "select repeat('x', 1201) ~ '^(x+)(x+)(x+)\\1\\1\\2\\2\\3\\3$'"],
  ['a pattern that is long to compile', "select 'x' ~ ('(' || repeat('a?', 220) || repeat('a', 220) || '){1,50}')"],
  ['huge numbers', 'select length(factorial(30000)::text) from generate_series(1, 10)'],
  ['an error with a huge text', "select repeat('x', 50000000)::int"],
  ['many rows at once', "select repeat('x', 1000) from generate_series(1, 9000)"],
]

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  const there = kind === 'embedded' || url !== undefined
  let lab: LendLab

  beforeAll(async () => {
    if (!there) return
    lab = await openLendLab(url, { statementMs: 700, transactionMs: 1_000, waitMs: 1_500 })
    await lab.define('evil', 'create table own (id int primary key); insert into own values (1)')
    await lab.define('victim', 'create table secrets (value int); insert into secrets values (42)')
  })
  afterAll(() => lab?.[Symbol.asyncDispose]())

  const neighbour = async () => {
    const { sql, end } = lab.execution('victim')
    expect((await sql('select value from secrets')).rows).toEqual([['42']])
    end()
  }

  describe.runIf(there)('refused before the server sees it', () => {
    test.each(Object.entries(REFUSED))('%s', async (_kind, texts) => {
      for (const text of texts) {
        const { sql, end } = lab.execution('evil')
        const parameters = text.includes('$1') ? ['[]'] : []
        const { code, details, message } = await refusalOf(sql(text, ...parameters))
        expect([text, code, details]).toEqual([text, 'INVALID', undefined])
        expect(message).toMatch(/^cannot run the statement, /)
        end()
      }
      await neighbour()
    })
  })

  describe.runIf(there)('ended, with the neighbour served meanwhile', () => {
    test.each(BOUNDED)('%s', async (_name, text) => {
      const { sql, end } = lab.execution('evil')
      const [attack] = await Promise.all([refusalOf(sql(text)), neighbour()])
      expect(['TIMEOUT', 'SIZE_LIMIT']).toContain(attack.code)
      end()
      const after = lab.execution('evil')
      expect((await after.sql('select id from own')).rows).toEqual([['1']])
      after.end()
    })
  })

  describe.runIf(there)('by its role alone', () => {
    const asRole = async (...statements: string[]) => {
      const { credentials } = await lab.lend.prepare('evil')
      const connection = await openConnection(lab.database.sql.options, credentials)
      const outcomes: string[] = []
      for (const text of statements) {
        outcomes.push(
          await connection.run({ text, parameters: [], undoable: false }, { rows: 10, bytes: 1_000 }).then(
            ({ rows }) => rows,
            (error: unknown) => (error instanceof StatementFailed ? error.fault.code : String(error)),
          ),
        )
      }
      connection.destroy()
      return outcomes
    }

    test('nothing of others can be reached', async () => {
      const denied = [
        'select * from mod_victim.secrets',
        'select * from bulkhead.api_keys',
        'create table own2 (id int)',
        'create view v as select 1',
        "create function f() returns int language sql security definer as 'select 1'",
        'create operator = (function = texteq, leftarg = text, rightarg = text)',
        'alter table own add foreign key (id) references mod_victim.secrets (value)',
        'alter table own owner to mod_victim',
        'grant select on mod_victim.secrets to current_user',
        'alter role current_user connection limit -1',
        'alter schema mod_evil rename to other',
        'drop schema mod_evil cascade',
        'create schema s',
        'create table public.t (id int)',
        'set role mod_victim',
        'set session authorization postgres',
        'create role r',
        'alter role current_user superuser',
        "copy own to program 'id'",
        "copy own to '/tmp/x'",
        "select pg_read_file('/etc/passwd')",
        "select lo_import('/etc/passwd')",
        'select * from pg_authid',
        'alter system set fsync = off',
        'create extension adminpack',
        'create event trigger e on ddl_command_start execute function f()',
      ]
      const outcomes = await asRole(...denied)
      for (const [at, code] of outcomes.entries()) expect([denied[at], code]).toEqual([denied[at], expect.stringMatching(/^(42501|42704|22023|0A000|58P01|42883)$/)])
      expect(await asRole('select id from own')).toEqual(['["1"]'])
    })

    test.runIf(kind === 'embedded')('what PUBLIC has elsewhere is taken away where the server is ours', async () => {
      const denied = [
        'select pg_sleep(0)',
        'select pg_advisory_lock(1)',
        'select lo_create(0)',
        "select set_config('work_mem', '1GB', false)",
        "select query_to_xml('select 1', true, true, '')",
        'create temp table t (id int)',
        'select * from pg_stat_activity',
        'select * from pg_roles',
        'select * from information_schema.tables',
        "do $$ begin perform 1; end $$",
        "select pg_notify('a', 'b')",
      ]
      expect(await asRole(...denied)).toEqual(denied.map(() => '42501'))
    })

    test('sessions begin with the settings of the role', async () => {
      const [path, memory, strings] = await asRole('show search_path', 'show work_mem', 'show standard_conforming_strings')
      expect([path, memory, strings]).toEqual(['["mod_evil"]', '["4MB"]', '["on"]'])
    })
  })
})
