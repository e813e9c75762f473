import { sha1 } from '@noble/hashes/legacy.js'
import { type SocketPiece, SOCKET_LIMITS } from '../websocket-limits.ts'
import { now } from '../web/clock.guest.ts'
import { type HeaderList, headersFrom } from '../web/headers.guest.ts'
import { backgroundAsk, type HostAsk } from '../web/host.guest.ts'
import { toBase64 } from '../web/native-base64.guest.ts'
import { nextId } from '../web/net-id.guest.ts'
import type { Request } from '../web/request.guest.ts'
import { type Response, responseFrom } from '../web/response.guest.ts'
import { utf8Encode } from '../web/utf8.guest.ts'
import { type Link, type ServedSocket, servedSocket, type WebSocket } from '../web/websocket.guest.ts'
import { denoErrors } from './errors.guest.ts'
import { registry } from './registry.guest.ts'

// Sockets that clients have opened to the module. The connection is the host's; here are its ends.

interface Options {
  protocol?: string
  idleTimeout?: number
}

interface Held {
  served: ServedSocket
  /** The host has room again for what the module sends. */
  drained(): void
}

const ASK_LENGTH = 1_280 * 1024
/** What a message takes where it waits, however short it is. */
const WAITING_BYTES = 64
/** After so long an answer of the host's is held to be lost, with the background that asked, ms. */
const LOST_MS = 10_000
/** Where all that a background may ask has been asked, its next one is waited for, ms. */
const AGAIN_MS = 500
const ACCEPT = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11' // RFC 6455, 4.2.2
const held = new Map<number, Held>()

/** `Deno.upgradeWebSocket`: the socket opens once the handler has returned the response. */
export function upgradeWebSocket(request: Request, options: Options = {}): { socket: WebSocket; response: Response } {
  const { headers } = request
  const names = (header: string) => (headers.get(header) ?? '').split(',').map((name) => name.trim().toLowerCase())
  if (!names('upgrade').includes('websocket')) throw new TypeError("Invalid Header: 'upgrade' header must contain 'websocket'")
  if (!names('connection').includes('upgrade')) throw new TypeError("Invalid Header: 'connection' header must contain 'Upgrade'")
  const key = headers.get('sec-websocket-key')
  if (key === null) throw new TypeError("Invalid Header: 'sec-websocket-key' header must be set")
  const offered = (headers.get('sec-websocket-protocol') ?? '').split(', ')
  const { protocol = '', idleTimeout } = options
  if (protocol && !offered.includes(protocol)) throw new TypeError(`Protocol '${protocol}' not in the request's protocol list (non negotiable)`)
  const state = registry.upgrades.get(request)
  if (state?.response) throw new denoErrors.Http('Already upgraded')

  const id = nextId()
  const link = openLink(id, (thrown) => served.fail(thrown, 1006))
  const served = servedSocket(link)
  const list: HeaderList = [
    ['upgrade', 'websocket'],
    ['connection', 'Upgrade'],
    ['sec-websocket-accept', toBase64(sha1(utf8Encode(key + ACCEPT)))],
    ...(protocol ? ([['sec-websocket-protocol', protocol]] as HeaderList) : []),
  ]
  const response = responseFrom({ type: 'default', status: 101, statusText: '', url: '', redirected: false, body: null }, headersFrom(list, false))
  // One that was made by hand is upgraded by nobody, as in Deno.
  if (!state) return { socket: served.socket, response }
  state.response = response
  state.open = (ask) => open(id, { served, drained: link.drained }, { protocol, idleS: idleTimeout ?? SOCKET_LIMITS.idleS.usual }, ask)
  state.fail = (thrown) => served.fail(thrown, 0)
  return { socket: served.socket, response }
}

async function open(id: number, socket: Held, wanted: { protocol: string; idleS: number }, ask: HostAsk): Promise<void> {
  held.set(id, socket)
  try {
    await ask('http.upgrade', JSON.stringify({ id, ...wanted }))
  } catch (thrown) {
    held.delete(id)
    socket.served.fail(thrown, 0)
    throw thrown
  }
  socket.served.open()
}

/** Takes what the host tells of a socket. */
export function take(id: number, pieces: SocketPiece[]): void {
  const socket = held.get(id)
  if (!socket) return
  const { served, drained } = socket
  served.open() // where the first message comes with the answer to the upgrade
  for (const piece of pieces) {
    if ('drain' in piece) drained()
    else served.take([piece])
    if ('close' in piece) held.delete(id)
  }
}

interface Waiting {
  json: string
  size: number
  sent(): void
  failed(thrown: unknown): void
}

/** Messages leave in order and together, no faster than the host takes them: what does not fit yet waits here. */
function openLink(id: number, fail: (thrown: unknown) => void): Link & { drained(): void } {
  const queue: Waiting[] = []
  let queuedBytes = 0
  let busySince: number | undefined
  let isFull = false
  let bye: object | undefined

  const flush = async (): Promise<void> => {
    if (isFull || (busySince !== undefined && now() - busySince < LOST_MS)) return
    if (queue.length === 0) return leave()
    const batch = queue.splice(0, batchLength(queue))
    busySince = now()
    try {
      const messages = batch.map(({ json }) => json).join(',')
      isFull = (await backgroundAsk('websocket.send', `{"id":${id},"messages":[${messages}]}`, ASK_LENGTH)) === 'false'
      for (const { size, sent } of batch) {
        queuedBytes -= size + WAITING_BYTES
        sent()
      }
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code === 'CALL_LIMIT') {
        queue.unshift(...batch)
        return void setTimeout(again, AGAIN_MS)
      }
      for (const { failed } of [...batch, ...queue.splice(0)]) failed(thrown)
    }
    again()
  }
  const again = () => {
    busySince = undefined
    void flush()
  }
  const leave = () => {
    const args = bye
    bye = undefined
    if (args) backgroundAsk('websocket.close', JSON.stringify({ id, ...args })).catch(() => {})
  }
  const giveUp = (code: number, why: string) => {
    queue.length = 0
    bye = { code, reason: why }
    leave()
    fail(new Error(`cannot send, ${why}`))
  }
  return {
    send: (message, size) =>
      new Promise<void>((sent, failed) => {
        queuedBytes += size + WAITING_BYTES
        if (size > SOCKET_LIMITS.messageBytes) return giveUp(1009, `a message has ${size} bytes and may have ${SOCKET_LIMITS.messageBytes}`)
        if (queuedBytes > SOCKET_LIMITS.queuedBytes) return giveUp(1008, `${SOCKET_LIMITS.queuedBytes} bytes wait that the client does not take`)
        queue.push({ json: jsonOf(message), size, sent, failed })
        void flush()
      }),
    close(args) {
      bye = args
      void flush()
    },
    drained() {
      isFull = false
      void flush()
    },
  }
}

function jsonOf(message: { t: string } | { b: Uint8Array<ArrayBuffer> }): string {
  if ('b' in message) return `{"b":"${toBase64(message.b)}"}`
  const json = `{"t":${JSON.stringify(message.t)}}`
  return json.length <= SOCKET_LIMITS.batchBytes ? json : `{"u":"${toBase64(utf8Encode(message.t))}"}`
}

/** How many of those that wait go together. */
function batchLength(queue: readonly Waiting[]): number {
  let [many, length] = [0, 0]
  while (many < queue.length && many < SOCKET_LIMITS.batchMessages) {
    length += queue[many]?.json.length ?? 0
    if (many > 0 && length > SOCKET_LIMITS.batchBytes) break
    many++
  }
  return many
}

declare const setTimeout: (callback: () => void, ms: number) => unknown
