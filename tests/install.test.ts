import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRegistry, type TestRegistry } from '../runtime/registry.setup.ts'
import { type Files, type Host, module, openSite, type Site } from './versions.setup.ts'

let site: Site
let host: Host
let registry: TestRegistry
const send: Host['send'] = (...sent) => host.send(...sent)
const status = async (name: string) => (await send('GET', `/v1/modules/${name}`)).body
const versions = async (name: string) => (await send('GET', `/v1/modules/${name}/versions`)).body.items
const install = (files: Files, query?: string) => host.upload(files, query)
/** Everything that installing could leave behind. */
const left = async () => ({
  names: host.runtime.modules().map(({ name }) => name),
  rows: await site.database.sql`select module, number, hash from bulkhead.module_versions order by 1, 2`,
  heads: await site.database.sql`select module, current, waiting, pinned from bulkhead.module_heads order by 1`,
  grants: await site.database.sql`select module, permission, granted from bulkhead.module_grants order by 1, 2`,
  asks: await site.database.sql`select module, version, permissions from bulkhead.module_asks order by 1`,
  migrations: await site.database.sql`select module, name from bulkhead.mod_migrations order by 1, 2`,
  laidOut: (await readdir(join(host.modules, '../data/cache/versions'), { recursive: true }).catch(() => [])).filter((path) => path.split('/').length === 2).toSorted(),
  temporary: (await readdir(tmpdir())).filter((name) => name.startsWith('bulkhead-install-')),
})

beforeAll(async () => {
  site = await openSite()
  registry = await startRegistry()
  host = await site.start({ npmRegistry: registry.url })
})
afterAll(async () => {
  await host?.[Symbol.asyncDispose]()
  await registry?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})

