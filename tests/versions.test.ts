import { cp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findExternal } from '../runtime/store/store.setup.ts'
import { type Host, module, openSite, type Site } from './versions.setup.ts'

const patience = { timeout: 40_000, interval: 100 }
const external = await findExternal()
const of = async (host: Host, name: string) => (await host.send('GET', `/v1/modules/${name}`)).body

describe('a module in a folder', () => {
  let site: Site
  let host: Host
  beforeAll(async () => {
    site = await openSite()
    host = await site.start()
    await restart()
  })
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]()
    await site?.[Symbol.asyncDispose]()
  })
  /** Over the same folder; `change` is made while no host runs. */
  async function restart(change: () => Promise<unknown> = async () => {}): Promise<void> {
    const home = join(host.modules, '..')
    await host[Symbol.asyncDispose]()
    await change()
    host = await site.start({}, home)
  }
  const reload = (name: string) => host.send('POST', `/v1/modules/${name}/reload`)

  test('has a version for each content that was let in', async () => {
    await restart(() => host.write('a', module('a', '1.0.0', '1')))
    expect(await of(host, 'a')).toMatchObject({ installed: false, number: 1, version: '1.0.0' })
    await host.write('a', module('a', '1.1.0', '2'))
    expect(await reload('a')).toMatchObject({ status: 200, body: { number: 2 } })
    expect(await reload('a')).toMatchObject({ body: { number: 2 } })
    expect((await host.send('GET', '/v1/modules/a/versions')).body.items).toMatchObject([
      { number: 2, state: 'current', origin: { kind: 'folder', folder: 'a' }, createdBy: 'host' },
      { number: 1, state: 'kept' },
    ])
    expect((await host.send('GET', '/v1/modules/a/diff?from=1')).body.files.changed).toMatchObject([{ path: 'index.ts' }, { path: 'module.yaml' }])
  })

  test('stays at what it was rolled back to, over a restart, until its folder holds something else', async () => {
    expect(await host.send('POST', '/v1/modules/a/rollback')).toMatchObject({ status: 200, body: { number: 1, version: '1.0.0' } })
    expect(await host.ask('a')).toBe(1)
    await restart()
    expect(await host.ask('a')).toBe(1)
    await host.write('a', module('a', '1.2.0', '3'))
    await reload('a')
    expect(await of(host, 'a')).toMatchObject({ number: 3, version: '1.2.0' })
    await host.send('POST', '/v1/modules/a/rollback')
    expect(await of(host, 'a')).toMatchObject({ number: 2, version: '1.1.0' })
    // Whoever reloads it by hand wants what the folder holds.
    await reload('a')
    expect(await of(host, 'a')).toMatchObject({ number: 3 })
  })

  test('whose newest version waits for grants runs the last one after a restart', async () => {
    await host.write('a', module('a', '2.0.0', '4', 'permissions: [kv]'))
    await reload('a')
    expect(await of(host, 'a')).toMatchObject({ status: 'upgrade_pending', version: '1.2.0' })
    await restart()
    expect(await of(host, 'a')).toMatchObject({ status: 'upgrade_pending', version: '1.2.0', number: 3, upgrade: { version: '2.0.0', permissions: ['kv'] } })
    expect(await host.ask('a')).toBe(3)
    expect((await host.send('GET', '/v1/modules/a/diff')).body).toMatchObject({ from: 3, to: 4, permissions: { added: ['kv'] } })
    await host.send('POST', '/v1/modules/a/permissions/grant', { permissions: ['kv'] })
    expect(await of(host, 'a')).toMatchObject({ status: 'ready', version: '2.0.0', number: 4 })
    expect(await host.ask('a')).toBe(4)
  })

  test('whose folder holds a broken version after a restart runs the last one, and says so', async () => {
    await restart(() => host.write('a', { 'index.ts': 'export default {' }))
    expect(await of(host, 'a')).toMatchObject({ status: 'ready', version: '2.0.0', number: 4, error: { code: 'BUNDLE_FAILED' } })
    expect(await host.ask('a')).toBe(4)
    await restart(() => host.write('a', { 'index.ts': 'throw new Error("broken")' }))
    expect(await of(host, 'a')).toMatchObject({ status: 'ready', error: { code: 'LOAD_FAILED' } })
    expect(await host.ask('a')).toBe(4)
    await host.write('a', module('a', '2.1.0', '5', 'permissions: [kv]'))
    expect(await reload('a')).toMatchObject({ body: { number: 5, error: null } })
  })

  test('is pinned to what runs, whatever its folder holds', async () => {
    await host.send('POST', '/v1/modules/a/pin')
    await host.write('a', module('a', '3.0.0', '6', 'permissions: [kv]'))
    expect(await reload('a')).toMatchObject({ status: 409 })
    await restart()
    expect(await host.ask('a')).toBe(5)
    await host.send('POST', '/v1/modules/a/unpin')
    expect(await host.ask('a')).toBe(6)
  })

  test('that is asked to reload many times at once ends with the newest content', async () => {
    const reloads = []
    for (let n = 1; n <= 12; n++) {
      await host.write('a', module('a', '3.0.1', `"save ${n}"`, 'permissions: [kv]'))
      reloads.push(reload('a'))
    }
    const answers = await Promise.all(reloads)
    // One in between may have read a file that was half written.
    expect(answers.at(-1)).toMatchObject({ status: 200, body: { error: null } })
    expect(await host.ask('a')).toBe('save 12')
  })

  test('that lay elsewhere goes on when its folder has another name, and leaves a name to who waits for it', async () => {
    await restart(async () => {
      await cp(join(host.modules, 'a'), join(host.modules, 'b'), { recursive: true })
    })
    const names = host.runtime.modules().map(({ name }) => name)
    expect(names).toHaveLength(2)
    await restart(() => rm(join(host.modules, 'b'), { recursive: true }))
    await restart(() => rename(join(host.modules, 'a'), join(host.modules, 'renamed')))
    expect(await of(host, 'a')).toMatchObject({ status: 'ready', number: expect.any(Number) })
  })
})

