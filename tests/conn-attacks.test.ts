import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Caller, serveAsk } from '../bridge/capabilities.ts'
import { NET_CAPS } from '../bridge/net-caps.ts'
import { netCapabilities, type NetCapabilities } from '../bridge/net.host.ts'
import { callerOf } from './caller.ts'
import { type Certificates, type EchoServers, hasOpenssl, makeCertificates, openEcho } from './echo.ts'
import { type Loopback, openLoopback } from './loopback.ts'
import { openWebLab, type ScriptRun, type WebLab } from './web-lab.ts'

const NAMES: Record<string, string[]> = { 'inside.test': ['127.0.0.1'], 'mixed.test': ['10.0.0.1', '127.0.0.1'], 'metadata.test': ['169.254.169.254'] }

let lab: WebLab
let certificates: Certificates | undefined
let echo: EchoServers
let web: Loopback
let net: NetCapabilities
let scripts = 0

beforeAll(async () => {
  certificates = hasOpenssl ? await makeCertificates() : undefined
  echo = await openEcho(certificates)
  web = await openLoopback()
  net = netCapabilities({ resolve: async (name) => NAMES[name] ?? [] })
  lab = await openWebLab(net.capabilities)
})
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await net[Symbol.asyncDispose]()
  await echo[Symbol.asyncDispose]()
  await web[Symbol.asyncDispose]()
})
beforeEach(() => {
  lab.violations.length = 0
})

const named = () => `net:127.0.0.1:${echo.port}`

async function run(script: string, permissions: string[], limits?: string): Promise<ScriptRun> {
  const file = join(lab.folder, `conn-${++scripts}.ts`)
  const help = `const port = ${echo.port}, tlsPort = ${echo.tlsPort}, caCerts = [${JSON.stringify(certificates?.ca)}], text = new TextEncoder()
    const say = (value: unknown) => console.log(JSON.stringify(value))
    const name = async (run: () => unknown) => { try { return await run() } catch (error) { return error.name } }
    const why = async (run: () => unknown) => { try { return await run() } catch (error) { return error.name + ': ' + error.message } }`
  await writeFile(file, `${help}\n${script}`)
  return lab.run(file, { permissions, ...(limits !== undefined && { limits }) })
}

const ask = async (caller: Caller, name: string, args: object) => serveAsk(net.capabilities, caller, name, JSON.stringify(args))
const open = (caller: Caller, id: number, more: object = {}) => ask(caller, 'conn', { id, hostname: '127.0.0.1', port: echo.port, ...more })
const say = (caller: Caller, id: number, what: string) => ask(caller, 'conn.write', { id, bytes: Buffer.from(what).toString('base64') })
const allClosed = () => expect.poll(() => echo.open, { timeout: 20_000 }).toBe(0)

describe('an address that is not public', () => {
  const hosts = [
    '127.0.0.1', 'localhost', 'LOCALHOST', 'localhost.', '127.1', '2130706433', '0x7f000001', '017700000001', '0', '0.0.0.0', '::1', '[::1]', '::', '::ffff:127.0.0.1', '[::ffff:7f00:1]', '64:ff9b::7f00:1',
    'fd00::1', 'fe80::1', '10.0.0.1', '192.168.0.1', '169.254.169.254', '100.100.100.200', '\uff11\uff12\uff17.0.0.1', 'inside.test', 'INSIDE.test.', 'mixed.test', 'metadata.test',
  ]
  test.each(['connect', 'connectTls'])('is refused to Deno.%s under a grant of every host, whatever it is written as', async (api) => {
    const { lines, error } = await run(`for (const hostname of ${JSON.stringify(hosts)}) say([hostname, await name(() => Deno.${api}({ hostname, port }))])`, ['net:*'])
    expect(error).toBeUndefined()
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(hosts.map((host) => [host, 'NotCapable']))
    expect(lab.violations).toHaveLength(hosts.length)
    expect(echo.open).toBe(0)
  })

  test('is reached where it was granted by its own name, and no other port of it', async () => {
    const script = `(await Deno.connect({ port })).close(); say(await why(() => Deno.connect({ port: tlsPort })))`
    expect((await run(script, [named()])).lines).toEqual([JSON.stringify(`NotCapable: cannot connect to 127.0.0.1:${echo.tlsPort}, the module has not been granted "net:127.0.0.1:${echo.tlsPort}"`)])
    expect(lab.violations).toEqual([`net:127.0.0.1:${echo.tlsPort}`])
  })

  test('is not reached by a name that was granted and leads to it', async () => {
    expect((await run(`say(await name(() => Deno.connect({ hostname: 'inside.test', port })))`, ['net:inside.test'])).lines).toEqual(['"NotCapable"'])
  })
})

