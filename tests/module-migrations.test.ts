import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completeContext } from '../runtime/context.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import { type Database, openDatabase } from '../runtime/store/database.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
let folder: string
let database: Database
let runtime: Runtime

async function writeNotes(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, 'modules/notes', name, '..'), { recursive: true })
    await writeFile(join(folder, 'modules/notes', name), text)
  }
}

const manifest = (permissions: string) => `name: notes\nversion: 1.0.0\ndescription: a test module\nhooks: [chat:before_ai]\npermissions: [${permissions}]\n`
const code = (body: string) => `export default { async handle(hook, ctx) { const { sql } = ctx.db; ${body} } }`
const answer = (expression: string) => code(`return { action: 'continue', modifications: { response: JSON.stringify(${expression}) } }`)

async function ask(): Promise<unknown> {
  const { modifications, failures } = await runtime.executeHook('chat:before_ai', completeContext('chat:before_ai', {}, 'r'))
  return failures[0] ?? JSON.parse(modifications?.response ?? 'null')
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'module-migrations-'))
  await writeNotes({
    'module.yaml': manifest('db'),
    'database/migrations/0001_notes.sql': "create table notes (id serial primary key, body text);\ninsert into notes (body) values ('first');",
    'index.ts': answer('await sql`select id, body from notes order by id`'),
  })
  database = await openDatabase({ folder: join(folder, 'data'), log: silent })
  runtime = await startRuntime({ modules: join(folder, 'modules'), data: join(folder, 'data'), cells: 2, database, log: silent })
})
afterAll(async () => {
  await runtime?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

test('a module finds the tables that its migrations made', async () => {
  expect(await ask()).toEqual([{ id: 1, body: 'first' }])
})

test('a migration that fails leaves the version before it running, and says where', async () => {
  await writeNotes({ 'database/migrations/0002_bad.sql': 'alter table notes add column a int;\nalter table nothing add column b int;', 'index.ts': answer("'second'") })
  await expect(runtime.reload('notes')).rejects.toMatchObject({ code: 'INVALID', details: { file: '0002_bad.sql', line: 2 } })
  expect(runtime.module('notes')).toMatchObject({ status: 'ready', error: { message: expect.stringContaining('0002_bad.sql of notes, line 2') } })
  expect(await ask()).toEqual([{ id: 1, body: 'first' }])
})

test('mended, it runs before the new version is placed', async () => {
  await writeNotes({ 'database/migrations/0002_bad.sql': 'alter table notes add column a int default 7', 'index.ts': answer('(await sql`select a from notes`)[0].a') })
  await runtime.reload('notes')
  expect(await ask()).toBe(7)
})

test('without the permission to have tables, a folder that makes some is refused', async () => {
  await writeNotes({ 'module.yaml': manifest('') })
  await expect(runtime.reload('notes')).rejects.toMatchObject({ code: 'INVALID', message: expect.stringContaining('permission "db"') })
})
