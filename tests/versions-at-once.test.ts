import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Host, module, openSite, type Site } from './versions.setup.ts'

const ROUNDS = 4
const AT_ONCE = 14
const patience = { timeout: 30_000, interval: 200 }

let site: Site
let hosts: [Host, Host]
beforeAll(async () => {
  site = await openSite()
  hosts = [await site.start(), await site.start()]
})
afterAll(async () => {
  for (const host of hosts ?? []) await host[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})

/** Numbers that look like chance and are the same each time. */
function chance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
}

const named = (name: string, what: string) => (host: Host) => host.send('POST', `/v1/modules/${name}/${what}`)
const THINGS: Array<(host: Host, pick: (below: number) => number) => Promise<{ status: number; body: { error?: { code: string; message: string } } }>> = [
  (host, pick) => host.upload(module('fought', `1.0.${pick(6)}`, `"version ${pick(6)}"`)),
  (host, pick) => host.upload(module('fought', `1.0.${pick(6)}`, `"version ${pick(6)}"`)),
  (host) => host.upload(module('fought', '2.0.0', '1', '', 'throw new Error("not this one")')),
  (host) => host.upload(module('fought', '2.1.0', '1', 'permissions: [kv]')),
  (host, pick) => host.upload(module('fought', `1.0.${pick(6)}`, '"dry"'), '?dryRun=true'),
  named('fought', 'rollback'),
  named('fought', 'restart'),
  named('fought', 'reload'),
  named('fought', 'pin'),
  named('fought', 'unpin'),
  named('fought', 'unpin'),
  named('fought', 'disable'),
  named('fought', 'enable'),
  (host) => host.send('DELETE', '/v1/modules/fought?confirm=true'),
  (host) => host.send('GET', '/v1/modules/fought/diff'),
  (host) => host.send('GET', '/v1/modules'),
]
/** What somebody may be told who was not the only one. */
const TOLD = [200, 201, 202, 403, 404, 409, 422, 503]

test('whatever is asked of two hosts at once is done or refused, and both come to the same end', async () => {
  const pick = chance(7)
  for (let round = 0; round < ROUNDS; round++) {
    const asked = Array.from({ length: AT_ONCE }, () => {
      const what = pick(THINGS.length)
      return THINGS[what]!(hosts[pick(2)]!, pick).then(({ status, body }) => ({ what, status, error: body?.error }))
    })
    for (const { what, status, error } of await Promise.all(asked)) {
      expect([what, TOLD.includes(status), error?.code === 'INTERNAL' ? error : undefined], site.errors.filter((line) => line.includes("request failed")).join("\n")).toEqual([what, true, undefined])
    }
  }

  // Whatever came of that, one more version by one host is what both run.
  const [one, two] = hosts
  await one.send('POST', '/v1/modules/fought/unpin')
  await one.upload(module('fought', '9.0.0', '"the last"'))
  for (const host of hosts) await host.send('POST', '/v1/modules/fought/enable')
  await expect.poll(() => Promise.all([one.ask('fought'), two.ask('fought')]), patience).toEqual(['the last', 'the last'])
  const [head] = await site.database.sql`select h.current, v.version from bulkhead.module_heads h join bulkhead.module_versions v on v.module = h.module and v.number = h.current where h.module = 'fought'`
  for (const host of hosts) {
    expect((await host.send('GET', '/v1/modules/fought')).body).toMatchObject({ version: '9.0.0', number: head?.['current'], status: 'ready' })
    // No half of anything is left on the disk.
    const laidOut = await readdir(join(host.modules, '../data/cache/versions/fought'))
    expect(laidOut.filter((name) => !/^[0-9a-f]{32}$/.test(name))).toEqual([])
  }
}, 180_000)
