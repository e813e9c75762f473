import { createServer, STATUS_CODES, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { BulkheadError, ERRORS, type ErrorCode } from '../bridge/errors.ts'
import type { Tls } from './tls.ts'
import { openUpgrades, type Upgrade, type Upgrades, wantsWebSocket } from './upgrade.ts'

/** What a connection may cost before a request has come in whole; a slow or silent peer is cut off. */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000, // above the 60 s of common balancers, which would otherwise send into a closing connection
  connectionsCheckingInterval: 2000,
  timeout: 120_000, // of a connection on which nothing moves, such as one whose peer reads no answer
  maxHeaderSize: 16 * 1024,
  maxHeadersCount: 100,
  maxConnections: 4096,
}

const JSON_TYPE = 'application/json; charset=utf-8'

interface Listening extends AsyncDisposable {
  host: string
  port: number
}

export interface Origin {
  /** Of the connection: of a proxy in front, the proxy's. */
  remoteAddress: string | undefined
  upgrade?: Upgrade
}

interface Options {
  /** Given from where it came, and how its connection becomes a web socket where the request is for one. */
  fetch(request: Request, from: Origin): Response | Promise<Response>
  host: string
  /** 0: any free port. */
  port: number
  /** How long requests under way may take when the server is disposed. */
  drainMs: number
  limits?: Partial<typeof LIMITS>
  /** Without it, plain HTTP, as behind a proxy. */
  tls?: Tls | undefined
}

/**
 * Serves HTTP, and web sockets where `fetch` upgrades to one. Disposal takes no new connections, says good-bye to web
 * sockets with 1001, lets requests under way finish for up to `drainMs`, then cuts all.
 *
 * @returns the address, with the port that was free where 0 was asked for
 * @throws BulkheadError `UNAVAILABLE` when the address cannot be listened on
 * @example await using server = await listen({ fetch: app.fetch, host: '127.0.0.1', port: 0, drainMs: 5000 })
 */
export async function listen({ fetch, host, port, drainMs, limits, tls }: Options): Promise<Listening> {
  const { timeout, maxHeadersCount, maxConnections, ...options } = { ...LIMITS, ...limits }
  const listener = getRequestListener((request, { incoming }) => fetch(request, { remoteAddress: incoming.socket.remoteAddress }), { hostname: host, errorHandler: refuseRequest })
  const answer = (...[incoming, outgoing]: Parameters<typeof listener>) => void listener(incoming, outgoing)
  const upgrades = openUpgrades({ fetch, isSecure: tls !== undefined, refuse: refuseRequest })
  const all = { ...options, shouldUpgradeCallback: wantsWebSocket }
  const server = tls ? createSecureServer({ ...all, ...tls, minVersion: 'TLSv1.2' }, answer) : createServer(all, answer)
  server.on('upgrade', upgrades.answer)
  Object.assign(server, { timeout, maxHeadersCount, maxConnections })
  server.on('clientError', refuseSocket)
  await bind(server, host, port)
  const address = server.address() as AddressInfo
  return {
    host: address.address,
    port: address.port,
    [Symbol.asyncDispose]: () => drain(server, upgrades, drainMs),
  }
}

async function bind(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port }, resolve)
  try {
    await promise
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException
    const why = WHY[code ?? ''] ?? message
    throw new BulkheadError('UNAVAILABLE', `cannot listen on ${host} port ${port}: ${why}`, undefined, thrown)
  } finally {
    server.off('error', reject)
  }
}

const WHY: Record<string, string> = {
  EADDRINUSE: 'the port is in use, set PORT to another or stop what uses it',
  EACCES: 'the port may not be used by this user, set PORT to one above 1023',
  EADDRNOTAVAIL: 'this machine has no such address, set HOST to one it has',
  ENOTFOUND: 'the name is not known, set HOST to an address of this machine',
}

async function drain(server: Server, upgrades: Upgrades, drainMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  upgrades.close()
  // A connection whose last request was under way at close() is idle, and open, after it.
  const idle = setInterval(() => server.closeIdleConnections(), 20)
  const late = setTimeout(() => {
    server.closeAllConnections()
    upgrades.destroy()
  }, drainMs)
  await promise
  clearInterval(idle)
  clearTimeout(late)
}

/** What cannot be made a Request: a Host or a target with a fault in it. */
function refuseRequest(thrown: unknown): Response {
  const message = `the request has a fault in its target or its Host header: ${(thrown as Error).message}`
  return new Response(JSON.stringify({ error: { code: 'BAD_REQUEST', message } }), {
    status: ERRORS.BAD_REQUEST.status,
    headers: { 'content-type': JSON_TYPE },
  })
}

const REFUSALS: Record<string, { code: ErrorCode; message: string }> = {
  HPE_HEADER_OVERFLOW: { code: 'HEADERS_TOO_LARGE', message: 'the headers are larger than 16 KiB' },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'REQUEST_TIMEOUT', message: 'the request did not arrive in time' },
}

/** What is no HTTP, or does not come: answered in one write where the connection still takes one. */
function refuseSocket(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const refusal = REFUSALS[error.code ?? ''] ?? { code: 'BAD_REQUEST', message: 'this is no HTTP request' }
  const body = JSON.stringify({ error: refusal })
  const { status } = ERRORS[refusal.code]
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    `content-type: ${JSON_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
