import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { WebSocketServer } from 'ws'

/** An HTTP server on loopback that answers as scripts of fixtures/web-net expect. */
export interface Loopback extends AsyncDisposable {
  readonly port: number
  /** Requests that were begun. */
  readonly requests: number
  /** Those that are not answered to their end, and the most that were so at one time. */
  readonly waiting: number
  readonly most: number
  resetMost(): void
  readonly sentBytes: number
  /** WebSockets that are open. */
  readonly sockets: number
}

export async function openLoopback(): Promise<Loopback> {
  let requests = 0
  let waiting = 0
  let most = 0
  let sentBytes = 0
  const server = createServer((request, response) => {
    requests++
    most = Math.max(most, ++waiting)
    response.on('close', () => {
      waiting--
      sentBytes += request.socket.bytesWritten
    })
    response.on('error', () => {})
    answer(request, response)
  })
  const sockets = new WebSocketServer({ server, handleProtocols: (names) => (names.has('two') ? 'two' : false) })
  sockets.on('connection', (socket, request) => {
    socket.on('error', () => {})
    if (request.url === '/ws/bye') socket.close(4001, 'bye')
    if (request.url === '/ws/cut') socket.terminate()
    if (request.url === '/ws/many') for (let i = 0; i < 1000; i++) socket.send(String(i))
    if (request.url === '/ws/flood') {
      const more = () => void (socket.readyState === socket.OPEN && socket.send('x'.repeat(50_000), () => setImmediate(more)))
      more()
    }
    if (request.url === '/ws/empty') {
      const more = () => {
        for (let i = 0; i < 1_000; i++) socket.send('')
        socket.send('', () => socket.readyState === socket.OPEN && setImmediate(more))
      }
      more()
    }
    if (request.url === '/ws/huge') socket.send(Buffer.alloc(2 * 1024 * 1024))
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    port: (server.address() as AddressInfo).port,
    get requests() {
      return requests
    },
    get waiting() {
      return waiting
    },
    get most() {
      return most
    },
    resetMost() {
      most = 0
    },
    get sockets() {
      return sockets.clients.size
    },
    get sentBytes() {
      return sentBytes
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, route = '', first = '', second = ''] = (request.url ?? '').split('/')
  const send = (status: number, body: string | Buffer, headers: Record<string, string | string[]> = {}) => void response.writeHead(status, headers).end(body)
  const routes: Record<string, () => void> = {
    json: () => send(200, '{"hello":"world"}', { 'content-type': 'application/json' }),
    text: () => send(200, 'h\u00e9llo'),
    status: () => send(Number(first), first === '204' ? '' : 'body'),
    number: () => send(200, first),
    bytes: () => send(200, Buffer.alloc(Number(first), 7)),
    gzip: () => send(200, gzipSync('squeezed'), { 'content-encoding': 'gzip' }),
    br: () => send(200, brotliCompressSync('squeezed'), { 'content-encoding': 'br' }),
    bomb: () => send(200, gzipSync(Buffer.alloc(Number(first)), { level: 1 }), { 'content-encoding': 'gzip' }),
    badgzip: () => send(200, 'plain', { 'content-encoding': 'gzip' }),
    steps: () => (first === '1' ? send(302, '', { location: '/json' }) : send(302, '', { location: `/steps/${Number(first) - 1}` })),
    cookies: () => send(200, '', { 'set-cookie': ['a=1', 'b=2'] }),
    redirect: () => send(Number(first), '', { location: `/${second}` }),
    loop: () => send(302, '', { location: '/loop' }),
    to: () => send(302, '', { location: decodeURIComponent(first) }),
    events: () => {
      const last = request.headers['last-event-id']
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const text = last === undefined ? ': hi\nretry: 30\n\ndata: one\n\nevent: named\ndata: two\ndata:three\nid: 7\n\nid: 8\r\ndata\r\n\r\nnothing\n\ndata: h\u00e9\r' : `data: again after ${last}\n\n`
      response.end(`${text}\n\ndata: not finished`)
    },
    never: () => {},
    cut: () => {
      response.writeHead(200, { 'content-length': '100' }).write('abc')
      setTimeout(() => response.destroy(), 20)
    },
    endless: () => {
      const timer = setInterval(() => response.write('x'.repeat(1000)), 10)
      response.on('close', () => clearInterval(timer))
    },
    flood: () => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      }
      response.on('drain', more)
      more()
    },
    chunks: () => {
      for (let i = 0; i < 20; i++) response.write('x'.repeat(i * 100))
      response.end()
    },
    length: () => void collect(request).then((body) => send(200, String(body.length))),
    echo: () =>
      void collect(request).then((body) => {
        const { 'content-type': type, 'content-length': length, 'x-a': a, cookie = null, authorization = null } = request.headers
        send(200, JSON.stringify({ method: request.method, body: body.toString('latin1'), type, length, a, cookie, authorization }))
      }),
    head: () => send(200, JSON.stringify(request.rawHeaders)),
  }
  const run = routes[route]
  if (run) run()
  else send(404, 'not found')
}

/** Pending where the request never ends. */
function collect(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  return new Promise((done) => {
    request.on('error', () => {}).on('end', () => done(Buffer.concat(parts)))
  })
}