test('a name without an address is an error, a host that is none another', async () => {
  const script = `for (const hostname of ['nobody.test', 'a b', 'a/b', 'user@host', 'host:80', '[::1', '*', 'x'.repeat(300)]) say(await name(() => Deno.connect({ hostname, port })))`
  expect((await run(script, ['net:*'])).lines).toEqual(['"Error"', ...Array.from({ length: 5 }, () => '"URIError"'), '"Error"', '"URIError"'])
})

test('what a module cannot have is refused by its name', async () => {
  const script = `
    for (const transport of ['unix', 'vsock', 'udp']) say(await why(() => Deno.connect({ transport, path: '/x', port })))
    say(await why(() => Deno.connectTls({ port, cert: 'x', key: 'x' })))
    say(await why(() => Deno.connectTls({ port, unsafelyDisableHostnameVerification: true })))
    say(await why(async () => Deno.startTls(await Deno.connect({ port }), { unsafelyDisableHostnameVerification: true })))
    say(await why(() => Deno.startTls({})))`
  const { lines } = await run(script, [named()])
  expect(lines.map((line) => JSON.parse(line) as string)).toEqual([
    ...['unix', 'vsock', 'udp'].map((transport) => `NotSupported: cannot use Deno.connect with the transport "${transport}", a module reaches others by TCP alone`),
    'NotSupported: cannot use Deno.connectTls with cert and key, the host shows no certificate of its own for a module',
    'NotSupported: cannot use Deno.connectTls with unsafelyDisableHostnameVerification, the host verifies whom a module is connected with',
    'NotSupported: cannot use Deno.startTls with unsafelyDisableHostnameVerification, the host verifies whom a module is connected with',
    'TypeError: cannot start TLS, that is no connection of Deno.connect',
  ])
})

test.each([
  ['no number', { id: 'x' }],
  ['no port', { port: undefined }],
  ['port 0', { port: 0 }],
  ['a port that is too large', { port: 65_536 }],
  ['a port that is text', { port: '80' }],
  ['no host', { hostname: null }],
  ['a host with a space', { hostname: '127.0.0.1 x' }],
  ['certificates that are none', { tls: { caCerts: 'x', alpnProtocols: [] } }],
  ['too many certificates', { tls: { caCerts: Array.from({ length: 17 }, () => 'x'), alpnProtocols: [] } }],
  ['an empty protocol', { tls: { caCerts: [], alpnProtocols: [''] } }],
  ['a protocol that is too long', { tls: { caCerts: [], alpnProtocols: ['x'.repeat(256)] } }],
  ['no terms of TLS', { tls: null }],
])('a connection with %s leaves the host nowhere', async (_, more) => {
  await expect(open(callerOf('net:*', named()), 1, more)).rejects.toMatchObject({ code: 'INVALID' })
})

test('a grant that is revoked ends what is open under it', async () => {
  const caller = callerOf(named())
  await open(caller, 1)
  await say(caller, 1, 'hello')
  ;(caller.permissions as Set<string>).clear()
  await expect(ask(caller, 'conn.read', { id: 1 })).rejects.toMatchObject({ code: 'CAPABILITY_DENIED' })
  await expect(open(caller, 2)).rejects.toMatchObject({ code: 'CAPABILITY_DENIED' })
  await allClosed()
  caller.end()
})

