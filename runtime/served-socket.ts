import type { RawData, WebSocket } from 'ws'
import { BulkheadError } from '../bridge/errors.ts'
import { SOCKET_LIMITS, type SocketPiece } from '../bridge/websocket-limits.ts'

/** One socket that a client has open to a module, from the host's side. */
export interface ServedSocket {
  /** Begins to tell the module what comes. */
  begin(): void
  /** Whether there is room for more. @throws SIZE_LIMIT where it was told before that there is none */
  send(messages: readonly unknown[]): boolean
  /** As the module wishes. */
  close(code: unknown, reason: string): void
  /** As the host has to: what the client still sends reaches nobody. */
  leave(code: number, reason: string): void
  /** Reads nothing more of the client's. */
  pause(): void
  /** Of bytes that the client has not taken. */
  readonly unsent: number
  /** Resolves when the connection is over and the module has been told. */
  readonly ended: Promise<void>
}

interface Options {
  webSocket: WebSocket
  idleMs: number
  /** Has the module receive this, in an execution of its own. @throws what the execution ends with */
  deliver(pieces: SocketPiece[]): Promise<unknown>
}

/** What a message takes where it waits, however short it is. */
const PIECE_BYTES = 128
/** A reason has 123 bytes in the protocol. */
const REASON_BYTES = 123
const NO_PONG = 'No response from ping frame.'

/**
 * Carries messages both ways, no faster than they are taken: past `untakenBytes` the client is not read, past
 * `unsentBytes` the module is told to wait. A client is pinged, and is gone where it says nothing for `idleMs`.
 */
export function serveSocket({ webSocket, idleMs, deliver }: Options): ServedSocket {
  const pieces: SocketPiece[] = []
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  let untaken = 0
  let batches = 0
  let isHeard = true
  let isFull = false
  let isPaused = false
  let isLeaving = false
  let begun = false
  let fault: string | undefined

  const flow = () => {
    // Who is left reads on for the other side's good-bye.
    const isHeldUp = !isLeaving && (isPaused || untaken > SOCKET_LIMITS.untakenBytes)
    if (isHeldUp !== webSocket.isPaused) webSocket[isHeldUp ? 'pause' : 'resume']()
  }
  const keep = (piece: SocketPiece) => {
    pieces.push(piece)
    untaken += sizeOf(piece)
    flow()
    pump()
  }
  const pump = () => {
    while (begun && pieces.length > 0 && batches < SOCKET_LIMITS.batchesAtOnce) {
      batches++
      void carry(pieces.splice(0, batchLength(pieces)))
    }
  }
  const carry = async (batch: SocketPiece[]) => {
    try {
      await deliver(batch)
    } catch (thrown) {
      leave(1011, (thrown as Error).message)
    }
    batches--
    for (const piece of batch) untaken -= sizeOf(piece)
    if (batch.some((piece) => 'close' in piece)) end()
    flow()
    pump()
  }
  const onSent = () => {
    if (!isFull || webSocket.readyState !== webSocket.OPEN || webSocket.bufferedAmount > SOCKET_LIMITS.unsentBytes / 2) return
    isFull = false
    keep({ drain: true })
  }
  const close = (code: unknown, reason: string) => {
    if (webSocket.readyState !== webSocket.OPEN) return
    webSocket.close(code === undefined || isCode(code) ? code : 1002, cut(reason))
  }
  const leave = (code: number, reason: string) => {
    isLeaving = true
    close(code, reason)
    flow()
  }
  const pulse = setInterval(() => {
    if (webSocket.isPaused) return // its answers wait behind what is not read
    if (!isHeard) {
      fault = NO_PONG
      return webSocket.terminate()
    }
    isHeard = false
    webSocket.ping()
  }, idleMs / 2)

  webSocket.on('error', (thrown) => (fault ??= thrown.message)) // its close follows
  webSocket.on('message', (data: RawData, isBinary) => {
    isHeard = true
    if (isLeaving) return
    const bytes = data as Buffer
    keep(isBinary ? { b: bytes.toString('base64') } : { t: bytes.toString('utf8') })
  })
  webSocket.on('pong', () => (isHeard = true))
  webSocket.on('ping', (data) => {
    isHeard = true
    // Who pings and never reads would have the answers wait here without end.
    if (webSocket.bufferedAmount <= SOCKET_LIMITS.unsentBytes) webSocket.pong(data)
  })
  webSocket.on('close', (code, reason) => {
    clearInterval(pulse)
    keep({ close: closing(code, reason.toString('utf8'), fault) })
  })

  return {
    begin() {
      begun = true
      flow()
      pump()
    },
    send(messages) {
      if (isFull) {
        leave(1008, 'the module sends although it was told to wait')
        throw new BulkheadError('SIZE_LIMIT', `cannot send, ${webSocket.bufferedAmount} bytes wait for the client`, { limit: 'unsentBytes', value: SOCKET_LIMITS.unsentBytes, used: webSocket.bufferedAmount })
      }
      for (const message of messages) {
        const data = readMessage(message)
        if (data !== undefined && webSocket.readyState === webSocket.OPEN) webSocket.send(data, onSent)
      }
      isFull = webSocket.readyState === webSocket.OPEN && webSocket.bufferedAmount > SOCKET_LIMITS.unsentBytes
      return !isFull
    },
    close,
    leave,
    pause() {
      isPaused = true
      flow()
    },
    get unsent() {
      return webSocket.bufferedAmount
    },
    ended,
  }
}

/** Text, bytes as base64, or text that JSON would make too long as the base64 of its bytes. */
function readMessage(message: unknown): string | Buffer | undefined {
  const { t, b, u } = Object(message) as Record<string, unknown>
  if (typeof t === 'string') return t
  if (typeof u === 'string') return Buffer.from(u, 'base64').toString('utf8')
  return typeof b === 'string' ? Buffer.from(b, 'base64') : undefined
}

/** As Deno tells a module of it: of a connection that broke as an error, with no code. */
function closing(code: number, reason: string, fault: string | undefined): Extract<SocketPiece, { close: unknown }>['close'] {
  if (fault === NO_PONG) return { code: 1001, reason: fault, wasClean: false, error: fault }
  if (code === 1006) return { code: 0, reason: '', wasClean: false, error: fault ?? 'Unexpected EOF' }
  return { code, reason, wasClean: true }
}

/** What a side may say: the codes of the protocol that are for saying, and those of applications. */
function isCode(code: unknown): code is number {
  return typeof code === 'number' && Number.isInteger(code) && ((code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999))
}

function cut(reason: string): string {
  let text = reason.slice(0, REASON_BYTES)
  while (Buffer.byteLength(text) > REASON_BYTES) text = text.slice(0, -1)
  return text.isWellFormed() ? text : text.slice(0, -1)
}

function sizeOf(piece: SocketPiece): number {
  return PIECE_BYTES + ('t' in piece ? piece.t.length : 'b' in piece ? piece.b.length : 0)
}

function batchLength(pieces: readonly SocketPiece[]): number {
  let [many, size] = [0, 0]
  while (many < pieces.length && many < SOCKET_LIMITS.batchMessages) {
    size += sizeOf(pieces[many] as SocketPiece)
    if (many > 0 && size > SOCKET_LIMITS.batchBytes) break
    many++
  }
  return many
}
