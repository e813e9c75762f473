import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const DENO = [createRequire(import.meta.url).resolve('deno/bin.cjs'), 'run', '-A']
const BULKHEAD = ['api/cli/bulkhead.ts', 'run', '-A']
const PATIENT = { timeout: 60_000, interval: 100 }

vi.setConfig({ testTimeout: 150_000 })

/** The same script, served by Deno and by `bulkhead run`. */
const hosts: Array<{ port: number; process: ChildProcess }> = []

beforeAll(async () => {
  for (const command of [DENO, BULKHEAD]) hosts.push(await start(command))
}, 120_000)
afterAll(() => {
  // Deno's launcher has the binary as a child of its own.
  for (const { process: child } of hosts) process.kill(-(child.pid as number), 'SIGKILL')
})

async function start(command: string[]): Promise<(typeof hosts)[number]> {
  const port = await freePort()
  const child = spawn(process.execPath, [...command, 'fixtures/deno/sockets.ts', String(port)], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  let output = ''
  child.stdout?.on('data', (data) => (output += data))
  await vi.waitFor(() => expect(output).toContain('listening'), { timeout: 60_000, interval: 50 })
  await vi.waitFor(() => fetch(`http://127.0.0.1:${port}/told`), PATIENT)
  return { port, process: child }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return port
}

/** What both say to the same client, which has to be the same. */
async function both<Said>(say: (address: string) => Promise<Said>): Promise<Said> {
  const [deno, here] = await Promise.all(hosts.map(({ port }) => say(`127.0.0.1:${port}`)))
  expect(here).toEqual(deno)
  return here as Said
}

type Message = string | number[]

/** Opens a socket, sends each message once the one before was answered, and closes it; with what the script tells of that. */
async function talk(address: string, path: string, { protocols = [], messages = [], replies = messages.length, close }: { protocols?: string[]; messages?: Message[]; replies?: number; close?: [number?, string?] }) {
  const socket = new WebSocket(`ws://${address}${path}`, protocols)
  socket.binaryType = 'arraybuffer'
  const got: unknown[] = []
  let ended = false
  socket.addEventListener('open', () => got.push(['open', socket.protocol, socket.extensions]))
  socket.addEventListener('message', ({ data }) => got.push(typeof data === 'string' ? data : [...new Uint8Array(data as ArrayBuffer)]))
  socket.addEventListener('error', () => got.push('error'))
  socket.addEventListener('close', ({ code, reason, wasClean }) => {
    got.push(['close', code, reason, wasClean])
    ended = true
  })
  await once(socket, 'open')
  for (const message of messages) {
    const before = got.length
    socket.send(typeof message === 'string' ? message : new Uint8Array(message))
    if (replies > 0) await vi.waitFor(() => expect(got.length).toBeGreaterThan(before), PATIENT)
  }
  if (replies > messages.length) await vi.waitFor(() => expect(got.length).toBeGreaterThan(replies), PATIENT)
  if (close) socket.close(...close)
  await vi.waitFor(() => expect(ended).toBe(true), PATIENT)
  return { got, told: await toldOf(address) }
}

/** All that the script has told, once it has told of a close. */
async function toldOf(address: string): Promise<unknown[]> {
  const told: unknown[] = []
  await vi.waitFor(async () => {
    told.push(...((await (await fetch(`http://${address}/told`)).json()) as unknown[]))
    expect(JSON.stringify(told)).toContain('"close"')
  }, PATIENT)
  return told
}

test('messages of text and bytes come and go as in Deno', async () => {
  const { got, told } = await both((address) => talk(address, '/echo', { messages: ['a', '', 'ä\u{1f600}', [1, 2, 255], []], close: [3000, 'done'] }))
  expect(got).toEqual([['open', '', ''], 'a', '', 'ä\u{1f600}', [1, 2, 255], [], ['close', 3000, 'done', true]])
  expect(told).toHaveLength(9)
  await both((address) => talk(address, '/blob', { messages: [[1, 2]], close: [] }))
})

test('a socket is closed as in Deno, by either side, and goes on after a listener that throws', async () => {
  const { told } = await both((address) => talk(address, '/closes', { messages: ['throw', 'bye'], replies: 0 }))
  await both((address) => talk(address, '/closes', { messages: ['away'], replies: 0 }))
  expect(told).toContainEqual(['uncaught', 'Uncaught Error: in a listener'])
  await both((address) => talk(address, '/echo', { close: [] }))
})

test('a protocol is chosen from those that the client offers, and no other', async () => {
  const { got } = await both((address) => talk(address, '/protocol', { protocols: ['first', 'second'] }))
  expect(got[0]).toEqual(['open', 'second', ''])
})

test('a request is upgraded once, and opened when its handler returns', async () => {
  const { told } = await both((address) => talk(address, '/twice', { messages: ['x'], close: [3001] }))
  expect(told).toContainEqual(['Http', 'Http', 'Already upgraded'])
  await both((address) => talk(address, '/late', { replies: 1, close: [3001] }))
})

test('what is no request for a socket is refused with the words of Deno', async () => {
  const wanted = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
  const without = (name: keyof typeof wanted) => Object.fromEntries(Object.entries(wanted).filter(([other]) => other !== name))
  const refused = [{}, { connection: 'Upgrade' }, { ...wanted, upgrade: 'h2c' }, { ...wanted, connection: 'keep-alive' }, without('sec-websocket-key'), without('upgrade')]
  for (const headers of refused) {
    const { body } = await both((address) => get(`http://${address}/attempt`, headers))
    expect(body).toContain('TypeError')
  }
  expect(JSON.parse((await both((address) => get(`http://${address}/by-hand`, {}))).body)).toEqual([0, 101, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='])
})

function get(url: string, headers: Record<string, string>): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(url, { headers, agent: false }, (answer) => {
      let body = ''
      answer.on('data', (chunk) => (body += chunk))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
    })
    asked.on('error', reject)
    asked.end()
  })
}
