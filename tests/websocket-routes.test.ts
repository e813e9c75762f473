import { once } from 'node:events'
import { createServer, request as httpRequest, type Server as HttpServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket as WsClient } from 'ws'
import { createApp } from '../api/app.ts'
import { listen } from '../api/server.ts'
import { SOCKET_LIMITS } from '../bridge/websocket-limits.ts'
import { ensureAdminKey } from '../runtime/store/keys.ts'
import { type Lab, openLab } from './module-lab.ts'

const PUBLIC = 'routes: { auth: public }\npermissions: [log, kv, routes:public]\nlimits: { maxExecutionMs: 20000, maxCpuMs: 20000, maxConcurrency: 16 }'
const HASTY = PUBLIC.replace('maxExecutionMs: 20000', 'maxExecutionMs: 5000')
const ADMIN = 'k'.repeat(40)
const PATIENT = { timeout: 60_000, interval: 100 }

vi.setConfig({ testTimeout: 150_000 })

const ECHO = `
const closed = []
Deno.serve((request) => {
  const { pathname } = new URL(request.url)
  if (pathname === '/closed') return Response.json(closed)
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: pathname === '/idle' ? 1 : 120 })
  socket.onmessage = ({ data }) => socket.send(data)
  socket.onclose = ({ code, reason, wasClean }) => closed.push([code, reason, wasClean])
  return response
})`

const MISUSES = `const events = []
    Deno.serve((request) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/events') return Response.json(events)
      if (pathname === '/101') return new Response(null, { status: 101 })
      if (pathname === '/plain') return new Response('no socket here', { status: 403 })
      const { socket, response } = Deno.upgradeWebSocket(request)
      for (const type of ['open', 'error', 'close']) socket.addEventListener(type, () => events.push(type))
      if (pathname === '/twice') try { Deno.upgradeWebSocket(request) } catch (error) { events.push(error.name + ': ' + error.message) }
      if (pathname === '/other') return new Response('something else')
      if (pathname === '/never') return new Promise(() => {})
      if (pathname === '/throws') throw new Error('after the upgrade')
      if (pathname === '/copy') return new Response(null, response)
      return response
    })`

const MODULES: Record<string, [yaml: string, code: string]> = {
  echo: [PUBLIC, ECHO],
  locked: ['permissions: [log]', ECHO],
  reloaded: [PUBLIC, ECHO],
  switched: [PUBLIC, ECHO],
  revoked: [PUBLIC, ECHO],
  crowded: [PUBLIC, ECHO],
  fresh: [`context: fresh\n${PUBLIC}`, `export default { fetch(request) { try { Deno.upgradeWebSocket(request) } catch (error) { return new Response(error.name + ': ' + error.message) } } }`],
  keeps: [
    PUBLIC,
    `const kv = await Deno.openKv()
    let ticks = 0
    Deno.serve((request) => {
      const { socket, response } = Deno.upgradeWebSocket(request)
      socket.onmessage = async ({ data }) => {
        if (data === 'tick') return setInterval(() => socket.send('tick ' + ++ticks), 50)
        const { value } = await kv.get(['count'])
        await new Promise((resolve) => setTimeout(resolve, 20))
        await kv.set(['count'], (value ?? 0) + 1)
        socket.send('count ' + ((value ?? 0) + 1))
      }
      return response
    })`,
  ],
  rooms: [
    PUBLIC,
    `const all = new Set()
    Deno.serve((request) => {
      const { socket, response } = Deno.upgradeWebSocket(request)
      socket.onopen = () => all.add(socket)
      socket.onclose = () => all.delete(socket)
      socket.onmessage = ({ data }) => all.forEach((other) => other.send(data))
      return response
    })`,
  ],
  misuses: [HASTY, MISUSES],
  breaks: [PUBLIC, MISUSES],
  slow: [
    HASTY.replace('[log', '["net:127.0.0.1:SILENT", log'),
    `let received = 0
    Deno.serve((request) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/received') return Response.json(received)
      const { socket, response } = Deno.upgradeWebSocket(request)
      socket.onmessage = async ({ data }) => {
        received++
        if (data === 'loop') for (;;) {}
        if (data.startsWith('http:')) await fetch(data)
      }
      return response
    })`,
  ],
  floods: [
    PUBLIC,
    `let last = {}
    Deno.serve((request) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/last') return Response.json(last)
      const { socket, response } = Deno.upgradeWebSocket(request)
      let sent = 0
      last = {}
      const piece = new Uint8Array(100_000)
      const more = () => {
        for (let n = 0; n < 10 && socket.readyState === 1; n++) { socket.send(piece); sent++ }
        last.sent = sent
        if (socket.readyState === 1) setTimeout(more, 5)
      }
      socket.onopen = () => {
        if (pathname === '/huge') return socket.send('x'.repeat(${SOCKET_LIMITS.messageBytes} + 1))
        if (pathname === '/large') return socket.send('\\u0001'.repeat(${SOCKET_LIMITS.messageBytes}))
        more()
      }
      socket.onerror = ({ message }) => (last.error = message)
      socket.onclose = ({ code }) => (last.code = code)
      return response
    })`,
  ],
}

