import { type IncomingMessage, ServerResponse } from 'node:http'
import { type Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type WebSocket, WebSocketServer } from 'ws'
import { BulkheadError } from '../bridge/errors.ts'
import { SOCKET_LIMITS } from '../bridge/websocket-limits.ts'

/** Has a request's connection become a web socket, of this protocol or of none, which is paused. @throws UNAVAILABLE where the client has gone */
export type Upgrade = (protocol: string) => Promise<WebSocket>

interface Options {
  fetch(request: Request, from: { remoteAddress: string | undefined; upgrade: Upgrade }): Response | Promise<Response>
  isSecure: boolean
  /** Answers what cannot be made a Request. */
  refuse(thrown: unknown): Response
}

/** Connections that are web sockets, or are to become ones; the server itself knows of them no more. */
export interface Upgrades {
  answer(incoming: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Says good-bye to all. */
  close(): void
  /** Cuts off those that are left. */
  destroy(): void
}

const PROTOCOL = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false, // what is small on the wire would be large here
  autoPong: false,
  maxPayload: SOCKET_LIMITS.messageBytes,
  closeTimeout: 5_000, // for the other side's good-bye
}
const KEY = /^[+/0-9A-Za-z]{22}==$/

/** Whether a request is for a web socket, as far as its head says; another goes the way of all. */
export function wantsWebSocket({ method, headers }: IncomingMessage): boolean {
  const names = (headers.upgrade ?? '').split(',').map((name) => name.trim().toLowerCase())
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  return method === 'GET' && !hasBody && names.includes('websocket') && headers['sec-websocket-key'] !== undefined
}

/**
 * Answers requests for web sockets (RFC 6455): those that are malformed by itself, the others as `fetch` says, by a
 * response or by calling `upgrade`, after which its response is not sent.
 *
 * @example server.on('upgrade', openUpgrades({ fetch, isSecure: false, refuse }).answer)
 */
export function openUpgrades({ fetch, isSecure, refuse }: Options): Upgrades {
  const connections = new Set<Duplex>()
  const webSockets = new Set<WebSocket>()

  async function respond(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    let accepted: WebSocket | undefined
    const upgrade: Upgrade = async (protocol) => {
      accepted ??= handshake(incoming, socket, head, protocol)
      webSockets.add(accepted)
      accepted.once('close', () => webSockets.delete(accepted as WebSocket))
      return accepted
    }
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    let response: Response
    try {
      const request = toRequest(incoming, isSecure, gone.signal)
      response = refusal(incoming) ?? (await fetch(request, { remoteAddress: incoming.socket.remoteAddress, upgrade }))
    } catch (thrown) {
      response = refuse(thrown)
    }
    if (!accepted) await write(response, incoming, socket)
  }
  return {
    answer(incoming, socket, head) {
      connections.add(socket)
      socket.once('close', () => connections.delete(socket))
      socket.on('error', () => socket.destroy())
      respond(incoming, socket, head).catch(() => socket.destroy())
    },
    close() {
      for (const webSocket of webSockets) webSocket.close(1001, 'the server is stopping')
    },
    destroy() {
      for (const socket of connections) socket.destroy()
    },
  }
}

/** @throws TypeError where the target or the Host header is none */
function toRequest({ method, url = '', headers: { host = '' }, rawHeaders }: IncomingMessage, isSecure: boolean, signal: AbortSignal): Request {
  if (!url.startsWith('/') || !/^[^\s/?#@\\]+$/.test(host)) throw new TypeError('it names no place on this host')
  const headers = new Headers()
  for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at] as string, rawHeaders[at + 1] as string)
  return new Request(`${isSecure ? 'https' : 'http'}://${host}${url}`, { method: method as string, headers, signal })
}

function handshake(incoming: IncomingMessage, socket: Duplex, head: Buffer, protocol: string): WebSocket {
  let opened: WebSocket | undefined
  incoming.headers.upgrade = 'websocket' // of several that were offered
  // What a module chose goes into the head of the answer: only what the client has offered.
  const handleProtocols = (offered: Set<string>) => offered.has(protocol) && protocol
  new WebSocketServer({ ...PROTOCOL, handleProtocols }).handleUpgrade(incoming, socket, head, (webSocket) => (opened = webSocket))
  if (!opened) throw new BulkheadError('UNAVAILABLE', 'cannot upgrade, the client has gone')
  // Until somebody listens.
  opened.on('error', () => {})
  opened.pause()
  return opened
}

function refusal({ headers }: IncomingMessage): Response | undefined {
  const version = headers['sec-websocket-version']
  const refuse = (status: number, message: string, more: Record<string, string> = {}) => Response.json({ error: { code: 'BAD_REQUEST', message } }, { status, headers: more })
  if (version !== '13') {
    return refuse(426, `the version of the web socket is ${JSON.stringify(version ?? null)}, it has to be 13`, { 'sec-websocket-version': '13' })
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return refuse(400, 'the sec-websocket-key is none, it has to be 16 bytes in base64')
  return undefined
}

async function write(response: Response, incoming: IncomingMessage, socket: Duplex): Promise<void> {
  const outgoing = new ServerResponse(incoming)
  outgoing.shouldKeepAlive = false
  outgoing.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0])
  outgoing.writeHead(response.status, [...response.headers].flat())
  if (response.body) await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), outgoing)
  else outgoing.end()
  socket.end()
}