describe('a module is installed', () => {
  test('from a tar.gz, and answers', async () => {
    const { status: code, body } = await install(module('uploaded', '1.0.0', '1', 'permissions: [emit]'))
    expect({ code, body }).toMatchObject({
      code: 201,
      body: { module: 'uploaded', version: '1.0.0', number: 1, outcome: 'running', origin: { kind: 'upload' }, replaces: null, permissions: { asked: ['emit'], undecided: [] }, conflicts: [], faults: [] },
    })
    expect(await host.ask('uploaded')).toBe(1)
    expect(await status('uploaded')).toMatchObject({ status: 'ready', installed: true, number: 1, pinned: false, version: '1.0.0' })
  })

  test('from a folder of the host, inside of one folder of an archive, from npm and from a folder again', async () => {
    const folder = await host.write('.incoming/foldered', module('foldered', '1.0.0', '"from a folder"'))
    expect(await send('POST', '/v1/modules', { source: { folder } })).toMatchObject({ status: 201, body: { origin: { kind: 'folder' } } })
    expect(await host.ask('foldered')).toBe('from a folder')

    const wrapped = Object.fromEntries(Object.entries(module('wrapped', '1.0.0', '2')).map(([path, text]) => [`wrapped-1.0.0/${path}`, text]))
    expect(await install(wrapped)).toMatchObject({ status: 201 })

    registry.publish({ name: 'bulkhead-packed', version: '1.0.0', files: module('packed', '1.0.0', '"from npm"') })
    expect(await send('POST', '/v1/modules', { source: { npm: 'bulkhead-packed' } })).toMatchObject({
      status: 201,
      body: { module: 'packed', origin: { kind: 'npm', package: 'bulkhead-packed', name: 'bulkhead-packed', version: '1.0.0' } },
    })
    expect(await host.ask('packed')).toBe('from npm')
    registry.publish({ name: 'bulkhead-packed', version: '1.1.0', files: module('packed', '1.1.0', '"newer"') })
    expect(await send('POST', '/v1/modules/packed/upgrade')).toMatchObject({ status: 201, body: { version: '1.1.0', number: 2, replaces: { number: 1, version: '1.0.0' } } })
    expect(await host.ask('packed')).toBe('newer')
  })

  test('with what it imports from elsewhere in its bundle, and needs no registry from then on', async () => {
    registry.publish({ name: 'bulkhead-part', version: '1.2.3', files: { 'index.js': 'export const part = () => "a part"' }, manifest: { type: 'module', main: 'index.js', scripts: { install: 'touch /tmp/bulkhead-script-ran' } } })
    const files = module('joined', '1.0.0', 'part()', '', 'import { part } from "bulkhead-part"')
    registry.publish({ name: 'bulkhead-joined', version: '1.0.0', files, manifest: { dependencies: { 'bulkhead-part': '^1.0.0' } } })
    expect(await send('POST', '/v1/modules', { source: { npm: 'bulkhead-joined@1' } })).toMatchObject({ status: 201 })
    expect(await host.ask('joined')).toBe('a part')
    expect(existsSync('/tmp/bulkhead-script-ran')).toBe(false)
    await using other = await site.start({ npmRegistry: 'http://127.0.0.1:1/' })
    expect(await other.ask('joined')).toBe('a part')
  })

  test('step by step, each told once it is done', async () => {
    const steps: string[] = []
    const folder = await host.write('.incoming/stepped', module('stepped', '1.0.0', '1'))
    const install = (dryRun: boolean) =>
      host.runtime.versions.install({ folder }, { by: 'test', dryRun, report: ({ step, done, of }) => void steps.push(`${step} ${done}/${of}`) })
    await install(true)
    expect(steps.splice(0)).toEqual(['fetched 1/3', 'validated 2/3', 'bundled 3/3'])
    await install(false)
    expect(steps.splice(0)).toEqual(['fetched 1/7', 'validated 2/7', 'bundled 3/7', 'migrated 4/7', 'loaded 5/7', 'healthy 6/7', 'switched 7/7'])
    await host.write('.incoming/stepped', module('stepped', '1.1.0', '1', '', 'throw new Error("no")'))
    await expect(install(false)).rejects.toThrow('no')
    expect(steps.at(-1)).toBe('migrated 4/7')
  })

  test('while its progress tells how far it is, and its removal as well', async () => {
    const folder = await host.write('.incoming/followed', module('followed', '1.0.0', '1'))
    const { body: installed } = await host.follow('POST', '/v1/modules', { source: { folder } })
    expect(installed).toMatchObject({ state: 'done', step: 'switched (7 of 7)', percent: 100, result: { outcome: 'running' } })
    const { body: removed } = await host.follow('DELETE', '/v1/modules/followed?confirm=true&purge=keys')
    expect(removed).toMatchObject({ operation: 'modules:remove', step: 'purged followed (2 of 2)', percent: 100, result: { removed: ['followed'] } })
  })

  test('once: the same content is the same version', async () => {
    const files = module('same', '1.0.0', '1')
    const first = await install(files)
    expect(await install(files)).toMatchObject({ status: 200, body: { outcome: 'unchanged', number: 1, hash: first.body.hash } })
    await install(module('same', '1.1.0', '2'))
    expect(await install(files)).toMatchObject({ status: 201, body: { outcome: 'running', number: 1, replaces: { number: 2 } } })
    expect(await host.ask('same')).toBe(1)
    expect((await versions('same')).map(({ number, state }: { number: number; state: string }) => [number, state])).toEqual([[2, 'kept'], [1, 'current']])
  })

  test('with everything that is wrong with it told at once, and nothing left of it', async () => {
    const before = await left()
    const files = module('faulty', '1.0.0', '1', 'priorities: { chat:before_ai: 900 }\npermissions: [emitt]')
    expect(await install(files)).toMatchObject({ status: 422, body: { error: { code: 'MANIFEST_INVALID', message: expect.stringContaining('did you mean "emit"') } } })
    expect(await install({ ...module('faulty', '1.0.0', '1'), 'index.ts': 'export default {' })).toMatchObject({
      status: 422, body: { error: { code: 'INVALID', details: { faults: [{ file: 'index.ts', line: 1 }] } } },
    })
    expect(await install({ 'index.ts': '' })).toMatchObject({ status: 422, body: { error: { message: 'cannot install it, there is no module.yaml' } } })
    expect(await install(module('faulty', '1.0.0', '1', '', 'if (1) throw new Error("on its top level")'))).toMatchObject({ status: 422, body: { error: { code: 'LOAD_FAILED', message: expect.stringContaining('on its top level') } } })
    expect(await left()).toEqual(before)
  })

  test('by two at the same time, one after the other', async () => {
    const both = await Promise.all([install(module('twice', '1.0.0', '1')), install(module('twice', '1.0.1', '2'))])
    expect(both.map(({ status: code }) => code)).toEqual([201, 201])
    const head = (await status('twice')).number
    expect(await host.ask('twice')).toBe((await versions('twice')).find(({ number }: { number: number }) => number === head).version === '1.0.0' ? 1 : 2)
  })
})