let lab: Lab
let server: Awaited<ReturnType<typeof listen>>
/** Which answers nothing. */
let silent: HttpServer
let silentUrl: string
let app: ReturnType<typeof createApp>
let base: string
const open = new Set<WsClient>()

const serve = (drainMs: number) => listen({ fetch: (request, from) => app.fetch(request, from), host: '127.0.0.1', port: 0, drainMs })

beforeAll(async () => {
  silent = createServer(() => {})
  await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
  silentUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`
  lab = await openLab()
  for (const [name, [yaml, code]] of Object.entries(MODULES)) await lab.write(name, yaml.replace('SILENT', new URL(silentUrl).port), code)
  await lab.start()
  await lab.ready()
  await lab.runtime.permissions.grant('slow', undefined, 'test')
  await ensureAdminKey(lab.database.sql, { folder: lab.folder, preset: ADMIN })
  app = createApp({ runtime: lab.runtime, database: lab.database, log: pino({ level: 'silent' }) })
  server = await serve(5_000)
  base = `127.0.0.1:${server.port}/api/modules`
}, 120_000)
afterAll(async () => {
  for (const client of open) client.terminate()
  silent?.closeAllConnections()
  silent?.close()
  await server?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
})

interface Client {
  ws: WsClient
  messages: string[]
  /** Of its end, once it has come. */
  closed: Array<{ code: number; reason: string }>
}

async function dial(path: string, headers: Record<string, string> = {}): Promise<Client> {
  const ws = new WsClient(`ws://${base}${path}`, { headers })
  open.add(ws)
  const client: Client = { ws, messages: [], closed: [] }
  ws.on('message', (data) => client.messages.push(String(data)))
  ws.on('close', (code, reason) => client.closed.push({ code, reason: String(reason) }))
  ws.on('error', () => {})
  const [event] = await Promise.race([once(ws, 'open').then(() => ['open']), once(ws, 'close')])
  if (event !== 'open') throw new Error('it was refused')
  return client
}

const json = async (path: string) => (await fetch(`http://${base}${path}`)).json()
const endOf = (client: Client) => vi.waitFor(() => expect(client.closed).toHaveLength(1), PATIENT).then(() => client.closed[0])

/** The answer to a request for a socket, as it comes over the wire. */
function ask(path: string, headers: Record<string, string | undefined> = {}): Promise<{ status: number; body: string }> {
  const all = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers }
  const sent = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<string, string>
  return new Promise((resolve, reject) => {
    const asked = httpRequest(`http://${base}${path}`, { headers: sent, agent: false }, (answer) => {
      let body = ''
      answer.on('data', (chunk) => (body += chunk))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
    })
    asked.on('upgrade', (_, socket) => {
      socket.destroy()
      resolve({ status: 101, body: '' })
    })
    asked.on('error', reject)
    asked.end()
  })
}

