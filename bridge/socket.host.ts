import { WebSocket } from 'ws'
import type { Caller, Capabilities } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { BulkheadError } from './errors.ts'
import { firstOf } from './first-of.ts'
import { NET_CAPS } from './net-caps.ts'
import { targetOf } from './net-grant.host.ts'
import { patienceOf } from './net-held.host.ts'
import { only } from './net-http.host.ts'
import type { Place } from './net-places.host.ts'
import { type Resolve, routeTo } from './net-route.host.ts'
import { netCapability, type Network } from './net-shared.host.ts'
import { type Agents, agentsOf } from './net-tunnel.host.ts'

/** What came over a socket, as JSON has it: text, bytes as base64, or its end. */
type Piece = { t: string } | { b: string } | { close: { code: number; reason: string; wasClean: boolean } }

interface Socket {
  /** The protocol that was chosen and the extensions in use. */
  readonly head: Promise<string>
  read(patienceMs?: number): Promise<string>
  send(message: string | Buffer): Promise<void>
  /** Says good-bye, after which the other side has a while to do the same. */
  end(code: number | undefined, reason: string): void
  close(): void
  readonly ended: Promise<void>
}

/** The client of `WebSocket` for modules: frames of text, read and sent no faster than the other end takes them. */
export function socketCapabilities({ options, resolve, places, holds }: Network): Capabilities {
  const held = holds.of<Socket>('socket')
  const agents = agentsOf(options, {})
  return {
    socket: netCapability('socket', EXECUTION_CAPS.askBytes, EXECUTION_CAPS.calls, async (caller, { id, url, protocols }) => {
      const hold = held(caller)
      const to = readUrl(url)
      const names = readProtocols(protocols)
      return hold.add(id, () => openSocket({ caller, url: to, protocols: names, resolve, agents, place: places.of(caller.module), count: hold.count })).head
    }),
    'socket.read': netCapability('socket.read', 100, EXECUTION_CAPS.chunks, async (caller, { id }) => held(caller).find(id).read(patienceOf(caller))),
    'socket.send': netCapability('socket.send', EXECUTION_CAPS.largeAskBytes, EXECUTION_CAPS.chunks, async (caller, { id, text, bytes }) => {
      const message = typeof text === 'string' ? text : typeof bytes === 'string' ? Buffer.from(bytes, 'base64') : ''
      const hold = held(caller)
      hold.count('sent', Buffer.byteLength(message))
      await hold.find(id).send(message)
      return ''
    }),
    'socket.close': netCapability('socket.close', 1_000, EXECUTION_CAPS.calls, async (caller, { id, code, reason }) => {
      held(caller).get(id)?.end(typeof code === 'number' ? code : undefined, String(reason ?? ''))
      return ''
    }),
  }
}

interface SocketOptions {
  caller: Caller
  url: URL
  protocols: string[]
  resolve: Resolve
  agents: Agents
  place: Place
  count(way: 'received', bytes: number): void
}

const HANDSHAKE_MS = 15_000
/** What an empty message takes on the way, and where it waits to be read: the other end sends as many as it likes. */
const FRAME_BYTES = 2
const PIECE_BYTES = 128

const lengthOf = (piece: Piece): number => PIECE_BYTES + ('t' in piece ? piece.t.length : 'b' in piece ? piece.b.length : 0)

function openSocket({ caller, url, protocols, resolve, agents, place, count }: SocketOptions): Socket {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const pieces: Piece[] = []
  let waitingLength = 0
  let socket: WebSocket | undefined
  const closed = new AbortController()
  let give = () => {}

  const close = () => {
    closed.abort()
    socket?.terminate()
    give()
    end()
  }
  const keep = (piece: Piece) => {
    pieces.push(piece)
    waitingLength += lengthOf(piece)
    if (waitingLength > NET_CAPS.messageBytes) socket?.pause()
    socket?.emit('kept')
  }

  async function begin(): Promise<string> {
    const what = `connect to ${`${url.origin}${url.pathname}`.slice(0, 300)}`
    try {
      give = await place.take(closed.signal)
      const addresses = await routeTo(caller, targetOf(url), what, resolve)
      closed.signal.throwIfAborted()
      socket = new WebSocket(url, protocols, {
        lookup: only(addresses),
        followRedirects: false,
        perMessageDeflate: false,
        maxPayload: NET_CAPS.messageBytes,
        handshakeTimeout: HANDSHAKE_MS,
        headers: { 'user-agent': 'Bulkhead' },
        agent: agents[url.protocol === 'wss:' ? 'https:' : 'http:'],
      })
      socket.on('error', () => {}) // its close follows
      socket.on('message', (data: Buffer, isBinary: boolean) => {
        const text = isBinary ? data.toString('base64') : data.toString('utf8')
        try {
          count('received', FRAME_BYTES + data.length)
          keep(isBinary ? { b: text } : { t: text })
        } catch {
          close()
        }
      })
      socket.on('close', () => give())
      socket.on('close', (code, reason) => keep({ close: { code, reason: reason.toString('utf8'), wasClean: code !== 1006 } }))
      // By the time this goes on, it may have been opened and be closing again.
      let isOpened = false
      socket.once('open', () => (isOpened = true))
      await firstOf(socket, ['open', 'close'])
      if (!isOpened) throw new Error('refused')
      return JSON.stringify({ protocol: socket.protocol, extensions: socket.extensions })
    } catch (thrown) {
      close()
      throw thrown instanceof BulkheadError ? thrown : new BulkheadError('UNAVAILABLE', `cannot ${what}, the connection failed`)
    }
  }

  return {
    head: begin(),
    ended,
    close,
    async read(patienceMs) {
      if (!socket) throw new BulkheadError('UNAVAILABLE', 'cannot read from the socket, it is not open yet')
      if (pieces.length === 0 && !closed.signal.aborted) await firstOf(socket, ['kept'], patienceMs)
      let [many, length] = [0, 0]
      while (many < pieces.length && length < NET_CAPS.chunkBytes) length += lengthOf(pieces[many++] as Piece)
      const taken = pieces.splice(0, many)
      if (taken.some((piece) => 'close' in piece)) close()
      waitingLength -= length
      if (waitingLength <= NET_CAPS.messageBytes) socket.resume()
      return JSON.stringify(taken)
    },
    send: (message) =>
      new Promise((done, fail) => {
        if (socket?.readyState !== WebSocket.OPEN) return done()
        socket.send(message, (error) => (error ? fail(new BulkheadError('UNAVAILABLE', 'cannot send, the connection was closed')) : done()))
      }),
    end(code, reason) {
      if (socket?.readyState === WebSocket.OPEN) socket.close(code, reason)
      else close()
    },
  }
}

function readUrl(url: unknown): URL {
  const parsed = typeof url === 'string' && url.length <= NET_CAPS.urlLength ? URL.parse(url) : null
  if (!parsed || (parsed.protocol !== 'ws:' && parsed.protocol !== 'wss:')) throw new BulkheadError('INVALID', 'cannot connect, the URL is none of ws and wss')
  parsed.username = parsed.password = parsed.hash = ''
  return parsed
}

function readProtocols(protocols: unknown): string[] {
  if (Array.isArray(protocols) && protocols.length <= 100 && protocols.every((name) => typeof name === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/.test(name))) return protocols as string[]
  throw new BulkheadError('INVALID', 'cannot connect, the protocols are none')
}