describe('a new version', () => {
  test('that does not load, or is not well, leaves the old one serving', async () => {
    await install(module('steady', '1.0.0', '"old"'))
    const before = await left()
    const { body } = await install(module('steady', '2.0.0', '"new"', '', 'throw new Error("no")'))
    expect(body.error.code).toBe('LOAD_FAILED')
    const unwell = module('steady', '2.0.0', '"new"')
    unwell['index.ts'] = unwell['index.ts']!.replace('async handle', 'healthCheck() { return { healthy: false, message: "not today" } },\n  async handle')
    expect(await install(unwell)).toMatchObject({ status: 503, body: { error: { code: 'UNHEALTHY', message: 'steady is not healthy, it says: not today' } } })
    expect(await host.ask('steady')).toBe('old')
    expect(await left()).toEqual(before)
    expect(await status('steady')).toMatchObject({ version: '1.0.0', number: 1, status: 'ready' })
  })

  test('takes over without a call lost', async () => {
    await install(module('busy', '1.0.0', 'await new Promise((done) => setTimeout(() => done(1), 50))'))
    let isOver = false
    const seen = new Set<unknown>()
    const calls = (async () => { while (!isOver) for (const said of await Promise.all([1, 2, 3].map(() => host.ask('busy')))) seen.add(said) })()
    await install(module('busy', '1.1.0', '2'))
    isOver = true
    await calls
    expect([...seen, await host.ask('busy')]).toContain(2)
    expect([...seen].every((said) => said === 1 || said === 2)).toBe(true)
  })

  test('of a dry run is examined, and nothing is changed', async () => {
    await install(module('dry', '1.0.0', '1'))
    const before = await left()
    const newer = { ...module('dry', '2.0.0', '2', 'permissions: [db, kv]'), 'database/migrations/0001_a.sql': 'create table a (id int primary key)' }
    expect(await install(newer, '?dryRun=true')).toMatchObject({
      status: 200,
      body: {
        outcome: 'checked', number: null, replaces: { number: 1, version: '1.0.0' }, permissions: { added: ['db', 'kv'], undecided: ['db', 'kv'] },
        migrations: ['0001_a.sql'], bytes: { code: expect.any(Number), files: expect.any(Number) }, conflicts: [], faults: [],
      },
    })
    expect(await install({ ...newer, 'index.ts': 'export default { hooks: { "chat:after_ai"() {} } }' }, '?dryRun=true')).toMatchObject({ status: 200, body: { outcome: 'checked', faults: expect.arrayContaining([expect.objectContaining({ file: 'module.yaml' })]) } })
    expect(await install(module('dry', '2.0.0', '2', 'dependencies: { nobody: ^1.0.0 }'), '?dryRun=true')).toMatchObject({ status: 200, body: { conflicts: [{ code: 'DEPENDENCY', message: expect.stringContaining('nobody') }] } })
    expect(await left()).toEqual(before)
    expect(await host.ask('dry')).toBe(1)
  })

  test('that asks for more waits, also over a restart, and comes up once somebody has decided', async () => {
    await install(module('greedy', '1.0.0', '"modest"', 'permissions: [emit]'))
    expect(await install(module('greedy', '2.0.0', '"greedy"', 'permissions: [emit, kv]'))).toMatchObject({ status: 202, body: { outcome: 'waiting', number: 2, permissions: { undecided: ['kv'] } } })
    expect(await status('greedy')).toMatchObject({ status: 'upgrade_pending', version: '1.0.0', number: 1, upgrade: { version: '2.0.0', permissions: ['kv'] } })
    const home = join(host.modules, '..')
    await host[Symbol.asyncDispose]()
    host = await site.start({ npmRegistry: registry.url }, home)
    expect(await host.ask('greedy')).toBe('modest')
    expect(await status('greedy')).toMatchObject({ status: 'upgrade_pending', version: '1.0.0', upgrade: { version: '2.0.0', permissions: ['kv'] } })
    expect((await send('GET', '/v1/modules/greedy/diff')).body).toMatchObject({ from: 1, to: 2, permissions: { added: ['kv'], removed: [] }, files: { changed: [{ path: 'index.ts' }, { path: 'module.yaml' }], added: [] } })
    await send('POST', '/v1/modules/greedy/permissions/grant', { permissions: ['kv'] })
    expect(await host.ask('greedy')).toBe('greedy')
    expect(await status('greedy')).toMatchObject({ status: 'ready', version: '2.0.0', number: 2, upgrade: null })
  })

  test('whose configuration is missing waits for it', async () => {
    const needs = 'config: { type: object, required: [key], properties: { key: { type: string } } }'
    expect(await install(module('unset', '1.0.0', 'ctx.config.key', needs))).toMatchObject({ status: 202, body: { outcome: 'waiting' } })
    expect(await status('unset')).toMatchObject({ error: { message: expect.stringContaining('key') } })
    expect(await send('PUT', '/v1/modules/unset/config', { config: { key: 'set' } })).toMatchObject({ status: 200 })
    await expect.poll(() => host.ask('unset')).toBe('set')
    expect(await status('unset')).toMatchObject({ status: 'ready', number: 1 })
  })

  test('of one that is switched off comes up once it is enabled', async () => {
    await install(module('resting', '1.0.0', '1'))
    await send('POST', '/v1/modules/resting/disable')
    expect(await install(module('resting', '2.0.0', '2'))).toMatchObject({ status: 200, body: { outcome: 'off', number: 2 } })
    expect(await status('resting')).toMatchObject({ status: 'disabled', number: 2 })
    await send('POST', '/v1/modules/resting/enable')
    expect(await host.ask('resting')).toBe(2)
  })

  test('that others cannot go on with is refused', async () => {
    await install(module('base', '1.0.0', '1'))
    await install(module('upper', '1.0.0', '1', 'dependencies: { base: ^1.0.0 }'))
    expect(await install(module('base', '2.0.0', '2'))).toMatchObject({ status: 409, body: { error: { code: 'DEPENDENCY', message: expect.stringContaining('upper could not go on') } } })
    expect(await host.ask('base')).toBe(1)
  })
})