describe('a socket that a client opens to a module', () => {
  test("is one for Node's own client, which gets back what it sends", async () => {
    const socket = new WebSocket(`ws://${base}/echo/chat`)
    socket.binaryType = 'arraybuffer'
    const messages: unknown[] = []
    socket.addEventListener('message', ({ data }) => messages.push(typeof data === 'string' ? data : [...new Uint8Array(data as ArrayBuffer)]))
    await once(socket, 'open')
    socket.send('größer')
    socket.send(new Uint8Array([1, 2, 3]))
    socket.send('')
    await vi.waitFor(() => expect(messages).toEqual(['größer', [1, 2, 3], '']), PATIENT)
    const ended = once(socket, 'close')
    socket.close(3001, 'bye')
    expect((await ended)[0]).toMatchObject({ code: 3001, wasClean: true })
    await vi.waitFor(async () => expect(await json('/echo/closed')).toContainEqual([3001, 'bye', true]), PATIENT)
  })

  test('carries messages of any length up to the limit, in their order', async () => {
    const client = await dial('/echo')
    const sent = ['a', 'b'.repeat(300_000), 'c', '\u{1f600}"\n'.repeat(1_000), 'd'.repeat(SOCKET_LIMITS.messageBytes), ...Array.from({ length: 500 }, (_, n) => `n${n}`)]
    for (const message of sent) client.ws.send(message)
    await vi.waitFor(() => expect(client.messages).toHaveLength(sent.length), PATIENT)
    expect(client.messages).toEqual(sent)
    client.ws.close()
    expect(await endOf(client)).toMatchObject({ code: 1005 })
  })

  test('is heard by the others, and by timers and the key-value store after the message has been handled', async () => {
    const one = await dial('/rooms')
    one.ws.send('first')
    await vi.waitFor(() => expect(one.messages).toEqual(['first']), PATIENT)
    const two = await dial('/rooms')
    two.ws.send('second') // a client may be connected before the module has been told
    await vi.waitFor(() => expect([one.messages, two.messages]).toEqual([['first', 'second'], ['second']]), PATIENT)
    const keeps = await dial('/keeps')
    for (let n = 0; n < 3; n++) {
      keeps.ws.send('count')
      await vi.waitFor(() => expect(keeps.messages).toContain(`count ${n + 1}`), PATIENT)
    }
    keeps.ws.send('tick')
    await vi.waitFor(() => expect(keeps.messages).toContain('tick 5'), PATIENT)
    for (const client of [one, two, keeps]) client.ws.terminate()
  })

  test('outlives the time of one execution, and the background that it lives in', async () => {
    const client = await dial('/keeps')
    client.ws.send('tick')
    // Its timers run in one background after another, of ten seconds each.
    await vi.waitFor(() => expect(client.messages.length).toBeGreaterThan(240), { timeout: 120_000, interval: 200 })
    expect(client.closed).toEqual([])
    client.ws.terminate()
  })
})

describe('who may open one', () => {
  test('is who may ask for the route: a key for those that are not public', async () => {
    expect((await ask('/locked')).status).toBe(401)
    expect((await ask('/locked', { authorization: `Bearer ${ADMIN.replace('k', 'x')}` })).status).toBe(401)
    expect((await ask('/nobody', { authorization: `Bearer ${ADMIN}` })).status).toBe(404)
    const client = await dial('/locked', { authorization: `Bearer ${ADMIN}` })
    client.ws.send('in')
    await vi.waitFor(() => expect(client.messages).toEqual(['in']), PATIENT)
    client.ws.terminate()
  })

  test('loses it with the key that it was opened with', async () => {
    const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' }
    const made = await app.request('/v1/auth/keys', { method: 'POST', body: JSON.stringify({ name: 'short', scopes: ['modules:execute'] }), headers })
    const { key, row } = (await made.json()) as { key: string; row: { id: string } }
    const client = await dial('/locked', { authorization: `Bearer ${key}` })
    const stays = await dial('/locked', { authorization: `Bearer ${ADMIN}` })
    expect((await app.request(`/v1/auth/keys/${row.id}?confirm=true`, { method: 'DELETE', headers })).status).toBe(200)
    expect(await endOf(client)).toEqual({ code: 1008, reason: 'the API key is not known, or no longer valid' })
    expect(stays.closed).toEqual([])
    stays.ws.terminate()
  })

  test('and with the grant by which anybody may ask', async () => {
    const client = await dial('/revoked')
    await lab.runtime.permissions.revoke('revoked', ['routes:public'], 'test')
    expect(await endOf(client)).toMatchObject({ code: 1008 })
  })

  test('is refused where the module has as many open as it may, until one is closed', async () => {
    const clients = await Promise.all(Array.from({ length: SOCKET_LIMITS.open }, () => dial('/crowded')))
    const refused = await ask('/crowded')
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([503, { error: { code: 'BUSY', details: { limit: 'sockets', value: SOCKET_LIMITS.open } } }])
    expect((await ask('/echo')).status).toBe(101)
    clients[0]?.ws.close()
    await vi.waitFor(async () => expect((await ask('/crowded')).status).toBe(101), PATIENT)
    for (const { ws } of clients) ws.terminate()
    await vi.waitFor(async () => expect((await ask('/crowded')).status).toBe(101), PATIENT)
  })
})

