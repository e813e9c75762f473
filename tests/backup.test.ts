import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { RestoreReport } from '../runtime/backup/control.ts'
import { findExternal } from '../runtime/store/store.setup.ts'
import { type Files, type Host, module, openSite, type Site } from './versions.setup.ts'

/** Keeps notes in a table, with one that its migration brings, and counts in keys and values. */
const NOTES: Files = {
  'module.yaml': 'name: notes\nversion: 1.0.0\ndescription: Keeps notes\nhooks: [chat:before_ai]\npermissions: [db, kv, emit, log]\nconfig: { type: object, properties: { prefix: { type: string, default: "-" } } }\n',
  'database/migrations/0001_notes.sql':
    "create table notes (id bigint generated always as identity primary key, text text not null, size int generated always as (length(text)) stored);\ninsert into notes (text) values ('from the migration');",
  'database/migrations/0002_tags.sql': 'create table tags (note bigint not null references notes, tag text not null, primary key (note, tag));',
  'database/migrations/0002_tags.down.sql': 'drop table tags;',
  'index.ts': `import { defineModule } from '@bulkhead/sdk'
export default defineModule({
  async handle(hook, ctx) {
    const text = ctx.message.content
    if (text !== 'hi') {
      const [{ id }] = await ctx.db.sql\`insert into notes (text) values (\${text}) returning id\`
      await ctx.db.sql\`insert into tags values (\${id}, 'said')\`
      await ctx.kv.set(['last'], text)
      await ctx.emit('note', { text })
    }
    const rows = await ctx.db.sql\`select id, text, size from notes order by id\`
    const last = await ctx.kv.get(['last'])
    return { action: 'continue', modifications: { output: { notes: { prefix: ctx.config.prefix, rows: rows.map((row) => ({ ...row, id: String(row.id) })), last: last.value } } } }
  },
})`,
}

const external = await findExternal()
const sites: Site[] = []
const hosts: Host[] = []
afterEach(async () => {
  for (const host of hosts.splice(0)) await host[Symbol.asyncDispose]()
})
afterAll(async () => {
  await source?.host[Symbol.asyncDispose]()
  for (const site of sites) await site[Symbol.asyncDispose]()
  if (external === undefined) return
  // Roles are those of a server, and outlive its databases.
  const admin = postgres(external, { max: 1, onnotice() {} })
  for (const { database } of sites) await admin.unsafe(`drop role if exists "mod_notes.${database.sql.options.database}"`)
  await admin.end()
}, 120_000)

/** A module in the folder of both installations, which is not installed. */
const FOUND = module('found', '1.0.0', 'ctx.config.word', 'permissions: [log]\nconfig: { type: object, properties: { word: { type: string, default: unset } } }')

async function open(on?: string): Promise<{ site: Site; host: Host }> {
  const site = await openSite(on)
  sites.push(site)
  const home = join(site.folder, 'home')
  for (const [path, text] of Object.entries(FOUND)) {
    await mkdir(join(home, 'modules/found'), { recursive: true })
    await writeFile(join(home, 'modules/found', path), text)
  }
  const host = await site.start({}, home)
  hosts.push(host)
  return { site, host }
}

async function textOf(lines: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const line of lines) text += line
  return text
}