describe('tables', () => {
  const withTable = (version: string, yaml = '', more: Files = {}, code = '') => ({
    ...module('tabled', version, '(await ctx.db.sql`select count(*)::int as n from a`)[0].n', `permissions: [db]\n${yaml}`, code),
    'database/migrations/0001_a.sql': 'create table a (id int primary key); insert into a values (1)',
    'database/migrations/0001_a.down.sql': 'drop table a',
    ...more,
  })

  test('are made before a version comes up, and what a version made that does not is taken back', async () => {
    const broken = withTable('1.0.0', '', {}, 'throw new Error("no")')
    expect(await install(broken)).toMatchObject({ status: 422, body: { error: { code: 'LOAD_FAILED', details: { migrations: { takenBack: ['0001_a.sql'], left: [] } } } } })
    expect(await site.database.sql`select from bulkhead.mod_migrations where module = 'tabled'`).toHaveLength(0)
    expect(await install(withTable('1.0.0'))).toMatchObject({ status: 201, body: { migrations: ['0001_a.sql'] } })
    expect(await host.ask('tabled')).toBe(1)
  })

  test('that cannot be taken back are told, and the old version goes on with them', async () => {
    const second = { 'database/migrations/0002_b.sql': 'create table b (id int primary key)' }
    expect(await install(withTable('1.1.0', '', second, 'throw new Error("no")'))).toMatchObject({ body: { error: { details: { migrations: { takenBack: [], left: ['0002_b.sql'], why: expect.stringContaining('0002_b.down.sql') } } } } })
    expect(await host.ask('tabled')).toBe(1)
    const home = join(host.modules, '..')
    await host[Symbol.asyncDispose]()
    host = await site.start({ npmRegistry: registry.url }, home)
    expect(await host.ask('tabled')).toBe(1)
  })

  test('stay as they are when a module is rolled back', async () => {
    const second = { 'database/migrations/0002_b.sql': 'create table b (id int primary key)' }
    expect(await install(withTable('1.2.0', '', second))).toMatchObject({ status: 201 })
    expect(await send('POST', '/v1/modules/tabled/rollback')).toMatchObject({ status: 200, body: { version: '1.0.0' } })
    expect(await host.ask('tabled')).toBe(1)
  })
})

