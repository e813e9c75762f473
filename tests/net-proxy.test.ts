import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { netCapabilities, type NetCapabilities } from '../bridge/net.host.ts'
import { type Loopback, openLoopback } from './loopback.ts'
import { openWebLab, type WebLab } from './web-lab.ts'

let lab: WebLab
let server: Loopback
let proxy: Server
let net: NetCapabilities
const tunnels: Array<[target: string | undefined, authorization: string | undefined]> = []

beforeAll(async () => {
  server = await openLoopback()
  proxy = createServer((_, response) => response.writeHead(500).end())
  // Whatever it is asked for is on this machine here.
  proxy.on('connect', (request, socket) => {
    tunnels.push([request.url, request.headers['proxy-authorization']])
    const onwards = connect(server.port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    for (const [from, to] of [[socket, onwards], [onwards, socket]] as const) from.on('error', () => to.destroy()).pipe(to)
  })
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
  net = netCapabilities({ proxy: `http://user:p%40ss@127.0.0.1:${(proxy.address() as AddressInfo).port}`, resolve: async () => ['93.184.216.34'] })
  lab = await openWebLab(net.capabilities)
})
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await net[Symbol.asyncDispose]()
  proxy.closeAllConnections()
  await new Promise((done) => proxy.close(done))
  await server[Symbol.asyncDispose]()
})

test('with a proxy everything goes through it, to the address that was checked and not by its name', async () => {
  const file = join(lab.folder, 'script.ts')
  await writeFile(file, `
    console.log(JSON.stringify(await (await fetch('http://example.org:8080/json')).json()))
    const socket = new WebSocket('ws://example.org:9090/ws')
    await new Promise((done) => (socket.onopen = done))
    socket.send('through')
    console.log((await new Promise((done) => (socket.onmessage = done))).data)
    socket.close()
    const conn = await Deno.connect({ hostname: 'example.org', port: 7070 })
    await conn.write(new TextEncoder().encode('GET /json HTTP/1.0\\r\\n\\r\\n'))
    console.log((await new Response(conn.readable).text()).split('\\r\\n\\r\\n')[1])
    console.log(JSON.stringify([conn.remoteAddr, conn.localAddr.hostname]))
    console.log(await fetch('http://127.0.0.1:${server.port}/json').catch((error) => error.name))`)
  const { lines, error } = await lab.run(file, { permissions: ['net:example.org'] })
  expect(error).toBeUndefined()
  const address = '{"hostname":"93.184.216.34","port":7070,"transport":"tcp"}'
  expect(lines).toEqual(['{"hello":"world"}', 'through', '{"hello":"world"}', `[${address},"127.0.0.1"]`, 'NotCapable'])
  const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`
  expect(tunnels).toEqual([['93.184.216.34:8080', authorization], ['93.184.216.34:9090', authorization], ['93.184.216.34:7070', authorization]])
})