test('what an execution has open is nobody else\'s, and nothing of another kind', async () => {
  const [one, two] = [callerOf(named()), callerOf(named())]
  await open(one, 1)
  await say(one, 1, 'hello')
  await expect(ask(two, 'conn.read', { id: 1 })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  for (const name of ['fetch.read', 'fetch.write', 'socket.read', 'socket.send']) await expect(ask(one, name, { id: 1 })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(open(one, 1)).rejects.toMatchObject({ code: 'INVALID' })
  one.end()
  await allClosed()
  await expect(ask(one, 'conn.read', { id: 1 })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  two.end()
})

test('what is open ends with its execution', async () => {
  const script = `const conn = await Deno.connect({ port }); await conn.write(text.encode('quiet')); say('open'); await conn.read(new Uint8Array(1))`
  const { lines, error } = await run(script, [named()], 'maxExecutionMs: 1500')
  expect(lines).toEqual(['"open"'])
  expect(error).toMatchObject({ code: 'TIMEOUT' })
  await allClosed()
})

describe('who does not take what is sent', () => {
  test('is sent no more by the other end', async () => {
    const before = echo.sentBytes
    const script = `const conn = await Deno.connect({ port }); await conn.write(text.encode('flood')); await conn.read(new Uint8Array(1)); await new Promise((done) => setTimeout(done, 500)); conn.close()`
    expect((await run(script, [named()])).error).toBeUndefined()
    expect(echo.sentBytes - before).toBeLessThan(32 * 1024 * 1024)
    await allClosed()
  })

  test('is sent no more by the module', async () => {
    const script = `const conn = await Deno.connect({ port }); await conn.write(text.encode('deaf')); await conn.read(new Uint8Array(1)); const bytes = new Uint8Array(1024 * 1024); for (;;) { await conn.write(bytes); say('sent') }`
    const { lines, error } = await run(script, [named()], 'maxExecutionMs: 4000, maxCpuMs: 4000')
    expect(error).toMatchObject({ code: 'TIMEOUT' })
    expect(lines.length).toBeLessThan(40)
    echo.wake()
    await allClosed()
  })
})

test('who was written to and takes nothing does not keep a connection that was closed', { timeout: 60_000 }, async () => {
  const caller = callerOf(named())
  await open(caller, 1)
  await say(caller, 1, 'deaf')
  await ask(caller, 'conn.read', { id: 1 })
  const writes = Promise.allSettled(Array.from({ length: 32 }, () => ask(caller, 'conn.write', { id: 1, bytes: Buffer.alloc(512 * 1024).toString('base64') })))
  await ask(caller, 'conn.close', { id: 1 })
  await expect(open(caller, 1)).rejects.toMatchObject({ code: 'INVALID' })
  await expect.poll(() => open(caller, 1).then(() => 'free', () => 'held'), { timeout: 50_000, interval: 500 }).toBe('free')
  await writes
  caller.end()
  echo.wake()
  await allClosed()
})

describe('a limit', () => {
  const PIECE = 512 * 1024
  async function send(caller: Caller, id: number, bytes: number): Promise<void> {
    const piece = Buffer.alloc(PIECE).toString('base64')
    for (let sent = 0; sent < bytes; sent += PIECE) await ask(caller, 'conn.write', { id, bytes: piece })
  }

  test('holds for what is sent, over connections and fetches together', async () => {
    const caller = callerOf(named(), `net:127.0.0.1:${web.port}`)
    const post = (id: number, bytes: number) => ask(caller, 'fetch', { id, method: 'POST', url: `http://127.0.0.1:${web.port}/length`, headers: [], redirect: 'follow', body: { bytes: Buffer.alloc(bytes).toString('base64') } })
    for (const id of [1, 2]) {
      await open(caller, id)
      await say(caller, id, 'discard')
    }
    const rest = NET_CAPS.sentBytes - 2 * 'discard'.length
    await send(caller, 1, Math.floor(rest / 2 / PIECE) * PIECE)
    await send(caller, 2, (Math.floor(rest / PIECE) - Math.floor(rest / 2 / PIECE)) * PIECE)
    const left = rest % PIECE
    expect(await post(3, left)).toContain('"status":200')
    await expect(say(caller, 2, 'x')).rejects.toMatchObject({ code: 'SIZE_LIMIT', details: { limit: 'sentBytes' } })
    await expect(say(caller, 2, 'x')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    caller.end()
    await allClosed()
  })

  test('holds for what is received', async () => {
    const caller = callerOf(named())
    await open(caller, 1)
    await say(caller, 1, 'flood')
    let received = 0
    const receive = async () => {
      for (;;) received += Buffer.byteLength((await ask(caller, 'conn.read', { id: 1 })).slice(1), 'base64')
    }
    // Reads alone are fewer than an execution may make.
    await expect(receive()).rejects.toMatchObject({ code: 'SIZE_LIMIT', details: { limit: 'receivedBytes' } })
    expect(received).toBeGreaterThan(NET_CAPS.receivedBytes - NET_CAPS.chunkBytes)
    expect(received).toBeLessThanOrEqual(NET_CAPS.receivedBytes)
    await allClosed()
    caller.end()
  })

  test('holds for connections at one time, with the fetches of the module: more of them wait', async () => {
    const [caller, other] = [callerOf(named(), `net:127.0.0.1:${web.port}`), callerOf(named())]
    const fetches = Array.from({ length: 4 }, (_, at) => ask(caller, 'fetch', { id: 1_000 + at, method: 'GET', url: `http://127.0.0.1:${web.port}/never`, headers: [], redirect: 'follow', body: null }))
    const ended = Promise.allSettled(fetches)
    await expect.poll(() => web.waiting).toBe(4)
    const most = NET_CAPS.open - 4
    await Promise.all(Array.from({ length: most }, (_, id) => open(caller, id)))
    await expect.poll(() => echo.open).toBe(most)
    const next = open(other, 1)
    await say(caller, 0, 'hello')
    await ask(caller, 'conn.read', { id: 0 })
    expect(echo.open).toBe(most)
    await ask(caller, 'conn.close', { id: 0 })
    expect(await next).toContain('"remote"')
    for (let id = most; id < NET_CAPS.openPerExecution - 3; id++) open(caller, id).catch(() => {})
    await expect(open(caller, 9_999)).rejects.toMatchObject({ code: 'CALL_LIMIT', details: { limit: 'openPerExecution' } })
    caller.end()
    other.end()
    await ended
    await allClosed()
  })
})

describe.runIf(hasOpenssl)('TLS', () => {
  const secret = () => `net:127.0.0.1:${echo.tlsPort}`

  test('tells nothing to an end that is not verified', async () => {
    const before = echo.confided
    const script = `
      say(await name(async () => (await Deno.connectTls({ port: tlsPort })).write(text.encode('secret'))))
      say(await name(async () => { const writer = (await Deno.connectTls({ port: tlsPort })).writable.getWriter(); await writer.write(text.encode('secret')) }))
      const conn = await Deno.connectTls({ port: tlsPort, caCerts }); await conn.write(text.encode('told')); await conn.read(new Uint8Array(4)); conn.close()`
    expect((await run(script, [secret()])).lines).toEqual(['"InvalidData"', '"InvalidData"'])
    expect(echo.confided - before).toBe('told'.length)
  })

  test('takes an authority that a module names for that one connection', async () => {
    const script = `const one = await Deno.connectTls({ port: tlsPort, caCerts }); await one.handshake(); say(await name(async () => (await Deno.connectTls({ port: tlsPort })).handshake())); one.close()`
    expect((await run(script, [secret()])).lines).toEqual(['"InvalidData"'])
  })

  test('is not started over what came before it, nor where somebody reads, nor twice', async () => {
    const script = `
      const conn = await Deno.connect({ port }); await conn.write(text.encode('injected')); await conn.read(new Uint8Array(1)); say(await name(() => Deno.startTls(conn, { caCerts })))
      const busy = await Deno.connect({ port }); busy.read(new Uint8Array(1)).catch(() => {}); say(await name(() => Deno.startTls(busy, { caCerts }))); busy.close()
      const twice = await Deno.connect({ port }); await twice.write(text.encode('starttls')); await twice.read(new Uint8Array(3)); await Deno.startTls(twice, { caCerts }); say(await name(() => Deno.startTls(twice, { caCerts })))`
    expect((await run(script, [named()])).lines).toEqual(['"InvalidData"', '"Busy"', '"BadResource"'])
    const caller = callerOf(named())
    await open(caller, 1, { tls: { caCerts: [], alpnProtocols: [] } })
    await expect(ask(caller, 'conn.tls', { id: 1, hostname: 'localhost', tls: { caCerts: [], alpnProtocols: [] } })).rejects.toMatchObject({ code: 'INVALID' })
    caller.end()
    await allClosed()
  })

  test('that is never answered ends with its execution', async () => {
    const script = `const conn = await Deno.connect({ port }); await conn.write(text.encode('quiet')); say('open'); await (await Deno.startTls(conn, { caCerts })).handshake()`
    const { lines, error } = await run(script, [named()], 'maxExecutionMs: 1500')
    expect(lines).toEqual(['"open"'])
    expect(error).toMatchObject({ code: 'TIMEOUT' })
    await allClosed()
  })
})