describe('rolling back', () => {
  test('goes to the version before, or to any that is kept', async () => {
    for (const n of [1, 2, 3]) await install(module('rolled', `1.0.${n}`, String(n)))
    expect(await send('POST', '/v1/modules/rolled/rollback')).toMatchObject({ status: 200, body: { number: 2, version: '1.0.2' } })
    expect(await host.ask('rolled')).toBe(2)
    expect(await send('POST', '/v1/modules/rolled/rollback', { number: 3 })).toMatchObject({ body: { number: 3 } })
    expect(await send('POST', '/v1/modules/rolled/rollback', { number: 1 })).toMatchObject({ body: { number: 1 } })
    expect(await send('POST', '/v1/modules/rolled/rollback')).toMatchObject({ status: 409, body: { error: { message: 'cannot roll back rolled, no version before 1 is kept' } } })
    expect(await send('POST', '/v1/modules/rolled/rollback', { number: 9 })).toMatchObject({ status: 404 })
    expect(await host.ask('rolled')).toBe(1)
  })

  test('is told of by the list, one version and the difference', async () => {
    const page = (await send('GET', '/v1/modules/rolled/versions?limit=2')).body
    expect(page).toMatchObject({ items: [{ number: 3, state: 'kept', createdBy: 'admin' }, { number: 2 }], nextCursor: expect.any(String) })
    expect((await send('GET', `/v1/modules/rolled/versions?cursor=${page.nextCursor}`)).body).toMatchObject({ items: [{ number: 1, state: 'current' }], nextCursor: null })
    expect((await send('GET', '/v1/modules/rolled/versions/3')).body).toMatchObject({ number: 3, manifest: { name: 'rolled' }, files: [{ path: 'index.ts' }, { path: 'module.yaml' }] })
    expect((await send('GET', '/v1/modules/rolled/diff?from=1&to=3')).body).toMatchObject({ from: 1, to: 3, manifest: [{ path: 'version', before: '1.0.1', after: '1.0.3' }] })
    expect(await send('GET', '/v1/modules/rolled/versions/99')).toMatchObject({ status: 404 })
    expect(await send('GET', '/v1/modules/nobody/versions')).toMatchObject({ status: 404 })
  })

  test('twenty versions are kept, and the one that runs', async () => {
    await install(module('often', '1.0.0', '0'))
    await send('POST', '/v1/modules/often/pin')
    const [row] = await site.database.sql`select * from bulkhead.module_versions where module = 'often'`
    for (let n = 2; n <= 30; n++) await site.database.sql`insert into bulkhead.module_versions ${site.database.sql({ ...row, number: n, hash: `hash ${n}` } as never)}`
    await send('POST', '/v1/modules/often/unpin')
    expect((await versions('often')).map(({ number }: { number: number }) => number)).toEqual([...Array(20).keys()].map((n) => 30 - n).concat(1))
  })
})

describe('a pinned module', () => {
  test('stays at its version until it is unpinned', async () => {
    await install(module('pinned', '1.0.0', '1'))
    await install(module('pinned', '1.1.0', '2'))
    expect(await send('POST', '/v1/modules/pinned/pin')).toMatchObject({ body: { pinned: true } })
    for (const refused of [install(module('pinned', '2.0.0', '3')), send('POST', '/v1/modules/pinned/rollback'), send('POST', '/v1/modules/pinned/reload')]) {
      expect(await refused).toMatchObject({ status: 409, body: { error: { message: expect.stringContaining('it is pinned to version 2; unpin it first') } } })
    }
    await send('POST', '/v1/modules/pinned/unpin')
    expect(await install(module('pinned', '2.0.0', '3'))).toMatchObject({ status: 201 })
  })
})

