import type { HostAsk } from '../web/host.guest.ts'
import { viewOf } from '../web/interface.guest.ts'
import { fromBase64, toBase64 } from '../web/native-base64.guest.ts'
import { ReadableStream, WritableStream } from '../web/streams.guest.ts'
import { denoErrors } from './errors.guest.ts'
import { answerTo, askAnyway } from './host-answer.guest.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What one ask writes; what is longer goes out in pieces. */
const PIECE = 512 * 1024
const ASK_LENGTH = 1_280 * 1024
/** Writes of a connection that the host has at one time; further ones wait here. */
const AHEAD = 16

export interface Addr {
  hostname: string
  port: number
  transport: 'tcp'
}

/** A connection of the host's by its number, and what has come of it that nobody has read. */
interface State {
  readonly id: number
  readonly ask: HostAsk
  rest: Bytes
  isAtEnd: boolean
  /** Reads go one after the other. */
  reads: Promise<unknown>
  reading: number
  /** Writes under way, and those that wait. */
  sending: number
  readonly queued: Array<() => void>
  /** A write in several pieces is under way, between which nothing may come. */
  isLong: boolean
  isClosed: boolean
  /** What has those who read give up, when it is closed. */
  readonly waiting: Set<(reason: unknown) => void>
}

export let stateOf: (conn: Conn) => State

/** Deno's Conn: one end of a connection that the host has. */
class Conn {
  readonly #state: State
  readonly #localAddr: Addr
  readonly #remoteAddr: Addr
  #readable: ReadableStream<Bytes> | undefined
  #writable: WritableStream<Uint8Array> | undefined

  constructor(id: number, ask: HostAsk, remoteAddr: Addr, localAddr: Addr) {
    this.#state = { id, ask, rest: new Uint8Array(0), isAtEnd: false, reads: Promise.resolve(), reading: 0, sending: 0, queued: [], isLong: false, isClosed: false, waiting: new Set() }
    this.#localAddr = localAddr
    this.#remoteAddr = remoteAddr
  }

  static {
    stateOf = (conn) => conn.#state
  }

  get remoteAddr(): Addr {
    return this.#remoteAddr
  }

  get localAddr(): Addr {
    return this.#localAddr
  }