describe('when the module goes', () => {
  test('for another version, its sockets are closed with 1001, and new ones are to the new one', async () => {
    const client = await dial('/reloaded')
    client.ws.send('before')
    await vi.waitFor(() => expect(client.messages).toEqual(['before']), PATIENT)
    await lab.write('reloaded', PUBLIC, ECHO.replace('socket.send(data)', "socket.send('new ' + data)"))
    await lab.runtime.reload('reloaded')
    expect(await endOf(client)).toEqual({ code: 1001, reason: 'the module is unloaded' })
    const next = await dial('/reloaded')
    next.ws.send('x')
    await vi.waitFor(() => expect(next.messages).toEqual(['new x']), PATIENT)
    next.ws.terminate()
  })

  test('as it is disabled, they are closed with 1001', async () => {
    const client = await dial('/switched')
    await lab.runtime.disable('switched')
    expect(await endOf(client)).toMatchObject({ code: 1001 })
    expect((await ask('/switched')).status).toBe(503)
  })

  test('by a limit, they are closed with 1011 and the reason', async () => {
    const [one, two] = [await dial('/slow'), await dial('/slow')]
    one.ws.send('loop')
    for (const client of [one, two]) expect(await endOf(client)).toMatchObject({ code: 1011, reason: expect.stringMatching(/execution ended/) })
    await vi.waitFor(() => expect(lab.runtime.module('slow').status).toBe('ready'), PATIENT)
  })

  test('with its server, they are closed with 1001', async () => {
    const other = await serve(10_000)
    const ws = new WsClient(`ws://127.0.0.1:${other.port}/api/modules/echo`)
    await once(ws, 'open')
    const ended = once(ws, 'close')
    await other[Symbol.asyncDispose]()
    expect((await ended)[0]).toBe(1001)
  })
})

describe('a client that is hostile', () => {
  test('is told what is wrong with its request, which no module sees', async () => {
    expect(await ask('/echo', { 'sec-websocket-version': '12' })).toMatchObject({ status: 426, body: expect.stringContaining('it has to be 13') })
    expect(await ask('/echo', { 'sec-websocket-version': undefined })).toMatchObject({ status: 426 })
    expect(await ask('/echo', { 'sec-websocket-key': 'short' })).toMatchObject({ status: 400, body: expect.stringContaining('16 bytes in base64') })
    expect(await ask('/echo', { host: 'a@b' })).toMatchObject({ status: 400 })
    expect(await ask('/echo', { 'sec-websocket-protocol': 'a b, ,' })).toMatchObject({ status: 400 })
    // For the module these are requests like any other; it throws, and answers as it does then.
    for (const headers of [{ upgrade: undefined, connection: undefined }, { upgrade: 'h2c' }, { 'sec-websocket-key': undefined }]) expect(await ask('/echo', headers)).toMatchObject({ status: 500 })
  })

  test('asks in vain for sockets to what is no module', async () => {
    expect((await ask('/../../v1/modules')).status).toBe(401)
    expect((await ask('/../../healthz')).status).toBe(200)
  })

  test('has its socket closed for a message that is too long', async () => {
    const client = await dial('/echo')
    client.ws.send(Buffer.alloc(SOCKET_LIMITS.messageBytes + 1))
    expect(await endOf(client)).toMatchObject({ code: 1009 })
    await vi.waitFor(async () => expect(await json('/echo/closed')).toContainEqual([0, '', false]), PATIENT)
  })

  test('that floods is read no faster than the module takes it', async () => {
    const socket = await openRaw('/slow')
    const frame = maskedFrame(Buffer.alloc(60_000, 'x'))
    const hang = maskedFrame(Buffer.from(silentUrl))
    for (let n = 0; n < SOCKET_LIMITS.batchesAtOnce; n++) socket.write(hang)
    let sent = 0
    const more = () => {
      while (sent < 2_000 && socket.writable && socket.write(frame)) sent++
      socket.once('drain', more)
    }
    more()
    await once(socket, 'data') // the good-bye, as what hangs is past its time
    expect(sent * frame.length).toBeLessThan(40 * 1024 * 1024) // what kernel and server hold
    expect(await json('/slow/received')).toBeLessThan(200)
    socket.destroy()
  })

  test('that floods with short messages costs the module no restart', async () => {
    const before = lab.eventsOf('rooms').filter((event) => event === 'module:ready').length
    const client = await dial('/rooms')
    for (let n = 0; n < 20_000; n++) client.ws.send('x')
    await vi.waitFor(() => expect(client.messages).toHaveLength(20_000), { timeout: 120_000, interval: 200 })
    expect(lab.eventsOf('rooms').filter((event) => event === 'module:ready')).toHaveLength(before)
    client.ws.terminate()
  })

  test('that pings without end and reads nothing is answered no more than it may have waiting', async () => {
    const socket = await openRaw('/echo')
    socket.pause()
    const ping = Buffer.concat(Array.from({ length: 500 }, () => maskedFrame(Buffer.alloc(120), 0x9)))
    for (let n = 0; n < 100; n++) await new Promise<void>((done) => socket.write(ping, () => done()))
    const client = await dial('/echo')
    client.ws.send('others go on')
    await vi.waitFor(() => expect(client.messages).toEqual(['others go on']), PATIENT)
    socket.destroy()
    client.ws.terminate()
  })

  test('that is gone without a word is found by a ping that it does not answer', async () => {
    const socket = await openRaw('/echo/idle')
    await vi.waitFor(async () => expect(await json('/echo/closed')).toContainEqual([1001, 'No response from ping frame.', false]), PATIENT)
    socket.destroy()
  })

  test('that breaks off is told to the module as an error', async () => {
    const socket = await openRaw('/breaks')
    socket.resetAndDestroy()
    await vi.waitFor(async () => expect(await json('/breaks/events')).toEqual(['open', 'error', 'close']), PATIENT)
  })
})

