import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findExternal } from '../store/store.setup.ts'
import { type LendLab, openLendLab, refusalOf } from './lend.setup.ts'
import { type ModuleMigrations, openModuleMigrations } from './module-migrations.ts'

const external = await findExternal()
const NOTES = 'create table notes (id bigint generated always as identity primary key, body text not null);\n'

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  describe.skipIf(kind === 'external' && url === undefined)('the migrations of a module', () => {
    let lab: LendLab
    let migrations: ModuleMigrations
    let folder: string
    let module: string
    let modules = 0

    beforeAll(async () => {
      lab = await openLendLab(url)
      const limits = { statementMs: 2_000, schemaBytes: 4 * 1024 * 1024, growthBytes: 64 * 1024 * 1024 }
      migrations = openModuleMigrations({ sql: lab.database.sql, prepare: lab.lend.prepare, limits })
    })
    afterAll(() => lab?.[Symbol.asyncDispose]())
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'migrations-'))
      module = `notes-${++modules}`
      lab.execution(module)
      return () => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    })

    async function write(files: Record<string, string>): Promise<void> {
      await mkdir(join(folder, 'database/migrations'), { recursive: true })
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, 'database/migrations', name), text)
    }
    const migrate = () => migrations.migrate(module, folder)
    const rows = async (text: string) => {
      const execution = lab.execution(module)
      const { rows } = await execution.sql(text)
      execution.end()
      return rows
    }

    test('run once, in order, and are recorded with checksum and duration', async () => {
      await write({ '0001_notes.sql': NOTES, '0002_seed.sql': "insert into notes (body) values ('a'), ('b');\nupdate notes set body = upper(body);" })
      expect(await migrate()).toEqual(['0001_notes.sql', '0002_seed.sql'])
      expect(await migrate()).toEqual([])
      expect(await rows('select id, body from notes order by id')).toEqual([['1', 'A'], ['2', 'B']])
      const { applied, pending } = await migrations.status(module, folder)
      expect(applied).toMatchObject([{ number: 1, name: '0001_notes.sql', checksum: expect.stringMatching(/^[\da-f]{64}$/), reversible: false }, { number: 2 }])
      expect(pending).toEqual([])
      await write({ '0003_more.sql': 'alter table notes add column made timestamptz default now()' })
      expect((await migrations.status(module, folder)).pending).toEqual(['0003_more.sql'])
      expect(await migrate()).toEqual(['0003_more.sql'])
    })

    test('begin with schema.sql, where there is one', async () => {
      await mkdir(join(folder, 'database'))
      await writeFile(join(folder, 'database/schema.sql'), NOTES)
      expect(await migrate()).toEqual(['schema.sql'])
      await write({ '0001_more.sql': 'alter table notes add column a int' })
      expect(await migrate()).toEqual(['0001_more.sql'])
      expect(await rows('select id, body, a from notes')).toEqual([])
    })

    test('make tables of the module\'s own, which it may not change outside of them', async () => {
      await write({ '0001_notes.sql': NOTES })
      await migrate()
      await rows("insert into notes (body) values ('x') returning id")
      expect(await refusalOf(rows('create table more (a int)'))).toMatchObject({ code: 'INVALID' })
      const [table] = await lab.database.sql`select schemaname, tableowner from pg_tables where tablename = 'notes' and schemaname = ${`mod_${module}`}`
      expect(table?.['tableowner']).toContain(`mod_${module}`)
      const [grant] = await lab.database.sql`select has_schema_privilege(${table?.['tableowner']}, ${`mod_${module}`}, 'create') as creates`
      expect(grant?.['creates']).toBe(false)
    })

    test('are refused before anything runs where a file was changed, is missing or out of its order', async () => {
      await write({ '0001_notes.sql': NOTES, '0002_more.sql': 'alter table notes add column a int' })
      await migrate()
      await write({ '0001_notes.sql': `${NOTES}-- changed`, '0003_later.sql': 'create table later (a int)' })
      expect(await refusalOf(migrate())).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('0001_notes.sql was changed after it was run') })
      expect((await migrations.status(module, folder)).problem).toContain('was changed')
      await write({ '0001_notes.sql': NOTES })
      await rm(join(folder, 'database/migrations/0003_later.sql'))
      await rm(join(folder, 'database/migrations/0002_more.sql'))
      expect(await refusalOf(migrate())).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('0002_more.sql was run but is missing; roll it back') })
      await write({ '0002_other.sql': 'create table other (a int)' })
      expect(await refusalOf(migrate())).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('0002_other.sql stands in its place') })
      expect(await rows('select a from notes')).toEqual([])
      expect(await refusalOf(rows('select * from other'))).toMatchObject({ details: { sqlstate: '42P01' } })
    })

    test.each([
      [{ '0002_x.sql': '' }, '0002_x.sql stands where 0001_name.sql is expected'],
      [{ '0001_x.sql': '', '0001_y.sql': '' }, '0001_y.sql stands where 0002_name.sql is expected'],
      [{ '0001_x.sql': '', '0003_y.sql': '' }, '0003_y.sql stands where 0002_name.sql is expected'],
      [{ '1_x.sql': '' }, '1_x.sql stands where'],
      [{ '0001_x.sql': '', 'README.md': '' }, 'README.md stands where'],
      [{ '0001_x.sql': '', '0002_y.down.sql': '' }, '0002_y.down.sql takes back a file that is not there'],
    ] as Array<[Record<string, string>, string]>)('are refused for the names in %j', async (files, why) => {
      await write(files)
      expect(await refusalOf(migrate())).toMatchObject({ code: 'INVALID', message: expect.stringContaining(why) })
    })

    test('are refused where a link leads out of the folder, or a file is too large', async () => {
      await write({})
      await symlink('/etc/passwd', join(folder, 'database/migrations/0001_x.sql'))
      expect(await refusalOf(migrate())).toMatchObject({ code: 'INVALID', message: expect.stringContaining('leads out of') })
      await rm(join(folder, 'database/migrations'), { recursive: true })
      await symlink('/etc', join(folder, 'database/migrations'))
      expect(await refusalOf(migrate())).toMatchObject({ code: 'INVALID', message: expect.stringContaining('leads out of') })
      await rm(join(folder, 'database/migrations'))
      await write({ '0001_x.sql': `-- ${'x'.repeat(1024 * 1024)}` })
      expect(await refusalOf(migrate())).toMatchObject({ code: 'INVALID', message: expect.stringContaining('too large') })
    })

    test('tell file and line of what is not allowed, and nothing has run', async () => {
      await write({ '0001_notes.sql': NOTES, '0002_bad.sql': '-- é\ncreate table a (b int);\n\n/* why */\ngrant all on a to public;' })
      expect(await refusalOf(migrate())).toMatchObject({
        code: 'INVALID',
        message: expect.stringMatching(/0002_bad\.sql of notes-\d+, line 5: GRANT is not for migrations: tables, indexes/),
        details: { file: '0002_bad.sql', line: 5 },
      })
      expect((await migrations.status(module, undefined)).applied).toEqual([])
      await write({ '0002_bad.sql': 'create table a (\n  b int,\n  c integr integr\n)' })
      expect(await refusalOf(migrate())).toMatchObject({ code: 'INVALID', details: { line: 3 } })
    })

    test('tell statement and line of what fails; its file is undone, those before it stay', async () => {
      await write({ '0001_notes.sql': NOTES, '0002_bad.sql': 'create table kept (a int);\n\ninsert into notes (body)\n  select nothing from notes;' })
      expect(await refusalOf(migrate())).toMatchObject({
        code: 'INVALID',
        message: expect.stringContaining('line 4: column "nothing" does not exist'),
        details: { file: '0002_bad.sql', line: 4, statement: expect.stringContaining('insert into notes'), sqlstate: '42703' },
      })
      expect((await migrations.status(module, folder)).applied.map(({ name }) => name)).toEqual(['0001_notes.sql'])
      expect(await refusalOf(rows('select * from kept'))).toMatchObject({ details: { sqlstate: '42P01' } })
      await write({ '0002_bad.sql': 'create table kept (a int)' })
      expect(await migrate()).toEqual(['0002_bad.sql'])
    })

    test('are taken back by their down files, the last first, even after their files have gone', async () => {
      await write({
        '0001_notes.sql': NOTES,
        '0001_notes.down.sql': 'drop table notes',
        '0002_more.sql': 'alter table notes add column a int',
        '0002_more.down.sql': 'alter table notes drop column a',
        '0003_last.sql': 'create table last (a int)',
      })
      await migrate()
      expect(await refusalOf(migrations.rollback(module, 1))).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('0003_last.down.sql') })
      await lab.database.sql`delete from bulkhead.mod_migrations where module = ${module} and number = 3`
      await rm(join(folder, 'database'), { recursive: true })
      expect(await migrations.rollback(module, 1)).toEqual(['0002_more.sql'])
      expect(await refusalOf(rows('select a from notes'))).toMatchObject({ details: { sqlstate: '42703' } })
      expect(await migrations.rollback(module, 9)).toEqual(['0001_notes.sql'])
      expect(await refusalOf(migrations.rollback(module, 1))).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('no migration of it was run') })
    })

    test('run once where two hosts start at the same time', async () => {
      await write({ '0001_notes.sql': NOTES, '0002_seed.sql': "insert into notes (body) values ('a')", '0003_seed.sql': "insert into notes (body) values ('b')" })
      const other = openModuleMigrations({ sql: lab.database.sql, prepare: lab.lend.prepare })
      const ran = await Promise.all([migrate(), other.migrate(module, folder)])
      expect(ran.flat().toSorted()).toEqual(['0001_notes.sql', '0002_seed.sql', '0003_seed.sql'])
      expect(await rows('select count(*) from notes')).toEqual([['2']])
    })

    test('are bounded in time, and in what they leave behind', async () => {
      await write({ '0001_slow.sql': 'create table a (b int);\ninsert into a select count(*) from generate_series(1, 1e12)' })
      expect(await refusalOf(migrate())).toMatchObject({ code: 'INVALID', message: expect.stringContaining('line 2: canceling statement'), details: { sqlstate: '57014' } })
      await write({ '0001_slow.sql': "create table a (b text);\ninsert into a select repeat(md5(n::text), 30) from generate_series(1, 10000) n" })
      expect(await refusalOf(migrate())).toMatchObject({ code: 'QUOTA' })
      await write({ '0001_slow.sql': "create table a (b text);\ninsert into a select repeat(md5(n::text), 30) from generate_series(1, 2000) n" })
      expect(await migrate()).toEqual(['0001_slow.sql'])
    })

    test('end where a text keeps the parser busy, or overflows it', async () => {
      await write({ '0001_deep.sql': `select ${'('.repeat(200_000)}1${')'.repeat(200_000)}` })
      expect(await refusalOf(migrate())).toMatchObject({ code: 'INVALID' })
    })

    test('need the permission to have tables', async () => {
      await write({ '0001_notes.sql': NOTES })
      const bringUp = (permissions: string[], granted: string[]) => migrations.bringUp({ name: module, permissions }, folder, new Set(granted))
      expect(await refusalOf(bringUp(['log'], ['log']))).toMatchObject({ code: 'INVALID', message: expect.stringContaining('permission "db"') })
      await bringUp(['db'], [])
      expect((await migrations.status(module, folder)).applied).toEqual([])
      await bringUp(['db'], ['db'])
      expect(await rows('select * from notes')).toEqual([])
    })

    test('cannot reach what is not the module\'s, whatever they try', async () => {
      await write({ '0001_notes.sql': NOTES })
      await migrate()
      const attacks = [
        "select set_config('role', 'postgres', false)", 'set role none; drop table bulkhead.kv', 'select * from bulkhead.api_keys',
        'create table x (a text default current_user); insert into x default values; select pg_read_file(a) from x',
        `create view v as select * from "mod_other".secrets`, 'create table y (a bytea references bulkhead.kv (key))',
        "create table z (a text check (query_to_xml('select 1', true, true, '') is not null))", 'drop table bulkhead.modules cascade',
        `create table w (a int); comment on column bulkhead.kv.key is 'x'`, "select dblink('x', 'y')", "select lo_import('/etc/passwd')",
      ]
      for (const attack of attacks) {
        await write({ '0002_attack.sql': attack })
        expect([attack, (await refusalOf(migrate())).code]).toEqual([attack, 'INVALID'])
      }
      expect((await migrations.status(module, undefined)).applied).toHaveLength(1)
    })
  })
})