  async write(bytes: Uint8Array): Promise<number> {
    const view = bytesOf(bytes)
    await write(this.#state, view)
    return view.length
  }

  async read(into: Uint8Array): Promise<number | null> {
    const view = bytesOf(into)
    if (view.length === 0) return 0
    const bytes = await read(this.#state, view.length)
    if (bytes) view.set(bytes)
    return bytes && bytes.length
  }

  close(): void {
    close(opened(this.#state))
  }

  async closeWrite(): Promise<void> {
    const state = opened(this.#state)
    await inOrder(state, false, () => answerTo(state.ask, 'conn.end', { id: state.id }))
  }

  get readable(): ReadableStream<Bytes> {
    return (this.#readable ??= readableOf(this.#state))
  }

  get writable(): WritableStream<Uint8Array> {
    return (this.#writable ??= writableOf(this.#state))
  }

  // Whether a script goes on is for its promises and timers to say.
  ref(): void {}

  unref(): void {}

  [Symbol.dispose](): void {
    if (!this.#state.isClosed) close(this.#state)
  }
}

export class TcpConn extends Conn {
  // The host sends what is written at once, and ends what an execution leaves open, whatever is set here.
  setNoDelay(_noDelay = true): void {
    opened(stateOf(this))
  }

  setKeepAlive(_keepAlive = true): void {
    opened(stateOf(this))
  }
}

export class TlsConn extends Conn {
  async handshake(): Promise<{ alpnProtocol: string | null }> {
    const { id, ask } = opened(stateOf(this))
    return JSON.parse(await answerTo(ask, 'conn.handshake', { id })) as { alpnProtocol: string | null }
  }
}

/** The next bytes, no more than `most`; null at their end. */
function read(state: State, most: number): Promise<Bytes | null> {
  opened(state)
  state.reading++
  const turn = inTurn(state, async () => {
    while (state.rest.length === 0 && !state.isAtEnd) {
      // Nothing for a while: the host lets go, so that it is asked in the name of what runs by now.
      const piece = await pieceOf(state)
      state.isAtEnd = piece.startsWith('.')
      state.rest = fromBase64(piece.slice(1))
    }
    if (state.rest.length === 0) return null
    const bytes = state.rest.subarray(0, most)
    state.rest = state.rest.subarray(bytes.length)
    return bytes
  })
  return turn.finally(() => state.reading--)
}

async function pieceOf(state: State): Promise<string> {
  try {
    return await answerTo(state.ask, 'conn.read', { id: state.id })
  } catch (thrown) {
    // Once told, it is over: as of the system, what follows is the end.
    state.isAtEnd = true
    throw thrown
  }
}

async function write(state: State, bytes: Uint8Array): Promise<void> {
  opened(state)
  if (bytes.length <= PIECE) return void (await inOrder(state, false, () => send(state, bytes)))
  await inOrder(state, true, async () => {
    for (let at = 0; at < bytes.length; at += PIECE) await send(opened(state), bytes.subarray(at, at + PIECE))
  })
}

/**
 * Asks what changes what the other end reads, in the order of the calls. Asks keep their order, so that several are under
 * way, and what is written goes out though the next line closes the connection, as in Deno.
 */
function inOrder<Result>(state: State, isLong: boolean, ask: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    state.queued.push(() => {
      state.sending++
      state.isLong = isLong
      const done = () => {
        state.sending--
        if (isLong) state.isLong = false
        begin(state)
      }
      ask().then(resolve, reject).then(done)
    })
    begin(state)
  })
}

function begin(state: State): void {
  while (!state.isLong && state.sending < AHEAD) {
    const start = state.queued.shift()
    if (!start) return
    start()
  }
}

function send({ id, ask }: State, bytes: Uint8Array): Promise<string> {
  return answerTo(ask, 'conn.write', { id, bytes: toBase64(bytes) }, ASK_LENGTH)
}

/** Runs after the reads that came before it, whatever became of those, and is given up when the connection is closed. */
function inTurn<Result>(state: State, run: () => Promise<Result>): Promise<Result> {
  const turn = state.reads.then(() => run())
  state.reads = turn.catch(() => {})
  return new Promise((resolve, reject) => {
    state.waiting.add(reject)
    const leave = () => state.waiting.delete(reject)
    turn.then(resolve, reject).then(leave, leave)
  })
}

function opened(state: State): State {
  if (state.isClosed) throw new denoErrors.BadResource('Bad resource ID')
  return state
}

function close(state: State): void {
  askAnyway(state.ask, 'conn.close', { id: state.id })
  giveUp(state)
}

/** Has it be used no more, by whoever holds this end of it. */
export function giveUp(state: State): void {
  state.isClosed = true
  for (const reject of state.waiting) reject(new denoErrors.Interrupted('operation canceled'))
}

function bytesOf(given: unknown): Uint8Array {
  if (given instanceof Uint8Array) return given
  throw new TypeError('expected typed ArrayBufferView')
}

interface Controller {
  enqueue(chunk: Bytes): void
  close(): void
  byobRequest: { respond(count: number): void } | null
}

/** As in Deno, a stream that ends, either one, ends the connection. */
function readableOf(state: State): ReadableStream<Bytes> {
  const end = () => {
    if (!state.isClosed) close(state)
  }
  return new ReadableStream<Bytes>(
    {
      type: 'bytes',
      async pull(controller: Controller) {
        const bytes = await read(state, Infinity)
        if (bytes) return controller.enqueue(bytes)
        end()
        controller.close()
        controller.byobRequest?.respond(0)
      },
      cancel: end,
    } as never,
    { highWaterMark: 0 },
  )
}

function writableOf(state: State): WritableStream<Uint8Array> {
  const end = () => {
    if (!state.isClosed) close(state)
  }
  return new WritableStream<Uint8Array>({
    async write(chunk) {
      try {
        const bytes = viewOf(chunk)
        if (!bytes) throw new TypeError('Expected ArrayBuffer or ArrayBufferView for write chunk')
        await write(state, bytes)
      } catch (thrown) {
        end()
        throw thrown
      }
    },
    close: end,
    abort: end,
  })
}
