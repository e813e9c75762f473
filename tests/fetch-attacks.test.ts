import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Caller, serveAsk } from '../bridge/capabilities.ts'
import { netCapabilities, type NetCapabilities } from '../bridge/net.host.ts'
import { NET_CAPS } from '../bridge/net-caps.ts'
import { routeTo } from '../bridge/net-route.host.ts'
import { callerOf } from './caller.ts'
import { type Loopback, openLoopback } from './loopback.ts'
import { openWebLab, type ScriptRun, type WebLab } from './web-lab.ts'

const NAMES: Record<string, string[]> = {
  'inside.test': ['127.0.0.1'],
  'inside6.test': ['::1'],
  'mapped.test': ['::ffff:127.0.0.1'],
  'metadata.test': ['169.254.169.254'],
  'mixed.test': ['10.0.0.1', '93.184.216.34', 'fd00::1'],
  'public.test': ['93.184.216.34'],
}

let lab: WebLab
let server: Loopback
let other: Loopback
let net: NetCapabilities
let asked: string[] = []
let scripts = 0

async function resolve(name: string): Promise<string[]> {
  asked.push(name)
  return NAMES[name] ?? []
}

beforeAll(async () => {
  server = await openLoopback()
  other = await openLoopback()
  net = netCapabilities({ resolve })
  lab = await openWebLab(net.capabilities)
})
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await net[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
})
beforeEach(() => {
  asked = []
  lab.violations.length = 0
})

/** Runs a script whose `say` is what it has to tell, with the server's address as `base`. */
async function run(script: string, permissions: string[], limits?: string): Promise<ScriptRun> {
  const file = join(lab.folder, `attack-${++scripts}.ts`)
  await writeFile(file, `const base = 'http://127.0.0.1:${server.port}', other = 'http://127.0.0.1:${other.port}', say = (value: unknown) => console.log(JSON.stringify(value))\nconst name = async (run: () => unknown) => { try { return await run() } catch (error) { return error.name } }\n${script}`)
  return lab.run(file, { permissions, ...(limits !== undefined && { limits }) })
}

const order = (url: string, more: object = {}) => JSON.stringify({ id: 1, method: 'GET', url, headers: [], redirect: 'follow', body: null, ...more })
const ask = async (caller: Caller, name: string, args: string) => serveAsk(net.capabilities, caller, name, args)
const named = () => `net:127.0.0.1:${server.port}`