async function* chunksOf(text: string | Uint8Array, size = 64 * 1024) {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const restore = (host: Host, text: string | Uint8Array, dryRun = false): Promise<RestoreReport> =>
  host.runtime.backups.restore(chunksOf(text), { dryRun, report() {} })

/** What a backup is whose lines were changed, with the checksum that they have. */
function sealed(lines: string[]): string {
  const text = lines.map((line) => `${line}\n`).join('')
  return `${text}${JSON.stringify({ end: { lines: lines.length, sha256: createHash('sha256').update(text).digest('hex') } })}\n`
}
const linesIn = (text: string) => text.trimEnd().split('\n').slice(0, -1)

/** All that a restore may have touched. */
async function stateOf({ database: { sql } }: Site): Promise<unknown> {
  const [row] = await sql`
    select (select json_agg(nspname::text order by nspname) from pg_namespace where nspname like 'mod\\_%') as schemas,
      (select json_agg(rolname::text order by rolname) from pg_roles where rolname like ${external === undefined ? 'mod\\_%' : `mod\\_%.${sql.options.database}`}) as roles,
      (select json_agg(r order by r) from (select name || scopes::text as r from bulkhead.api_keys union all select name from bulkhead.roles union all select module from bulkhead.module_versions
        union all select module || revision from bulkhead.module_heads union all select module from bulkhead.mod_migrations union all select module from bulkhead.kv
        union all select module from bulkhead.module_configs union all select module || permission from bulkhead.module_grants) as all_rows) as rows`
  return row
}

let source: { site: Site; host: Host }
let backup: string
let appKey: string
let answered: unknown
beforeAll(async () => {
  source = await open()
  const { host, site } = source
  hosts.splice(0) // it stays up for all tests
  expect(await host.upload(NOTES)).toMatchObject({ status: 201 })
  expect(await host.upload(module('greeter', '1.0.0', '"one"'))).toMatchObject({ status: 201 })
  expect(await host.upload(module('greeter', '2.0.0', '"two"', '', `// ${'x'.repeat(5000)}`))).toMatchObject({ status: 201 })
  expect(await host.upload(module('off', '1.0.0', '"off"'))).toMatchObject({ status: 201 })
  expect(await host.send('POST', '/v1/modules/off/disable')).toMatchObject({ status: 200 })
  expect(await host.send('PUT', '/v1/modules/notes/config', { config: { prefix: '*' } })).toMatchObject({ status: 200 })
  expect(await host.send('PUT', '/v1/modules/found/config', { config: { word: 'configured' } })).toMatchObject({ status: 200 })
  await host.send('PUT', '/v1/auth/roles/asker', { description: 'asks', scopes: ['hooks:execute'] })
  const { body } = await host.send('POST', '/v1/auth/keys', { name: 'app', roles: ['asker'] })
  appKey = body.key
  await host.send('POST', '/v1/hooks/chat:before_ai', { message: { content: "it's a first note" } })
  await host.send('POST', '/v1/hooks/chat:before_ai', { message: { content: 'second\nüñ\u2028' } })
  answered = await host.ask('notes')
  expect(answered).toMatchObject({ prefix: '*', rows: [{ text: 'from the migration' }, { text: "it's a first note" }, { size: 10 }] })
  await host.runtime.records.flush()
  backup = await textOf(host.runtime.backups.take({ extractions: true, logs: true }))
  expect(site.errors).toEqual([])
}, 120_000)

/** What installed modules come up by takes a host up to a few seconds. */
const SOON = { timeout: 60_000, interval: 100 }

describe.each([['an empty data folder', undefined], ['an external database', external]] as const)('a backup restored into %s', (where, on) => {
  if (where === 'an external database' && on === undefined) return it.skip('no server answers')

  it('serves the same modules, data, configuration, keys and versions', async () => {
    const { host, site } = await open(on)
    const report = await restore(host, backup)
    expect(report).toMatchObject({ done: true, obstacles: [], counts: { roles: 1, api_keys: 1, module_versions: 5, migrations: 2, 'rows of modules': 5, 'keys of modules': 1, extractions: 2 } })
    await expect.poll(() => host.ask('notes'), SOON).toEqual(answered)
    await expect.poll(() => host.ask('greeter'), SOON).toBe('two')
    await expect.poll(() => host.ask('found'), SOON).toBe('configured')
    expect(await host.ask('off')).toBeUndefined()
    expect(host.runtime.module('off').status).toBe('disabled')
    expect(await host.send('GET', '/v1/modules', undefined, appKey)).toMatchObject({ status: 403 })
    expect(await host.send('POST', '/v1/hooks/chat:before_ai', { message: { content: 'hi' } }, appKey)).toMatchObject({ status: 200 })
    expect((await host.send('GET', '/v1/extractions?module=notes')).body.items).toHaveLength(2)

    // and goes on from there
    await host.send('POST', '/v1/hooks/chat:before_ai', { message: { content: 'third' } })
    expect(await host.ask('notes')).toMatchObject({ rows: [{ id: '1' }, { id: '2' }, { id: '3' }, { id: '4', text: 'third' }], last: 'third' })
    expect(await host.send('POST', '/v1/modules/greeter/rollback', {})).toMatchObject({ status: 200 })
    expect(await host.ask('greeter')).toBe('one')
    expect(await host.send('POST', '/v1/database/rollback?confirm=true', { module: 'notes' })).toMatchObject({ status: 200, body: { migrations: ['0002_tags.sql'] } })
    expect(await host.runtime.data.validate()).toEqual([])
    expect(site.errors).toEqual([])
  }, 120_000)

  it('is the same when it is backed up again', async () => {
    const { host } = await open(on)
    await restore(host, backup)
    await expect.poll(() => host.ask('notes'), SOON).toEqual(answered)
    const again = await textOf(host.runtime.backups.take({ extractions: true, logs: true }))
    // What a start has to say of itself is of the moment.
    const ofTheMoment = /^\{"(platform":"(module_heads|key_usage|logs)"|format":"bulkhead-(backup|module)"|sequence)/
    const compared = (text: string) => linesIn(text).filter((line) => !ofTheMoment.test(line)).map((line) => line.replace(/"(last_used_at|accepted_at)":("[^"]*"|null)/g, '"$1"'))
    expect(compared(again)).toEqual(compared(backup))
  }, 120_000)

  it('leaves nothing where it cannot be put in whole', async () => {
    const { host, site } = await open(on)
    const before = await stateOf(site)
    const lines = linesIn(backup)
    const last = lines.findLastIndex((line) => line.startsWith('{"extraction"'))
    const broken = lines.with(last, lines[last]!.replace(/"created_at":\s*"[^"]*"/, '"created_at": "never"'))
    expect(broken).not.toEqual(lines)
    await expect(restore(host, sealed(broken))).rejects.toMatchObject({ code: 'INVALID', message: expect.stringContaining('never') })
    expect(await stateOf(site)).toEqual(before)
    const forged = lines.map((line) => line.replace('create table tags', 'create role tags'))
    await expect(restore(host, sealed(forged))).rejects.toMatchObject({ code: 'INVALID', message: expect.stringMatching(/0002_tags\.sql of notes/) })
    expect(await stateOf(site)).toEqual(before)
    // As a host leaves it that dies between the tables and the rest.
    await site.database.sql.unsafe(`create schema "mod_notes"; comment on schema "mod_notes" is 'bulkhead: being restored'; create table "mod_notes".half (id int)`)
    await site.database.sql`insert into bulkhead.mod_migrations (module, number, name, checksum, duration_ms) values ('notes', 1, '0001_half.sql', 'x', 1)`
    expect(await restore(host, backup)).toMatchObject({ done: true })
    expect((await site.database.sql`select obj_description('"mod_notes"'::regnamespace, 'pg_namespace') as comment`)[0]).toEqual({ comment: null })
  }, 120_000)
})

describe('a backup', () => {
  let target: { site: Site; host: Host }
  let before: unknown
  beforeAll(async () => {
    target = await open()
    hosts.splice(0)
    before = await stateOf(target.site)
  }, 120_000)
  afterAll(() => target?.host[Symbol.asyncDispose](), 60_000)
  const untouched = async () => expect(await stateOf(target.site)).toEqual(before)

  it('is looked into by a dry run, which changes nothing', async () => {
    expect(await restore(target.host, backup, true)).toMatchObject({ done: false, obstacles: [], counts: { module_heads: 4 }, takenAt: expect.any(Date) })
    await untouched()
  })

  it('can leave records out', async () => {
    const without = linesIn(await textOf(source.host.runtime.backups.take({ extractions: false, logs: false })))
    expect(without.filter((line) => /^\{"(extraction|platform":"logs)"/.test(line))).toEqual([])
    expect(without.some((line) => line.startsWith('{"kv"'))).toBe(true)
  })

  it('is refused where tables could not be made anew, until the module has been brought up again', async () => {
    const { host, site } = source
    await site.database.sql`update bulkhead.mod_migrations set text = null where number = 2`
    const take = () => textOf(host.runtime.backups.take({ extractions: false, logs: false }))
    await expect(take()).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('what its migration 0002_tags.sql says') })
    for (const action of ['disable', 'enable']) expect(await host.send('POST', `/v1/modules/notes/${action}`)).toMatchObject({ status: 200 })
    expect(await take()).toContain('create table tags')
  }, 120_000)

  it('has no secret of the environment and no key that could be used', () => {
    expect(backup).not.toContain(appKey)
    expect(backup).not.toContain(appKey.split('_')[2])
    expect(backup).not.toContain('00000000-0000-7000-8000-000000000001')
  })

  it.each([
    ['nothing', () => '', 'line 1: it is empty'],
    ['no JSON', () => 'PGDMP\n', 'line 1: it is no JSON object'],
    ['another format', () => '{"format":"tar"}\n', 'line 1: this is no backup'],
    ['an export of a module', () => '{"format":"bulkhead-module","version":1}\n', 'which data:import takes'],
    ['a later format', (text: string) => text.replace('"version":1', '"version":2'), 'line 1: this is a backup of the format 2, and 1 is the one that is known here'],
    ['another schema', (text: string) => text.replace(/"schema":"\d+/, '"schema":"0099'), /line 1: this is a backup of a database after the migration "0099_\w+.sql", and this one is after/],
    ['no end', (text: string) => text.slice(0, text.lastIndexOf('{"end"')), 'the end is missing, so that some may be lost'],
    ['half of it', (text: string) => text.slice(0, text.length / 2), /the end is missing|it is no JSON object/],
    ['a line less', (text: string) => text.replace(/^\{"kv".*\n/m, ''), 'the checksum is not that of the lines before it'],
    ['another letter', (text: string) => text.replace('first note', 'First note'), 'the checksum is not that of the lines before it'],
    ['more after the end', (text: string) => `${text}{}\n`, 'there is more after the end'],
    ['a table that is none of ours', (text: string) => sealed(linesIn(text).toSpliced(1, 0, '{"platform":"audit","row":{}}')), 'line 2: this is nothing that a backup has'],
    ['a file that would lie elsewhere', (text: string) => sealed(linesIn(text).map((line) => line.replace('"0001_notes.sql"', '"../../0001_notes.sql"'))), 'this is nothing that a backup has'],
    ['a line without end', () => 'x'.repeat(17 * 1024 * 1024), 'it is longer than'],
    ['bytes that are no text', () => '\0', 'it is no JSON object'],
  ])('with %s is refused before anything is changed', async (_what, spoil, why) => {
    const refused = { code: 'INVALID', message: typeof why === 'string' ? expect.stringContaining(why) : expect.stringMatching(why) }
    for (const dryRun of [true, false]) await expect(restore(target.host, spoil(backup), dryRun)).rejects.toMatchObject(refused)
    await untouched()
  })

  it('is refused with any byte changed, left out or put in', async () => {
    const bytes = Buffer.from(backup)
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(3), fc.uint8Array({ maxLength: 3 }), async (at, removed, added) => {
        const damaged = Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)])
        fc.pre(!damaged.equals(bytes))
        // White space in the last line says the same.
        const last = damaged.lastIndexOf('{"end"')
        fc.pre(!damaged.subarray(0, last).equals(bytes.subarray(0, last)) || damaged.subarray(last).toString().trim() !== bytes.subarray(last).toString().trim())
        await expect(restore(target.host, damaged)).rejects.toMatchObject({ code: 'INVALID' })
      }),
      { numRuns: 100 },
    )
    await untouched()
  }, 120_000)

  it('that says something else than it should, and has the checksum of that, is refused whole or restored whole', async () => {
    const lines = linesIn(backup)
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(null, '__proto__', '\0', "'; drop schema bulkhead", 1e308, '../..'))
    const change = fc.record({ at: fc.nat(lines.length - 1), what: fc.constantFrom('drop', 'twice', 'swap', 'field'), other: fc.nat(lines.length - 1), field: fc.nat(30), value })
    let other = await open()
    hosts.splice(0)
    let empty = await stateOf(other.site)
    await fc.assert(
      fc.asyncProperty(change, async (one) => {
        const report = await restore(other.host, sealed(changed(lines, one))).catch((thrown: { code: string }) => thrown.code)
        if (typeof report === 'string') {
          expect(['INVALID', 'CONFLICT', 'QUOTA']).toContain(report)
          expect(await stateOf(other.site)).toEqual(empty)
        } else {
          await other.host[Symbol.asyncDispose]()
          await sites.splice(sites.indexOf(other.site), 1)[0]?.[Symbol.asyncDispose]()
          other = await open()
          hosts.splice(0)
          empty = await stateOf(other.site)
        }
      }),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 3), endOnFailure: true },
    )
    await other.host[Symbol.asyncDispose]()
  }, 300_000)

  it('is restored into an empty installation only', async () => {
    const { host, site } = target
    const refused = async (what: string) => {
      expect((await restore(host, backup, true)).obstacles).toEqual([what])
      await expect(restore(host, backup)).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining(`is not empty (${what})`) })
    }
    await host.send('PUT', '/v1/auth/roles/mine', { description: 'mine', scopes: ['hooks:read'] })
    await refused('1 roles')
    expect(await host.send('DELETE', '/v1/auth/roles/mine')).toMatchObject({ status: 200 })
    await site.database.sql`insert into bulkhead.hosts (id, seen_at) values (gen_random_uuid(), now() + interval '1 minute')`
    await refused('1 other hosts that run')
    await site.database.sql`delete from bulkhead.hosts where seen_at > now()`
    expect(await host.upload(module('another', '1.0.0', '1'))).toMatchObject({ status: 201 })
    await refused('1 installed modules')
  }, 120_000)
})

/** One line left out, twice there, in another's place, or with another value in it. */
function changed(lines: string[], { at, what, other, field, value }: { at: number; what: string; other: number; field: number; value: unknown }): string[] {
  if (what === 'drop') return lines.toSpliced(at, 1)
  if (what === 'twice') return lines.toSpliced(other, 0, lines[at]!)
  if (what === 'swap') return lines.with(at, lines[other]!).with(other, lines[at]!)
  const line = JSON.parse(lines[at]!) as Record<string, unknown>
  const holder = ((line['row'] ?? line['piece'] ?? line['migration'] ?? line) as Record<string, unknown>) ?? line
  const names = Object.keys(holder)
  holder[names[field % names.length]!] = value
  return lines.with(at, JSON.stringify(line))
}