describe.each([['the embedded server', undefined], ...(external === undefined ? [] : [['an external server', external] as const])] as const)('several hosts over %s', (_, url) => {
  let site: Site
  let one: Host
  let two: Host
  beforeAll(async () => {
    site = await openSite(url)
    one = await site.start()
    await one.upload({ ...module('shared', '1.0.0', `(await ctx.db.sql\`select count(*)::int as n from a\`)[0].n + 1`, 'permissions: [db]'), 'database/migrations/0001_a.sql': 'create table a (id int primary key)' })
    two = await site.start()
  })
  afterAll(async () => {
    await one?.[Symbol.asyncDispose]()
    await two?.[Symbol.asyncDispose]()
    await site?.[Symbol.asyncDispose]()
  })

  test('a new one with empty folders brings up what is installed', async () => {
    expect(await of(two, 'shared')).toMatchObject({ status: 'ready', installed: true, number: 1 })
    expect(await two.ask('shared')).toBe(1)
  })

  test('what one installs, replaces, rolls back and removes, the other does as well', async () => {
    await one.upload(module('later', '1.0.0', '"first"'))
    await expect.poll(() => two.ask('later'), patience).toBe('first')
    await two.upload(module('later', '1.1.0', '"second"'))
    await expect.poll(() => one.ask('later'), patience).toBe('second')
    await one.send('POST', '/v1/modules/later/rollback')
    await expect.poll(() => two.ask('later'), patience).toBe('first')
    await two.send('DELETE', '/v1/modules/later?confirm=true')
    await expect.poll(async () => (await one.send('GET', '/v1/modules/later')).status, patience).toBe(404)
    expect(await one.ask('later')).toBeUndefined()
    await one.upload(module('later', '2.0.0', '"again"'))
    await expect.poll(() => two.ask('later'), patience).toBe('again')
  })

  test('what one switches off or on, the other does as well', { timeout: 120_000 }, async () => {
    await one.upload(module('switched', '1.0.0', '"on"'))
    await expect.poll(() => two.ask('switched'), patience).toBe('on')
    await one.send('POST', '/v1/modules/switched/disable')
    await expect.poll(async () => (await of(two, 'switched')).status, patience).toBe('disabled')
    expect(await two.ask('switched')).toBeUndefined()
    await one.upload(module('switched', '2.0.0', '"newer"'))
    await two.send('POST', '/v1/modules/switched/enable')
    await expect.poll(() => one.ask('switched'), patience).toBe('newer')
    await expect.poll(() => two.ask('switched'), patience).toBe('newer')
    expect(two.events.filter(({ type, ...event }) => type === 'module:enabled' && 'module' in event && event.module === 'switched')).toHaveLength(1)
  })

  test('what one puts into quarantine is so for the other, until somebody enables it', { timeout: 120_000 }, async () => {
    await one.upload(module('distrusted', '1.0.0', '"on"'))
    await expect.poll(() => two.ask('distrusted'), patience).toBe('on')
    await site.database.sql`insert into bulkhead.modules (name, enabled, disabled_reason, quarantined) values ('distrusted', false, 'it tried to emit', true)
      on conflict (name) do update set enabled = false, disabled_reason = excluded.disabled_reason, quarantined = true`
    for (const host of [one, two]) {
      await expect.poll(() => of(host, 'distrusted'), patience).toMatchObject({ status: 'disabled', error: { message: expect.stringContaining('it tried to emit') } })
    }
    await one.send('POST', '/v1/modules/distrusted/enable')
    await expect.poll(() => two.ask('distrusted'), patience).toBe('on')
    expect(await one.ask('distrusted')).toBe('on')
  })

  test('a folder does not take the place of what is installed', async () => {
    await one.upload(module('claimed', '1.0.0', '"installed"'))
    const home = join(two.modules, '..')
    await two[Symbol.asyncDispose]()
    two = await site.start({}, home)
    await two.write('claimed', module('claimed', '9.0.0', '"from a folder"'))
    await two[Symbol.asyncDispose]()
    two = await site.start({}, home)
    expect(await two.ask('claimed')).toBe('installed')
    expect(two.runtime.modules().filter(({ error }) => error?.code === 'CONFLICT')).toHaveLength(1)
    expect(await of(one, 'claimed')).toMatchObject({ version: '1.0.0', number: 1 })
  })

  test('the same content from both at once is one version', async () => {
    const files = module('both', '1.0.0', '1')
    const answers = await Promise.all([one.upload(files), two.upload(files)])
    expect(answers.map(({ body }) => body.number)).toEqual([1, 1])
    expect(await site.database.sql`select from bulkhead.module_versions where module = 'both'`).toHaveLength(1)
  })
})

test('what was installed by another Bulkhead is made anew from its files, and what is damaged says so and stops nobody', async () => {
  await using site = await openSite()
  const first = await site.start()
  await first.upload(module('old', '1.0.0', '"made anew"'))
  await first.upload(module('damaged', '1.0.0', '1'))
  await first[Symbol.asyncDispose]()
  await site.database.sql`update bulkhead.module_versions set built_with = 'another', artifact = '\\x00' where module = 'old'`
  await site.database.sql`update bulkhead.module_versions set content = '\\x00' where module = 'damaged'`
  await using second = await site.start()
  expect(await second.ask('old')).toBe('made anew')
  expect(await of(second, 'damaged')).toMatchObject({ status: 'error', installed: true })
  expect(await second.upload(module('damaged', '1.0.1', '"mended"'))).toMatchObject({ status: 201 })
  expect(await second.ask('damaged')).toBe('mended')
})