describe('an address that is not public', () => {
  const hosts = [
    '127.0.0.1', 'localhost', 'LOCALHOST', 'localhost.', '127.0.0.1.', '127.1', '2130706433', '0x7f000001', '017700000001', '0', '0.0.0.0', '127.255.255.254',
    '[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::7f00:1]', '[2002:7f00:1::]', '[2001:0:7f00:1::]',
    '[fd00::1]', '[fe80::1]', '[fec0::1]', '[ff02::1]', '[fd00:ec2::254]', '[2001:db8::1]', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', '169.254.169.254', '100.64.0.1',
    '100.100.100.200', '168.63.129.16', '192.0.0.192', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1', '240.0.0.1', '255.255.255.255',
    '\uff11\uff12\uff17.0.0.1', '127\u30020\u30020\u30021', 'inside.test', 'INSIDE.test.', 'inside6.test', 'mapped.test', 'metadata.test', 'foo.localhost',
  ]
  test('is refused under a grant of every host, whatever it is written as, and is never connected to', async () => {
    const before = server.requests
    const script = `for (const host of ${JSON.stringify(hosts)}) say([host, await name(() => fetch('http://' + host + ':${server.port}/json'))])`
    const { lines, error } = await run(script, ['net:*'])
    expect(error).toBeUndefined()
    const refused = lines.map((line) => JSON.parse(line) as [string, string])
    expect(refused.filter(([host, name]) => name !== (host === 'foo.localhost' ? 'TypeError' : 'NotCapable'))).toEqual([])
    expect(refused).toHaveLength(hosts.length)
    expect(server.requests).toBe(before)
    expect(lab.violations).toHaveLength(hosts.length - 1)
  })

  test('is left out of a name that has others', async () => {
    const route = (host: string) => routeTo(callerOf('net:*'), { host, port: 443 }, 'fetch', resolve)
    expect(await route('mixed.test')).toEqual(['93.184.216.34'])
    expect(await route('public.test')).toEqual(['93.184.216.34'])
    await expect(route('nobody.test')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  test.each(['1.1.1.1', '172.15.0.1', '172.32.0.1', '100.63.255.255', '100.128.0.1', '169.253.0.1', '223.255.255.255', '[2606:4700::1]', '[2a00::1]'])('%s is public', async (host) => {
    expect(await routeTo(callerOf('net:*'), { host, port: 80 }, 'fetch', resolve)).toHaveLength(1)
  })

  test('is reached where it was granted by its own name, and no other port of it', async () => {
    const script = `say([(await fetch(base + '/json')).status, await name(() => fetch(other + '/json'))])`
    expect((await run(script, [named()])).lines).toEqual(['[200,"NotCapable"]'])
    expect(lab.violations).toEqual([`net:127.0.0.1:${other.port}`])
  })

  test('is not reached by a name that was granted and leads to it', async () => {
    const script = `say(await name(() => fetch('http://inside.test:${server.port}/json')))`
    expect((await run(script, ['net:inside.test'])).lines).toEqual(['"NotCapable"'])
  })

  test('localhost is this machine where it was granted, and no name server is asked', async () => {
    const script = `say((await fetch('http://localhost:${server.port}/json')).status)`
    expect((await run(script, ['net:localhost'])).lines).toEqual(['200'])
    expect(asked).toEqual([])
  })
})

describe('a grant', () => {
  const may = async (permission: string, host: string, port = 443) => {
    const caller = callerOf(permission)
    return routeTo(caller, { host, port }, 'fetch', async () => ['93.184.216.34']).then(() => true, () => false)
  }
  test.each([
    ['net:example.org', 'example.org', 443, true],
    ['net:example.org', 'example.org', 8443, true],
    ['net:example.org:443', 'example.org', 443, true],
    ['net:example.org:443', 'example.org', 80, false],
    ['net:example.org', 'www.example.org', 443, false],
    ['net:example.org', 'notexample.org', 443, false],
    ['net:*.example.org', 'www.example.org', 443, true],
    ['net:*.example.org', 'a.b.example.org', 443, true],
    ['net:*.example.org', 'example.org', 443, false],
    ['net:*.example.org', 'evilexample.org', 443, false],
    ['net:*.example.org', 'example.org.evil.test', 443, false],
    ['net:*.example.org:80', 'www.example.org', 443, false],
    ['net:*', 'anything.test', 443, true],
    ['net:[2606:4700::1]:443', '[2606:4700::1]', 443, true],
    ['network:example.org', 'example.org', 443, false],
  ])('%s for %s:%i is %s', async (permission, host, port, expected) => {
    expect(await may(permission, host, port)).toBe(expected)
  })

  test('that is revoked holds for no further request', async () => {
    const caller = callerOf(named())
    await ask(caller, 'fetch', order(`http://127.0.0.1:${server.port}/json`))
    ;(caller.permissions as Set<string>).clear()
    await expect(ask(caller, 'fetch', order(`http://127.0.0.1:${server.port}/json`, { id: 2 }))).rejects.toMatchObject({ code: 'CAPABILITY_DENIED' })
    caller.end()
  })
})

describe('a redirect', () => {
  test.each(['http://127.0.0.1:OTHER/json', '//127.0.0.1:OTHER/json', 'http://localhost:OTHER/', 'http://inside.test:OTHER/', 'http://[::1]:OTHER/', 'http://169.254.169.254/latest/meta-data/', 'http://2130706433:OTHER/'])('to %s is refused', async (location) => {
    const before = other.requests
    const to = encodeURIComponent(location.replace('OTHER', String(other.port)))
    expect((await run(`say(await name(() => fetch(base + '/to/${to}')))`, [named(), 'net:*'])).lines).toEqual(['"NotCapable"'])
    expect(other.requests).toBe(before)
  })

  test.each(['file:///etc/passwd', 'data:,x', 'gopher://x/', 'http://'])('to %s is an error', async (location) => {
    expect((await run(`say(await name(() => fetch(base + '/to/${encodeURIComponent(location)}')))`, [named()])).lines).toEqual(['"TypeError"'])
  })

  test('to another origin takes along neither authorization nor cookies, to the same one both', async () => {
    const headers = `{ headers: { authorization: 'secret', cookie: 'secret' } }`
    const script = `for (const to of [other + '/echo', base + '/echo']) { const { authorization, cookie } = await (await fetch(base + '/to/' + encodeURIComponent(to), ${headers})).json(); say([authorization, cookie]) }`
    expect((await run(script, [named(), `net:127.0.0.1:${other.port}`])).lines).toEqual(['[null,null]', '["secret","secret"]'])
  })

  test('is followed twenty times and no further', async () => {
    expect((await run(`say(await name(() => fetch(base + '/loop')))`, [named()])).lines).toEqual(['"TypeError"'])
    const steps = (count: number) => `say(await name(async () => (await fetch(base + '/steps/${count}')).status))`
    expect((await run(steps(20), [named()])).lines).toEqual(['200'])
    expect((await run(steps(21), [named()])).lines).toEqual(['"TypeError"'])
  })
})

describe('a message', () => {
  test.each([
    ['a header value with a line end', { headers: [['a', 'b\r\nc: d']] }],
    ['a header value with NUL', { headers: [['a', 'b\0']] }],
    ['a header value beyond Latin-1', { headers: [['a', '\u010a']] }],
    ['a header name with a colon', { headers: [['a: b\r\nc', 'd']] }],
    ['an empty header name', { headers: [['', 'd']] }],
    ['a method with a line end', { method: 'GET / HTTP/1.1\r\nhost: x\r\n\r\nGET' }],
    ['CONNECT', { method: 'CONNECT' }],
    ['too many headers', { headers: Array.from({ length: NET_CAPS.headers + 1 }, (_, i) => [`a${i}`, '']) }],
    ['headers that are too long', { headers: [['a', 'x'.repeat(NET_CAPS.headerLength)]] }],
    ['a scheme that is none of the web', { url: 'file:///etc/passwd' }],
    ['a URL that is too long', { url: `http://127.0.0.1/${'x'.repeat(NET_CAPS.urlLength)}` }],
    ['a body that is none', { body: 5 }],
    ['no number', { id: 'x' }],
  ])('with %s leaves the host nowhere', async (_, more) => {
    const before = server.requests
    await expect(ask(callerOf(named()), 'fetch', order(`http://127.0.0.1:${server.port}/json`, more))).rejects.toMatchObject({ code: 'INVALID' })
    expect(server.requests).toBe(before)
  })

  test('with as many and as long headers as may be goes out', async () => {
    const headers = [...Array.from({ length: NET_CAPS.headers - 1 }, (_, i) => [`a${i}`, '']), ['long', 'x'.repeat(4_000)]]
    const caller = callerOf(named())
    expect(await ask(caller, 'fetch', order(`http://127.0.0.1:${server.port}/json`, { headers }))).toContain('"status":200')
    caller.end()
  })

  test('says where it ends and whom it is for by the word of the host alone', async () => {
    const forged = { host: 'evil.test', 'content-length': '0', 'transfer-encoding': 'chunked', connection: 'upgrade', upgrade: 'h2c', te: 'trailers', expect: '100-continue', 'proxy-authorization': 'x', 'keep-alive': 'x' }
    const script = `const raw = await (await fetch(base.replace('//', '//user:password@') + '/head', { method: 'POST', body: 'abc', headers: ${JSON.stringify(forged)} })).json(); const seen = {}; for (let i = 0; i < raw.length; i += 2) (seen[raw[i].toLowerCase()] ??= []).push(raw[i + 1]); say(seen)`
    const [line = ''] = (await run(script, [named()])).lines
    const seen = JSON.parse(line) as Record<string, string[]>
    expect(seen).toMatchObject({ host: [`127.0.0.1:${server.port}`], 'content-length': ['3'], connection: ['keep-alive'] })
    for (const name of ['transfer-encoding', 'upgrade', 'te', 'expect', 'proxy-authorization', 'keep-alive', 'authorization', 'cookie']) expect(seen[name]).toBeUndefined()
  })

  test('with a line end in its URL is one request for one path', async () => {
    const script = `say(await (await fetch(base + '/he\\r\\nad\\r\\nHost: x')).text())`
    expect((await run(script, [named()])).lines).toEqual(['"not found"'])
  })
})

describe('a server', () => {
  async function withRaw(reply: string, check: (port: number) => Promise<void>): Promise<void> {
    const raw = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(reply))
    })
    await new Promise<void>((done) => raw.listen(0, '127.0.0.1', done))
    const { port } = raw.address() as { port: number }
    await check(port)
    await new Promise((done) => raw.close(done))
  }
  const told = (port: number) => ask(callerOf(`net:127.0.0.1:${port}`), 'fetch', order(`http://127.0.0.1:${port}/`)).catch((error: Error) => error.message)

  test.each([
    ['speaks no HTTP', 'SSH-2.0-x\r\n\r\n', /the response is no HTTP$/],
    ['sends headers without end', `HTTP/1.1 200 OK\r\n${`${'a'.repeat(100)}: b\r\n`.repeat(1_000)}`, /the headers of the response are too large$/],
    ['closes at once', '', /the connection was closed$/],
    ['has two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', /the response is no HTTP$/],
    ['has a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', /the response is no HTTP$/],
  ])('that %s is an error', async (_, reply, message) => {
    await withRaw(reply, async (port) => expect(await told(port)).toMatch(message))
  })

  test('that is not there is an error that names no address of the host', async () => {
    const message = await told(1)
    expect(message).toBe('cannot fetch http://127.0.0.1:1/, the connection was refused')
  })

  test('that never answers is let go of when the execution ends', async () => {
    const { error } = await run(`await fetch(base + '/never')`, [named()], 'maxExecutionMs: 400')
    expect(error).toMatchObject({ code: 'TIMEOUT' })
    await expect.poll(() => server.waiting).toBe(0)
  })

  test('that never stops is let go of when the execution ends', async () => {
    const { error } = await run(`const { body } = await fetch(base + '/flood'); for await (const _ of body);`, [named()], 'maxExecutionMs: 1500')
    expect(error?.code).toMatch(/TIMEOUT|SIZE_LIMIT|MODULE_FAILED/)
    await expect.poll(() => server.waiting).toBe(0)
  })

  test('that floods is held back by who does not read', async () => {
    const before = server.sentBytes
    await run(`const { body } = await fetch(base + '/flood'); const reader = body.getReader(); await reader.read(); await new Promise((done) => setTimeout(done, 500)); await reader.cancel()`, [named()])
    expect(server.sentBytes - before).toBeLessThan(32 * 1024 * 1024)
    await expect.poll(() => server.waiting).toBe(0)
  })
})