describe('removing', () => {
  test('is refused while others depend on it, and takes them along where that is said', async () => {
    await install(module('ground', '1.0.0', '1'))
    await install(module('house', '1.0.0', '1', 'dependencies: [ground]'))
    await install(module('roof', '1.0.0', '1', 'dependencies: [house]'))
    expect(await send('DELETE', '/v1/modules/ground')).toMatchObject({ status: 428 })
    expect(await send('DELETE', '/v1/modules/ground?confirm=true')).toMatchObject({ status: 409, body: { error: { message: 'cannot remove ground, roof, house would be left without it; remove them first, or say cascade' } } })
    expect(await send('DELETE', '/v1/modules/ground?cascade=true&dryRun=true')).toMatchObject({ status: 200, body: { removed: ['roof', 'house', 'ground'] } })
    expect(await host.ask('roof')).toBe(1)
    expect(await send('DELETE', '/v1/modules/ground?cascade=true&confirm=true')).toMatchObject({ status: 200, body: { removed: ['roof', 'house', 'ground'], purged: [] } })
    for (const name of ['ground', 'house', 'roof']) expect(await send('GET', `/v1/modules/${name}`)).toMatchObject({ status: 404 })
    expect(await host.ask('roof')).toBeUndefined()
    expect(existsSync(join(host.modules, '../data/cache/versions/ground'))).toBe(false)
  })

  const keeper = (version: string) => ({
    ...module('keeper', version, '1', 'permissions: [db, kv, emit]\nconfig: { type: object, properties: { a: { type: integer } } }'),
    'index.ts': `export default { async handle(hook: string, ctx: any) {
      await ctx.kv.set(['n'], ((await ctx.kv.get(['n'])).value ?? 0) + 1)
      await ctx.db.sql\`insert into a (id) select coalesce(max(id), 0) + 1 from a\`
      await ctx.emit('kept', { a: 1 })
      return { action: 'continue', modifications: { output: { keeper: [(await ctx.kv.get(['n'])).value, (await ctx.db.sql\`select count(*)::int as n from a\`)[0].n, ctx.config.a ?? null] } } }
    } }`,
    'database/migrations/0001_a.sql': 'create table a (id int primary key)',
  })

  test('keeps what the module kept, for the day it is installed again', async () => {
    await install(keeper('1.0.0'))
    await send('PUT', '/v1/modules/keeper/config', { config: { a: 7 } })
    expect(await host.ask('keeper')).toEqual([1, 1, 7])
    expect(await send('DELETE', '/v1/modules/keeper?confirm=true')).toMatchObject({ status: 200 })
    await install(keeper('1.0.1'))
    expect(await host.ask('keeper')).toEqual([2, 2, 7])
  })

  test('deletes what was kept where that is said, so that nothing is left', async () => {
    expect(await send('DELETE', '/v1/modules/keeper?confirm=true&purge=keys')).toMatchObject({ status: 200, body: { purged: [{ module: 'keeper', deleted: { keys: 1 } }] } })
    await install(keeper('1.0.2'))
    expect(await host.ask('keeper')).toEqual([1, 3, 7])
    expect(await send('POST', '/v1/modules/keeper/purge?confirm=true', { kinds: ['tables'] })).toMatchObject({ status: 409 })
    await send('DELETE', '/v1/modules/keeper?confirm=true')
    const { body } = await send('POST', '/v1/modules/keeper/purge?confirm=true', { kinds: ['tables', 'keys', 'records', 'logs', 'config', 'events'] })
    expect(body.deleted).toMatchObject({ tables: 1, keys: 1, config: 1, records: expect.any(Number) })
    const { sql } = site.database
    for (const table of ['kv', 'kv_usage', 'extractions', 'logs', 'module_configs', 'module_grants', 'module_asks', 'mod_migrations', 'module_versions', 'module_heads', 'deliveries', 'job_runs']) {
      expect([table, (await sql`select from ${sql(`bulkhead.${table}`)} where module = 'keeper'`).length]).toEqual([table, 0])
    }
    expect(await sql`select from pg_roles where rolname like 'mod_keeper%'`).toHaveLength(0)
    expect(await sql`select from pg_namespace where nspname = 'mod_keeper'`).toHaveLength(0)
    await install(keeper('1.0.3'))
    expect((await status('keeper')).number).toBe(1)
    expect(await host.ask('keeper')).toEqual([1, 1, null])
  })

  test('waits for the calls that the module has', async () => {
    await install(module('leaver', '1.0.0', 'await new Promise((done) => setTimeout(() => done("finished"), 1500))', '', ''))
    const calling = host.ask('leaver')
    await expect.poll(async () => (await status('leaver')).capabilities !== null).toBe(true)
    await new Promise((done) => setTimeout(done, 300))
    expect(await send('DELETE', '/v1/modules/leaver?confirm=true')).toMatchObject({ status: 200 })
    expect(await calling).toBe('finished')
  })

  test('deletes nothing for a name that no module can have', async () => {
    for (const name of ['a_b', 'UPPER', '%22', 'x'.repeat(70)]) {
      expect(await send('POST', `/v1/modules/${name}/purge?confirm=true`, { kinds: ['tables'] })).toMatchObject({ status: 404 })
    }
  })

  test('of what lies in a folder is refused', async () => {
    await host.write('lying', module('lying', '1.0.0', '1'))
    const home = join(host.modules, '..')
    await host[Symbol.asyncDispose]()
    host = await site.start({ npmRegistry: registry.url }, home)
    // A machine that is busy otherwise may have kept it from coming up in time.
    await send('POST', '/v1/modules/lying/reload')
    expect(await status('lying')).toMatchObject({ error: null, installed: false, number: 1, status: 'ready' })
    expect(await send('DELETE', '/v1/modules/lying?confirm=true')).toMatchObject({ status: 409, body: { error: { message: expect.stringContaining('it lies in a folder') } } })
    expect(await install(module('lying', '2.0.0', '2'))).toMatchObject({ status: 409, body: { error: { message: expect.stringContaining('a module in the folder of modules') } } })
    expect(await send('POST', '/v1/modules/lying/upgrade')).toMatchObject({ status: 409 })
    expect(await host.ask('lying')).toBe(1)
  })
})

