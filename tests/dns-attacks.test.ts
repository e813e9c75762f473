import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Caller, serveAsk } from '../bridge/capabilities.ts'
import { NET_CAPS } from '../bridge/net-caps.ts'
import { netCapabilities, type NetCapabilities } from '../bridge/net.host.ts'
import { callerOf } from './caller.ts'
import { type DnsStub, openDnsStub, record } from './dns-stub.ts'
import { openWebLab, type ScriptRun, type WebLab } from './web-lab.ts'

let lab: WebLab
let dns: DnsStub
let net: NetCapabilities
let scripts = 0

/** Text records whose characters take six each in an answer. */
const control = (bytes: number) => Array.from({ length: Math.floor(bytes / 255) }, () => record.txt('\u0001'.repeat(255)))

beforeAll(async () => {
  dns = await openDnsStub({
    'A public.test': [record.a('93.184.216.34')],
    'A mixed.test': [record.a('10.0.0.1'), record.a('93.184.216.34'), record.a('169.254.169.254')],
    'A inside.test': [record.a('10.0.0.1')],
    'AAAA inside.test': [record.aaaa('fd00:0000:0000:0000:0000:0000:0000:0001')],
    'PTR 34.216.184.93.in-addr.arpa': [record.name('public.test')],
    'PTR 1.0.0.10.in-addr.arpa': [record.name('database.inside.test')],
    [`PTR ${'1.0.0.0.'.repeat(7)}0.0.d.f.ip6.arpa`]: [record.name('database.inside.test')],
    'NS 10.in-addr.arpa': [record.name('ns.inside.test')],
    'TXT long.test': control(40_000),
    'TXT longer.test': control(50_000),
  })
  net = netCapabilities({ nameServers: [`127.0.0.1:${dns.port}`] })
  lab = await openWebLab(net.capabilities)
})
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await net[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})
beforeEach(() => {
  lab.violations.length = 0
  dns.asked.length = 0
})

async function run(script: string, permissions: string[], limits?: string): Promise<ScriptRun> {
  const file = join(lab.folder, `dns-${++scripts}.ts`)
  await writeFile(file, `const say = (value: unknown) => console.log(JSON.stringify(value)), port = ${dns.port}
    const why = async (run: () => unknown) => { try { return await run() } catch (error) { return error.name + ': ' + error.message } }\n${script}`)
  return lab.run(file, { permissions, ...(limits !== undefined && { limits }) })
}

const ask = async (caller: Caller, args: object) => serveAsk(net.capabilities, caller, 'dns', JSON.stringify({ id: 1, type: 'A', ...args }))
const resolve = (permission: string, name: string, type = 'A') => ask(callerOf(permission), { name, type })

describe('a name', () => {
  test('that was not granted is asked of nobody, and noted', async () => {
    const { lines } = await run(`say(await why(() => Deno.resolveDns('public.test', 'A')))`, ['net:other.test'])
    expect(lines).toEqual([JSON.stringify('NotCapable: cannot resolve public.test, the module has not been granted "net:public.test"')])
    expect(lab.violations).toEqual(['net:public.test'])
    expect(dns.asked).toEqual([])
  })

  test.each(['net:public.test', 'net:public.test:443', 'net:*.test', 'net:*'])('is resolved under %s', async (permission) => {
    const [name, wanted] = permission === 'net:*.test' ? ['mixed.test', '["93.184.216.34"]'] : ['public.test', '["93.184.216.34"]']
    expect(await resolve(permission, name)).toBe(wanted)
  })

  test.each(['', '*', '*.test', 'a b', 'a/b', 'a..b', '127.0.0.1', '0x7f000001', '[::1]', 'x'.repeat(64), `${'x.'.repeat(200)}test`, 'a\0b', 'a%00b', 'user@public.test', 'public.test:53', 5, null])('%j is none, and asked of nobody', async (name) => {
    await expect(ask(callerOf('net:*', 'net:*.test', 'net:localhost', 'net:127.0.0.1'), { name })).rejects.toMatchObject({ code: 'INVALID' })
    expect(dns.asked).toEqual([])
  })

  test.each(['XX', 'ANY', 'AXFR', '', 'constructor', '__proto__', 5])('has no records of the type %j', async (type) => {
    await expect(ask(callerOf('net:*'), { name: 'public.test', type })).rejects.toMatchObject({ code: 'INVALID' })
  })
})

