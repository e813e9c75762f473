import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NET_CAPS } from '../bridge/net-caps.ts'
import { netCapabilities, type NetCapabilities } from '../bridge/net.host.ts'
import { callerOf } from './caller.ts'
import { type Loopback, openLoopback } from './loopback.ts'
import { openWebLab, type WebLab } from './web-lab.ts'

let lab: WebLab
let server: Loopback
let net: NetCapabilities
let scripts = 0

beforeAll(async () => {
  server = await openLoopback()
  net = netCapabilities({ resolve: async () => ['127.0.0.1'] })
  lab = await openWebLab(net.capabilities)
})
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await net[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const HELP = `
const say = (value: unknown) => console.log(JSON.stringify(value))
const ending = (socket: WebSocket) => new Promise<CloseEvent>((done) => (socket.onclose = done))
const opening = (socket: WebSocket) => new Promise((done) => (socket.onopen = done))`

async function run(script: string, permissions: string[], limits?: string) {
  const file = join(lab.folder, `socket-${++scripts}.ts`)
  await writeFile(file, `${HELP}\nconst base = 'ws://127.0.0.1:${server.port}'\n${script}`)
  return lab.run(file, { permissions, ...(limits !== undefined && { limits }) })
}
const named = () => `net:127.0.0.1:${server.port}`

test('a host that was not granted, or is no public one, is refused, and the refusal noted', async () => {
  const script = `for (const host of ['127.0.0.1', 'localhost', '2130706433', '[::ffff:127.0.0.1]', 'inside.test']) {
    const socket = new WebSocket('ws://' + host + ':${server.port}/ws')
    let message; socket.onerror = (event) => (message = event.message)
    const { wasClean } = await ending(socket)
    say([wasClean, message.includes('granted by itself')])
  }`
  const before = server.sockets
  expect((await run(script, ['net:*'])).lines).toEqual(Array.from({ length: 5 }, () => '[false,true]'))
  expect(lab.violations).toHaveLength(5)
  expect(server.sockets).toBe(before)
})

test('a message of a megabyte is passed on, both ways, and a larger one ends the connection', async () => {
  const script = `const socket = new WebSocket(base + '/ws'); await opening(socket)
    socket.binaryType = 'arraybuffer'
    socket.send(new Uint8Array(900_000))
    say((await new Promise((done) => (socket.onmessage = done))).data.byteLength)
    socket.close(); say((await ending(socket)).wasClean)
    const huge = new WebSocket(base + '/ws/huge'); say((await ending(huge)).code)`
  expect((await run(script, [named()])).lines).toEqual(['900000', 'true', '1006'])
})

test('who does not read is not sent more than waits', async () => {
  const script = `const socket = new WebSocket(base + '/ws/flood'); await opening(socket); await new Promise((done) => setTimeout(done, 300)); say('quiet'); const until = Date.now() + 500; while (Date.now() < until); socket.close(); say((await ending(socket)).wasClean !== undefined)`
  const { lines, error } = await run(script, [named()])
  expect(error).toBeUndefined()
  expect(lines).toEqual(['"quiet"', 'true'])
  await expect.poll(() => server.sockets).toBe(0)
})

test('of messages without a byte no more wait than of others', async () => {
  const caller = callerOf(named())
  const ask = async (name: string, args: object) => JSON.parse((await net.capabilities[name]?.run(caller, JSON.stringify({ id: 1, ...args }))) || 'null') as unknown
  await ask('socket', { url: `ws://127.0.0.1:${server.port}/ws/empty`, protocols: [] })
  const most = NET_CAPS.chunkBytes / 128
  await expect.poll(async () => ((await ask('socket.read', {})) as unknown[]).length, { interval: 200, timeout: 20_000 }).toBe(most)
  for (let reads = 0; reads < 50; reads++) expect(((await ask('socket.read', {})) as unknown[]).length).toBeLessThanOrEqual(most)
  caller.end()
  await expect.poll(() => server.sockets).toBe(0)
})

test('a module has so many open at one time, and more of them wait', async () => {
  const caller = callerOf(named())
  const ask = async (name: string, id: number, args: object = {}) => net.capabilities[name]?.run(caller, JSON.stringify({ id, ...args }))
  const open = (id: number) => ask('socket', id, { url: `ws://127.0.0.1:${server.port}/ws`, protocols: [] })
  await Promise.all(Array.from({ length: NET_CAPS.open }, (_, id) => open(id)))
  expect(server.sockets).toBe(NET_CAPS.open)
  const next = open(NET_CAPS.open)
  await ask('socket.send', 0, { text: 'hello' })
  await ask('socket.read', 0)
  expect(server.sockets).toBe(NET_CAPS.open)
  await ask('socket.close', 0, { code: 1000 })
  expect(await next).toContain('protocol')
  caller.end()
  await expect.poll(() => server.sockets).toBe(0)
})

test('what is open ends with its execution', async () => {
  const { error } = await run(`await opening(new WebSocket(base + '/ws')); say('open'); await new Promise(() => setInterval(() => {}, 100))`, [named()], 'maxExecutionMs: 800')
  expect(error).toMatchObject({ code: 'TIMEOUT' })
  await expect.poll(() => server.sockets).toBe(0)
})

test('what is sent before a close arrives, and nothing after it', async () => {
  const script = `const socket = new WebSocket(base + '/ws'); await opening(socket)
    const seen = []; socket.onmessage = ({ data }) => seen.push(data)
    for (let i = 0; i < 50; i++) socket.send(String(i))
    await new Promise((done) => { socket.addEventListener('message', ({ data }) => data === '49' && done()) })
    socket.close(); socket.send('late')
    await ending(socket); say(seen.length)`
  expect((await run(script, [named()])).lines).toEqual(['50'])
})