describe('a module that is hostile', () => {
  test('has its own answer sent where it does not return that of the upgrade', async () => {
    expect(await ask('/misuses/other')).toEqual({ status: 200, body: 'something else' })
    expect(await ask('/misuses/plain')).toEqual({ status: 403, body: 'no socket here' })
    expect(await ask('/misuses/throws')).toEqual({ status: 500, body: 'Internal Server Error' })
    expect((await ask('/misuses/never')).status).toBe(504)
    for (const path of ['101', 'copy']) expect([path, (await ask(`/misuses/${path}`)).status]).toEqual([path, 502])
    expect(await json('/misuses/events')).not.toContain('open')
  })

  test('has no sockets where each execution has a context of its own', async () => {
    expect(await ask('/fresh')).toMatchObject({ status: 200, body: expect.stringMatching(/^NotSupported: .*context: fresh/) })
  })

  test('upgrades a request once', async () => {
    const client = await dial('/misuses/twice')
    await vi.waitFor(async () => expect(await json('/misuses/events')).toEqual(expect.arrayContaining(['Http: Already upgraded', 'open'])), PATIENT)
    client.ws.terminate()
  })

  test('that takes longer for a message than an execution may has that socket closed, and no other', async () => {
    const [one, two] = [await dial('/slow'), await dial('/slow')]
    one.ws.send(silentUrl)
    expect(await endOf(one)).toMatchObject({ code: 1011, reason: expect.stringMatching(/may run for 5000 ms/) })
    expect(two.closed).toEqual([])
    two.ws.terminate()
  })

  test('that sends without end to a client that does not read has its socket closed', async () => {
    const socket = await openRaw('/floods')
    socket.pause()
    await vi.waitFor(async () => expect(await json('/floods/last')).toMatchObject({ error: expect.stringContaining('that the client does not take') }), PATIENT)
    const { sent } = (await json('/floods/last')) as { sent: number }
    expect(sent * 100_000).toBeLessThan(30_000_000) // 8 MiB in the module, the rest in the kernel
    await vi.waitFor(() => expect(lab.runtime.module('floods').status).toBe('ready'))
    socket.destroy()
  })

  test('sends at most so much in one message', async () => {
    const large = await dial('/floods/large')
    await vi.waitFor(() => expect(large.messages[0]).toHaveLength(SOCKET_LIMITS.messageBytes), PATIENT)
    const huge = await dial('/floods/huge')
    expect(await endOf(huge)).toMatchObject({ code: 1009 })
    large.ws.terminate()
  })
})

/** A connection of which nobody reads the frames. */
async function openRaw(path: string): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => {})
  const head = [`GET /api/modules${path} HTTP/1.1`, `host: 127.0.0.1:${server.port}`, 'connection: Upgrade', 'upgrade: websocket', 'sec-websocket-version: 13', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==']
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(String(answer)).toContain('101 Switching Protocols')
  return socket
}

/** A frame as clients send them, with a mask of zeros; of text unless it says otherwise. */
function maskedFrame(payload: Buffer, opcode = 0x1): Buffer {
  const length = payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 0xff]
  return Buffer.concat([Buffer.from([0x80 | opcode, ...length, 0, 0, 0, 0]), payload])
}