describe('those who want to do harm', () => {
  test('read no folder of the host with a key that may only change modules', async () => {
    const key = await site.key(['modules:write', 'modules:read'])
    const outside = join(site.folder, 'outside')
    await mkdir(outside, { recursive: true })
    for (const [path, text] of Object.entries(module('outsider', '1.0.0', '1'))) await writeFile(join(outside, path), text)
    await symlink(outside, join(host.modules, '.link')).catch(() => {})
    for (const folder of [outside, '/etc', '/no/such/folder', `${host.modules}/../../outside`, join(host.modules, '.link'), host.modules, '.']) {
      expect([folder, (await send('POST', '/v1/modules', { source: { folder } }, key)).body.error.code]).toEqual([folder, 'FORBIDDEN'])
    }
    const inside = await host.write('.incoming/insider', module('insider', '1.0.0', '1'))
    await symlink('/etc/hostname', join(inside, 'hostname.txt'))
    expect(await send('POST', '/v1/modules', { source: { folder: inside } }, key)).toMatchObject({ status: 422, body: { error: { message: expect.stringContaining('"hostname.txt" is a link that leads out') } } })
    await rm(join(inside, 'hostname.txt'))
    expect(await send('POST', '/v1/modules', { source: { folder: inside } }, key)).toMatchObject({ status: 201 })
    expect(await send('POST', '/v1/modules', { source: { folder: outside } })).toMatchObject({ status: 201, body: { module: 'outsider' } })
    // Nor by what somebody else installed from there.
    expect(await send('POST', '/v1/modules/outsider/upgrade', undefined, key)).toMatchObject({ status: 403 })
  })

  test('install nothing with a key for one module, or one that may only read', async () => {
    const reader = await site.key(['modules:read'])
    const bound = await site.key(['modules:write', 'modules:read'], ['steady'])
    const source = { folder: join(host.modules, '.incoming/insider') }
    for (const key of [reader, bound]) expect(await send('POST', '/v1/modules', { source }, key)).toMatchObject({ status: 403 })
    expect(await send('DELETE', '/v1/modules/uploaded?confirm=true', undefined, bound)).toMatchObject({ status: 403 })
    expect(await send('DELETE', '/v1/modules/steady?confirm=true&cascade=true', undefined, bound)).toMatchObject({ status: 403 })
  })

  test('send no archive that leads out, links, or explodes, and none that is no archive', async () => {
    const before = await left()
    const files = Object.entries(module('evil', '1.0.0', '1')).map(([path, content]) => ({ path, content }))
    const hostile: Array<Parameters<Host['upload']>[0]> = [
      [...files, { path: '../escaped.ts', content: '1' }],
      [...files, { path: '/tmp/escaped.ts', content: '1' }],
      [...files, { path: 'a', type: 'SymbolicLink', linkpath: '/etc/passwd' }],
      [...files, { path: 'a', type: 'Link', linkpath: 'index.ts' }],
      [...files, { path: 'a', type: 'FIFO' }],
      [...files, { path: 'zeros.txt', content: Buffer.alloc(20 * 1024 * 1024) }],
      [...files, ...Array.from({ length: 2_100 }, (_, n) => ({ path: `f${n}.ts`, content: '' }))],
      Buffer.from('no archive at all'),
      Buffer.alloc(0),
    ]
    for (const archive of hostile) {
      const { status: code, body } = await host.upload(archive)
      expect([code, body.error.code]).toEqual([422, 'INVALID'])
    }
    expect(await left()).toEqual(before)
  })

  test('name no package or repository that is a path, and give no other source', async () => {
    for (const source of [{ npm: 'file:../..' }, { npm: '/etc' }, { npm: 'git+https://127.0.0.1/x' }, { npm: 'https://127.0.0.1/x.tgz' }, { git: 'file:///etc' }, { git: '/etc' }, { git: 'ext::sh -c id' }, { git: '--upload-pack=id' }, { git: 'https://user:password@127.0.0.1/x' }]) {
      const { status: code, body } = await send('POST', '/v1/modules', { source })
      expect([source, code, body.error.message.includes('password@')]).toEqual([source, 422, false])
    }
    for (const source of [{}, { folder: '' }, { folder: 'a', npm: 'b' }, { upload: 'x' }, 'folder', null]) expect(await send('POST', '/v1/modules', { source })).toMatchObject({ status: 422 })
  })

  test('grant nothing where the key that brings them may not, and undo no decision by being removed', async () => {
    const key = await site.key(['modules:*'])
    const granted = async (name: string) => (await status(name)).granted
    const publish = (name: string) => registry.publish({ name: `bulkhead-${name}`, version: '1.0.0', files: module(name, '1.0.0', '1', 'permissions: [emit, "net:example.org", routes:public]') })
    publish('lowly')
    expect(await send('POST', '/v1/modules', { source: { npm: 'bulkhead-lowly' } }, key)).toMatchObject({ status: 201, body: { outcome: 'running' } })
    expect(await granted('lowly')).toEqual([])
    expect(await send('POST', '/v1/modules/lowly/permissions/grant', { permissions: ['emit'] })).toMatchObject({ status: 200 })
    expect(await granted('lowly')).toEqual(['emit'])

    publish('decided')
    const source = { npm: 'bulkhead-decided' }
    expect(await send('POST', '/v1/modules', { source })).toMatchObject({ status: 201 })
    await send('POST', '/v1/modules/decided/permissions/revoke', { permissions: ['net:example.org'] })
    const left = ['emit', 'routes:public']
    expect((await granted('decided')).toSorted()).toEqual(left)
    expect(await send('DELETE', '/v1/modules/decided?purge=config&confirm=true', undefined, key)).toMatchObject({ status: 403, body: { error: { details: { scope: 'permissions:write' } } } })
    expect(await send('DELETE', '/v1/modules/decided?confirm=true', undefined, key)).toMatchObject({ status: 200 })
    expect(await send('POST', '/v1/modules/decided/purge?confirm=true', { kinds: ['config'] }, key)).toMatchObject({ status: 403 })
    expect(await send('POST', '/v1/modules', { source }, key)).toMatchObject({ status: 201 })
    expect((await granted('decided')).toSorted()).toEqual(left)
  })

  test('take the place of no module in a folder, or of another module by an upgrade', async () => {
    registry.publish({ name: 'bulkhead-turncoat', version: '1.0.0', files: module('turncoat', '1.0.0', '1') })
    await send('POST', '/v1/modules', { source: { npm: 'bulkhead-turncoat' } })
    registry.publish({ name: 'bulkhead-turncoat', version: '2.0.0', files: module('steady', '2.0.0', '"taken over"') })
    expect(await send('POST', '/v1/modules/turncoat/upgrade')).toMatchObject({ status: 409, body: { error: { message: 'cannot upgrade turncoat, what is there now is the module steady' } } })
    expect(await host.ask('steady')).toBe('old')
    expect(await send('POST', '/v1/modules/uploaded/upgrade')).toMatchObject({ status: 409, body: { error: { message: expect.stringContaining('it came as an upload') } } })
  })

  test('keep a host busy with no module that loads for ever', async () => {
    const before = await left()
    const { status: code, body } = await install(module('looping', '1.0.0', '1', 'limits: { maxCpuMs: 200, maxExecutionMs: 500 }', 'for (;;);'))
    expect([code, ['CPU_LIMIT', 'TIMEOUT'].includes(body.error.code)]).toEqual([504, true])
    expect(await left()).toEqual(before)
    expect(await host.ask('uploaded')).toBe(1)
  })
})
