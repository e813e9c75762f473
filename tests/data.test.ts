import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { roleOf } from '../runtime/lend/names.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import { findExternal, openTemporary, type TemporaryDatabase } from '../runtime/store/store.setup.ts'

const external = await findExternal()
const silent = { debug() {}, info() {}, warn() {}, error() {} }

const SCHEMA = `
create type mood as enum ('fine', 'bad');
create table authors (id serial primary key, name text not null unique);
create table books (
  id bigint generated always as identity primary key, author int not null references authors, title text, price numeric, cover bytea,
  meta jsonb, raw json, made timestamptz, tags text[], mood mood, size int generated always as (length(title)) stored
);
create view titles as select title from books;
insert into authors (name) values ('ann'), ('bob');
insert into books (author, title, price, cover, meta, raw, made, tags, mood) values
  (2, E'a "quoted"\\nline', 12345678901234567890.123456789, '\\x00ff'::bytea, '{"n": 12345678901234567890}', E'{"b": 1,\\n "a": 2}', '2026-01-31 09:30:00.123456+02', array['x', null, 'y,z'], 'bad'),
  (1, null, 'NaN', null, null, null, 'infinity', '{}', null);
`
const CODE = `export default { async handle(hook, ctx) {
  await ctx.kv.set(['a', 1], { n: 1n }); await ctx.kv.set(['b'], new Uint8Array([0, 255])); await ctx.kv.set(['c'], ctx.kv.u64(7n), { expireIn: 3_600_000 })
  await ctx.emit('seen', { text: 'x' })
} }`

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  describe.skipIf(kind === 'external' && url === undefined)('the data of modules', () => {
    let temporary: TemporaryDatabase
    let runtime: Runtime
    let folder: string
    let sql: Sql

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'data-'))
      await mkdir(join(folder, 'modules/shelf/database'), { recursive: true })
      await writeFile(join(folder, 'modules/shelf/module.yaml'), 'name: shelf\nversion: 1.0.0\ndescription: a test module\nhooks: [chat:before_ai]\npermissions: [db, kv, emit]\n')
      await writeFile(join(folder, 'modules/shelf/index.ts'), CODE)
      await writeFile(join(folder, 'modules/shelf/database/schema.sql'), SCHEMA)
      temporary = await openTemporary(url)
      sql = temporary.database.sql
      runtime = await startRuntime({ modules: join(folder, 'modules'), data: join(folder, 'data'), cells: 1, database: temporary.database, log: silent })
      expect((await runtime.executeHook('chat:before_ai', { session: { id: 's1' }, user: { id: 'ann' } })).failures).toEqual([])
    })
    afterAll(async () => {
      const database = String(sql?.options.database)
      await runtime?.[Symbol.asyncDispose]()
      await temporary?.[Symbol.asyncDispose]()
      if (url !== undefined) {
        const admin = postgres(url, { max: 1, onnotice() {} })
        await admin.unsafe(`drop role if exists "${roleOf('shelf', database)}"`)
        await admin.end()
      }
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    })

    const exported = async (): Promise<string[]> => Array.fromAsync(runtime.data.export('shelf'))
    async function* chunks(lines: string[], size = 1000): AsyncGenerator<Uint8Array> {
      const bytes = Buffer.from(lines.join(''))
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const load = (lines: string[], { dryRun = false, size = 1000 } = {}) => runtime.data.import('shelf', chunks(lines, size), { dryRun })
    const wipe = async () => {
      await sql.unsafe('truncate "mod_shelf".books, "mod_shelf".authors restart identity')
      await sql`delete from bulkhead.kv`
      await sql`update bulkhead.kv_usage set keys = 0, bytes = 0`
      await sql`delete from bulkhead.extractions`
    }
    const withoutTime = (lines: string[]) => lines.slice(1, -1)

    test('is as it should be', async () => {
      expect(await runtime.data.validate()).toEqual([])
      expect(await runtime.data.status()).toMatchObject({
        kind,
        modules: [{ module: 'shelf', tableBytes: expect.any(Number), keys: 3, applied: 1, pending: [], problem: null }],
      })
    })

    test('is described', async () => {
      const tables = await runtime.data.schema('shelf')
      expect(tables.map(({ name, kind: sort }) => `${sort} ${name}`)).toEqual(['table authors', 'table books', 'view titles', 'sequence authors_id_seq', 'sequence books_id_seq'])
      expect(tables[1]).toMatchObject({
        columns: expect.arrayContaining([{ name: 'author', type: 'integer', notNull: true, default: null }]),
        constraints: expect.arrayContaining([expect.stringContaining('FOREIGN KEY (author) REFERENCES')]),
        indexes: [expect.stringContaining('books_pkey')],
      })
    })

    test('leaves and comes back as it was', async () => {
      const before = await exported()
      const rows = await sql`select * from "mod_shelf".books order by id`
      expect(JSON.parse(before[0] ?? '')).toMatchObject({ format: 'bulkhead-module', module: 'shelf', tables: [{ name: 'authors' }, { name: 'books' }] })
      await wipe()
      const report = { tables: { authors: 2, books: 2 }, keys: 3, extractions: 1 }
      expect(await load(before, { dryRun: true })).toMatchObject({ ...report, dryRun: true })
      expect(await sql`select from "mod_shelf".books`).toHaveLength(0)
      expect(await load(before, { size: 7 })).toMatchObject({ ...report, dryRun: false })
      expect([...(await sql`select * from "mod_shelf".books order by id`)]).toEqual([...rows])
      expect(withoutTime(await exported())).toEqual(withoutTime(before))
      await sql`insert into "mod_shelf".authors (name) values ('cid')`
      expect(await runtime.data.validate()).toEqual([])
      await sql`delete from "mod_shelf".authors where name = 'cid'`
    })

    test('comes back whole or not at all', async () => {
      const lines = await exported()
      await wipe()
      const wrong: Array<[string, string[], object]> = [
        ['a changed row', lines.map((line) => line.replace('"ann"', '"eve"')), { code: 'INVALID', message: expect.stringContaining('checksum') }],
        ['a missing row', lines.toSpliced(-2, 1), { code: 'INVALID', message: expect.stringContaining('checksum') }],
        ['no end', lines.slice(0, -1), { code: 'INVALID', message: expect.stringContaining('the end is missing') }],
        ['more after the end', [...lines, '{"kv":{}}\n'], { code: 'INVALID', message: expect.stringContaining('more after the end') }],
        ['nothing', [], { code: 'INVALID' }],
        ['no JSON', ['what\n'], { code: 'INVALID', details: { line: 1 } }],
        ['no UTF-8', ['\ud800\n'].map((text) => Buffer.from(text, 'latin1').toString('latin1')), { code: 'INVALID' }],
        ['another module', [String(lines[0]).replace('"shelf"', '"other"'), ...lines.slice(1)], { code: 'INVALID', message: expect.stringContaining('"other"') }],
        ['other migrations', [String(lines[0]).replace(/"checksum":"../, '"checksum":"zz'), ...lines.slice(1)], { code: 'CONFLICT' }],
        ['another table', lines.toSpliced(2, 0, '{"table":"pg_authid","row":{}}\n'), { code: 'INVALID', details: { line: 3 } }],
        ['a row that does not fit', lines.toSpliced(1, 0, '{"table":"authors","row":{"id":"x"}}\n'), { code: 'INVALID', message: expect.stringContaining('invalid input syntax') }],
      ]
      for (const [what, given, error] of wrong) {
        await expect(load(given), what).rejects.toMatchObject(error)
        expect(await sql`select from "mod_shelf".authors`, what).toHaveLength(0)
      }
      await load(lines)
      await expect(load(lines)).rejects.toMatchObject({ code: 'CONFLICT', details: { sqlstate: '23505' } })
      expect(withoutTime(await exported())).toEqual(withoutTime(lines))
    })

    test('is not waited for by whoever stops reading it', async () => {
      for await (const line of runtime.data.export('shelf')) {
        expect(line).toContain('bulkhead-module')
        break
      }
      const [row] = await sql`select count(*)::int as open from pg_stat_activity where state = 'idle in transaction' and datname = current_database()`
      expect(row?.['open']).toBe(0)
      expect(() => runtime.data.export('nothing')).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
    })

    test('is queried, one statement at a time, without writing', async () => {
      const query = (text: string, limit = 10) => runtime.data.query(text, { write: false, limit })
      expect(await query('select name, 1::int8, null, \'\\x00ff\'::bytea from "mod_shelf".authors order by 1')).toEqual({
        columns: ['name', 'int8', '?column?', 'bytea'], rows: [['ann', '1', null, '\\x00ff'], ['bob', '1', null, '\\x00ff']], count: 2, more: false,
      })
      expect(await query('select generate_series(1, 1000000000)', 3)).toMatchObject({ rows: [[1], [2], [3]], more: true })
      expect(await query("select repeat('x', 1000000) from generate_series(1, 1000)", 1000)).toMatchObject({ count: 4, more: true })
      for (const text of [
        "insert into \"mod_shelf\".authors (name) values ('x')", 'with x as (delete from "mod_shelf".authors returning *) select * from x',
        'select 1; drop table bulkhead.kv', "copy (select 1) to program 'id'", "select pg_read_file('/etc/passwd')", 'drop table bulkhead.kv', 'commit', 'create role x',
        'select nothing',
      ]) await expect(query(text), text).rejects.toMatchObject({ code: 'INVALID', details: { sqlstate: expect.any(String) } })
      await expect(query('select\nnothing')).rejects.toMatchObject({ message: expect.stringMatching(/"nothing" does not exist in line 2$/) })
    })

    test('is changed by a query that says so, and nothing else is', async () => {
      const write = (text: string) => runtime.data.query(text, { write: true, limit: 10 })
      expect(await write(`update "mod_shelf".authors set name = upper(name) returning name`)).toMatchObject({ rows: [['ANN'], ['BOB']], count: 2 })
      expect(await write(`update "mod_shelf".authors set name = lower(name)`)).toMatchObject({ rows: [], count: 2 })
      for (const text of ["copy bulkhead.kv to program 'id'", "select pg_read_file('/etc/passwd')", 'select 1; select 2', "do $$begin perform pg_read_file('/etc/passwd'); end$$"]) {
        await expect(write(text), text).rejects.toMatchObject({ code: 'INVALID' })
      }
    })

    test('that has drifted is found', async () => {
      const role = roleOf('shelf', url === undefined ? undefined : String(sql.options.database))
      await sql.unsafe(`
        insert into bulkhead.mod_migrations values ('gone', 1, 'x', 'y', null, 1); create schema "mod_gone"; insert into bulkhead.kv_usage values ('gone', 1, 1);
        grant select on bulkhead.kv to "${role}"; grant create on schema "mod_shelf" to "${role}"; alter role "${role}" createdb;
        create function "mod_shelf".f() returns int language sql as 'select 1'; create table "mod_shelf".ours (a int); update bulkhead.kv_usage set bytes = bytes + 1 where module = 'shelf'`)
      await writeFile(join(folder, 'modules/shelf/database/schema.sql'), `${SCHEMA}-- changed`)
      const problems = await runtime.data.validate()
      await writeFile(join(folder, 'modules/shelf/database/schema.sql'), SCHEMA)
      expect(problems.map(({ kind: sort, module, message }) => `${sort} ${module}: ${message}`)).toEqual([
        'orphan gone: 1 keys of a module that is not there',
        'orphan gone: 1 migrations of a module that is not there',
        'orphan gone: the schema mod_gone of a module that is not there',
        `role shelf: the role ${role} makes databases`,
        `grant null: ${role} was granted SELECT on bulkhead.kv`,
        `grant shelf: ${role} was granted CREATE on the schema mod_shelf`,
        'object shelf: the schema mod_shelf has a function, f',
        expect.stringMatching(/^object shelf: the schema mod_shelf has a relation of \w+, ours$/),
        'accounting gone: keys are accounted as 1 with 1 bytes, and are 0 with 0',
        expect.stringMatching(/^accounting shelf: keys are accounted as 3 with/),
        'checksum shelf: cannot migrate shelf: schema.sql was changed after it was run; what is to change goes into a new file',
      ])
    })
  })
})