describe('an address that is not public', () => {
  test('is told under the name alone, of a wildcard it is left out, and where there is no other the name is refused', async () => {
    expect(await resolve('net:*', 'mixed.test')).toBe('["93.184.216.34"]')
    expect(await resolve('net:mixed.test', 'mixed.test')).toBe('["10.0.0.1","93.184.216.34","169.254.169.254"]')
    expect(await resolve('net:inside.test', 'inside.test', 'AAAA')).toBe('["fd00::1"]')
    for (const type of ['A', 'AAAA']) await expect(resolve('net:*', 'inside.test', type)).rejects.toMatchObject({ code: 'CAPABILITY_DENIED' })
  })

  test('has a name under its own grant alone', async () => {
    expect(await resolve('net:*', '34.216.184.93.in-addr.arpa', 'PTR')).toBe('["public.test."]')
    for (const [name, type] of [['1.0.0.10.in-addr.arpa', 'PTR'], [`${'1.0.0.0.'.repeat(7)}0.0.d.f.ip6.arpa`, 'PTR'], ['10.in-addr.arpa', 'NS'], ['1.0.0.10.IN-ADDR.arpa.', 'PTR']] as const) {
      await expect(resolve('net:*', name, type)).rejects.toMatchObject({ code: 'CAPABILITY_DENIED' })
    }
    expect(await resolve('net:1.0.0.10.in-addr.arpa', '1.0.0.10.in-addr.arpa', 'PTR')).toBe('["database.inside.test."]')
  })

  test('that was resolved is not connected to for that', async () => {
    const script = `const [hostname] = await Deno.resolveDns('inside.test', 'A'); say([hostname, (await why(() => Deno.connect({ hostname, port: 80 }))).split(':')[0]])`
    expect((await run(script, ['net:inside.test', 'net:*'])).lines).toEqual(['["10.0.0.1","NotCapable"]'])
  })
})

describe('a name server of the own choice', () => {
  const own = (ipAddr: string, port = 'port') => `say(await why(() => Deno.resolveDns('inside.test', 'A', { nameServer: { ipAddr: ${JSON.stringify(ipAddr)}, port: ${port} } })))`

  test.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.0.1', '169.254.169.254'])('at %s is asked nothing under a grant of every host', async (ipAddr) => {
    const { lines } = await run(own(ipAddr), ['net:*', 'net:inside.test'])
    expect(lines[0]).toMatch(/^"NotCapable: cannot ask the name server /)
    expect(lab.violations).toHaveLength(1)
    expect(dns.asked).toEqual([])
  })

  test('is asked where it was granted by its own name, at that port', async () => {
    const permission = `net:127.0.0.1:${dns.port}`
    expect((await run(own('127.0.0.1'), [permission])).lines).toEqual(['["10.0.0.1"]'])
    expect((await run(own('127.0.0.1', '1'), [permission])).lines[0]).toMatch(/^"NotCapable/)
  })

  test.each([['localhost', 53], ['inside.test', 53], ['127.1', 53], ['', 53], [undefined, 53], ['127.0.0.1', 0], ['127.0.0.1', 65_536], ['127.0.0.1', '53'], ['127.0.0.1', 5.5]])('at %j port %j is none', async (address, port) => {
    await expect(ask(callerOf('net:*', 'net:localhost', 'net:127.0.0.1'), { name: 'public.test', server: { address, port } })).rejects.toMatchObject({ code: 'INVALID' })
  })

  test('is asked nothing where everything goes through a proxy', async () => {
    await using behind = netCapabilities({ proxy: 'http://127.0.0.1:1' })
    const args = JSON.stringify({ id: 1, name: 'public.test', type: 'A', server: { address: '127.0.0.1', port: dns.port } })
    await expect((async () => serveAsk(behind.capabilities, callerOf('net:127.0.0.1'), 'dns', args))()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(dns.asked).toEqual([])
  })
})

describe('an answer', () => {
  test('may be long, and no longer', async () => {
    const answer = await resolve('net:*', 'long.test', 'TXT')
    expect(answer.length).toBeGreaterThan(200_000)
    expect(answer.length).toBeLessThanOrEqual(NET_CAPS.answerLength)
    await expect(resolve('net:*', 'longer.test', 'TXT')).rejects.toMatchObject({ code: 'SIZE_LIMIT', details: { limit: 'answerLength' } })
  })

  test('that never comes is waited for no longer than the host does', { timeout: 60_000 }, async () => {
    const answer = JSON.parse((await resolve('net:*', 'silent.test')).slice(1)) as { name: string }
    expect(answer.name).toBe('TimedOut')
  })

  test('that never comes is given up with its execution', async () => {
    const { error } = await run(`await Deno.resolveDns('silent.test', 'A')`, ['net:*'], 'maxExecutionMs: 600')
    expect(error).toMatchObject({ code: 'TIMEOUT' })
  })

  test('that is waited for takes a place of the module, and no more wait at one time', { timeout: 60_000 }, async () => {
    const caller = callerOf('net:*')
    const lookups = Array.from({ length: NET_CAPS.openPerExecution }, (_, id) => ask(caller, { id, name: 'silent.test' }))
    const ended = Promise.allSettled(lookups)
    await expect.poll(() => dns.asked.length).toBeGreaterThanOrEqual(NET_CAPS.open)
    await expect(ask(caller, { id: 9_999, name: 'public.test' })).rejects.toMatchObject({ code: 'CALL_LIMIT' })
    caller.end()
    await ended
    expect(await resolve('net:*', 'public.test')).toBe('["93.184.216.34"]')
  })
})