describe('a limit', () => {
  async function readAll(caller: Caller, id: number): Promise<number> {
    for (let length = 0; ; ) {
      const piece = await ask(caller, 'fetch.read', `{"id":${id}}`)
      length += Buffer.byteLength(piece.slice(1), 'base64')
      if (piece.startsWith('.')) return length
    }
  }

  test('holds for what comes out of a compressed body, in all bodies of an execution together', async () => {
    const caller = callerOf(named())
    const half = NET_CAPS.receivedBytes / 2
    for (const id of [1, 2]) {
      await ask(caller, 'fetch', order(`http://127.0.0.1:${server.port}/bomb/${half}`, { id }))
      expect(await readAll(caller, id)).toBe(half)
    }
    await ask(caller, 'fetch', order(`http://127.0.0.1:${server.port}/bomb/1000`, { id: 3 }))
    await expect(readAll(caller, 3)).rejects.toMatchObject({ code: 'SIZE_LIMIT', details: { limit: 'receivedBytes' } })
    caller.end()
  })

  test('holds for what is sent', async () => {
    const caller = callerOf(named())
    const piece = Buffer.alloc(512 * 1024).toString('base64')
    const head = ask(caller, 'fetch', order(`http://127.0.0.1:${server.port}/length`, { method: 'POST', body: 'stream' }))
    head.catch(() => {})
    for (let sent = 0; sent < NET_CAPS.sentBytes; sent += 512 * 1024) await ask(caller, 'fetch.write', `{"id":1,"bytes":"${piece}"}`)
    await expect(ask(caller, 'fetch.write', `{"id":1,"bytes":"AAAA"}`)).rejects.toMatchObject({ code: 'SIZE_LIMIT', details: { limit: 'sentBytes' } })
    await expect(head).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    caller.end()
  })

  test('holds for exchanges at one time: a module has so many, and more of them wait', async () => {
    const caller = callerOf(named())
    const heads = Array.from({ length: NET_CAPS.openPerExecution }, (_, id) => ask(caller, 'fetch', order(`http://127.0.0.1:${server.port}/never`, { id: id + 1 })))
    const ended = Promise.allSettled(heads)
    await expect.poll(() => server.waiting).toBe(NET_CAPS.open)
    await expect(ask(caller, 'fetch', order(`http://127.0.0.1:${server.port}/never`, { id: 9_999 }))).rejects.toMatchObject({ code: 'CALL_LIMIT', details: { limit: 'openPerExecution' } })
    caller.end()
    expect((await ended).every(({ status }) => status === 'rejected')).toBe(true)
    await expect.poll(() => server.waiting).toBe(0)
    const next = callerOf(named())
    expect(await ask(next, 'fetch', order(`http://127.0.0.1:${server.port}/json`))).toContain('"status":200')
    next.end()
  })

  test('holds for thousands of fetches, of which the server sees few at one time', async () => {
    server.resetMost()
    const script = `const all = await Promise.all(Array.from({ length: 2000 }, () => name(async () => (await fetch(base + '/json')).status))); const count = {}; for (const one of all) count[one] = (count[one] ?? 0) + 1; say(count)`
    const { lines, error } = await run(script, [named()])
    expect(error).toBeUndefined()
    expect(JSON.parse(lines[0] ?? '')).toEqual({ 200: 1000, QuotaExceeded: 1000 })
    expect(server.most).toBeLessThanOrEqual(NET_CAPS.open)
  })
})

test('what an execution has open ends with it, and is nobody else\'s', async () => {
  const [one, two] = [callerOf(named()), callerOf(named())]
  await ask(one, 'fetch', order(`http://127.0.0.1:${server.port}/endless`))
  await expect(ask(two, 'fetch.read', '{"id":1}')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(ask(one, 'fetch', order(`http://127.0.0.1:${server.port}/json`))).rejects.toMatchObject({ code: 'INVALID' })
  expect(server.waiting).toBe(1)
  one.end()
  await expect.poll(() => server.waiting).toBe(0)
  await expect(ask(one, 'fetch.read', '{"id":1}')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

test('a body that is not compressed as it says is an error', async () => {
  expect((await run(`say(await name(async () => (await fetch(base + '/badgzip')).text()))`, [named()])).lines).toEqual(['"TypeError"'])
})
