import { blobBytes, blobFrom, type Bytes, isBlob } from './blob.guest.ts'
import { DOMException } from './dom-exception.guest.ts'
import { Event, trusted } from './event.guest.ts'
import { EventTarget, shapeHandler } from './event-target.guest.ts'
import { CloseEvent, ErrorEvent, MessageEvent } from './events.guest.ts'
import { type HostAsk, hostAsker } from './host.guest.ts'
import { needArguments, shapeInspection, shapeInterface, toText, toUSVString, viewOf } from './interface.guest.ts'
import { fromBase64, toBase64 } from './native-base64.guest.ts'
import { nextId } from './net-id.guest.ts'
import { URL } from './url.guest.ts'
import { utf8Encode } from './utf8.guest.ts'

// WebSockets Standard, 3. The connection is the host's; here are its ends.

const CONSTANTS = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 } as const
const ASK_LENGTH = 1_280 * 1024
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** What came: text, bytes as base64, or the end; with an error where it was not the other side that ended it. */
export interface Piece {
  t?: string
  b?: string
  close?: { code: number; reason: string; wasClean: boolean; error?: string }
}

/** How messages leave, one after the other, and the good-bye behind them. */
export interface Link {
  /** Text in `t`, or bytes in `b`, which take so many on the way. */
  send(message: { t: string } | { b: Bytes }, size: number): Promise<unknown>
  close(args: { code?: number; reason: string }): void
}

/** A socket whose connection a client has begun, from the side of what answers it. */
export interface ServedSocket {
  readonly socket: WebSocket
  /** Its protocol is none, as in Deno, whichever was chosen. */
  open(): void
  take(pieces: Piece[]): void
  fail(thrown: unknown, code: number): void
}

/** Stands in the place of an address; no code but this file has it. */
const SERVED = Symbol('served')
export let servedSocket: (link: Link) => ServedSocket

export class WebSocket extends EventTarget {
  readonly #url: string
  readonly #link: Link
  #state: number = CONSTANTS.CONNECTING
  #protocol = ''
  #extensions = ''
  #binaryType = 'blob'
  #buffered = 0

  static {
    servedSocket = (link) => {
      const socket = new WebSocket(SERVED as never, link as never)
      socket.#binaryType = 'arraybuffer' // Deno's, whatever the specification says of clients
      return {
        socket,
        open: () => socket.#open('', ''),
        take: (pieces) => void socket.#take(pieces),
        fail: (thrown, code) => socket.#fail(thrown, code),
      }
    }
  }

  constructor(url: string | URL, protocols: string | Iterable<string> | undefined = undefined) {
    needArguments(arguments.length, 1, '', 'WebSocket')
    super()
    if ((url as unknown) === SERVED) {
      this.#url = ''
      this.#link = protocols as never
      return
    }
    this.#url = parseUrl(toUSVString(url))
    const names = protocols === undefined ? [] : typeof protocols === 'string' ? [protocols] : [...protocols].map((name) => toText(name))
    if (new Set(names.map((name) => name.toLowerCase())).size < names.length) throw new DOMException('Cannot supply the same protocol multiple times', 'SyntaxError')
    if (!names.every((name) => TOKEN.test(name))) throw new DOMException('Invalid protocol value', 'SyntaxError')
    const [id, ask] = [nextId(), hostAsker()]
    this.#link = clientLink(id, ask)
    void this.#run(id, ask, names)
  }

  async #run(id: number, ask: HostAsk, protocols: string[]): Promise<void> {
    try {
      const head = JSON.parse(await ask('socket', JSON.stringify({ id, url: this.#url, protocols }))) as { protocol: string; extensions: string }
      this.#open(head.protocol, head.extensions)
    } catch (thrown) {
      return this.#fail(thrown, 0)
    }
    try {
      while (this.#take(JSON.parse(await ask('socket.read', `{"id":${id}}`)) as Piece[])) continue
    } catch (thrown) {
      this.#fail(thrown, 1006)
    }
  }

  #open(protocol: string, extensions: string): void {
    this.#protocol = protocol
    this.#extensions = extensions
    if (this.#state !== CONSTANTS.CONNECTING) return
    this.#state = CONSTANTS.OPEN
    this.dispatchEvent(trusted(new Event('open')))
  }

  /** Whether more may follow. */
  #take(pieces: Piece[]): boolean {
    for (const piece of pieces) {
      if (piece.close) {
        this.#closed(piece.close)
        return false
      }
      if (this.#state === CONSTANTS.OPEN || this.#state === CONSTANTS.CLOSING) this.#receive(piece)
    }
    return true
  }

  #receive({ t, b }: Piece): void {
    const bytes = b === undefined ? undefined : fromBase64(b)
    const data = bytes === undefined ? t : this.#binaryType === 'blob' ? blobFrom(bytes, '') : bytes.buffer
    const origin = this.#url === '' ? '' : new URL(this.#url).origin
    this.dispatchEvent(trusted(new MessageEvent('message', { data, origin })))
  }

  #fail(thrown: unknown, code: number): void {
    if (this.#state === CONSTANTS.CLOSED) return
    this.#state = CONSTANTS.CLOSED
    const message = String((thrown as { message?: unknown } | null)?.message ?? thrown)
    this.dispatchEvent(trusted(new ErrorEvent('error', { message, error: thrown })))
    this.dispatchEvent(trusted(new CloseEvent('close', { code, reason: '', wasClean: false })))
  }

  #closed({ error, ...init }: NonNullable<Piece['close']>): void {
    if (this.#state === CONSTANTS.CLOSED) return
    this.#state = CONSTANTS.CLOSED
    if (error !== undefined) this.dispatchEvent(trusted(new ErrorEvent('error', { message: error, error: new Error(error) })))
    this.dispatchEvent(trusted(new CloseEvent('close', init)))
  }

  get url(): string {
    return this.#url
  }

  get readyState(): number {
    return this.#state
  }

  get bufferedAmount(): number {
    return this.#buffered
  }

  get extensions(): string {
    return this.#extensions
  }

  get protocol(): string {
    return this.#protocol
  }

  get binaryType(): string {
    return this.#binaryType
  }

  set binaryType(type: string) {
    const text = toText(type)
    if (text === 'blob' || text === 'arraybuffer') this.#binaryType = text
  }

  send(data: string | ArrayBuffer | ArrayBufferView | object): void {
    needArguments(arguments.length, 1, 'send', 'WebSocket')
    if (this.#state === CONSTANTS.CONNECTING) throw new DOMException("'readyState' not OPEN", 'InvalidStateError')
    if (this.#state !== CONSTANTS.OPEN) return
    const bytes: Bytes | undefined = isBlob(data) ? blobBytes(data) : viewOf(data)
    const text = bytes ? undefined : toUSVString(data)
    const size = bytes ? bytes.length : utf8Encode(text as string).length
    this.#buffered += size
    this.#link.send(bytes ? { b: bytes } : { t: text as string }, size).then(
      () => (this.#buffered -= size),
      (thrown: unknown) => this.#fail(thrown, 1006),
    )
  }

  close(code: number | undefined = undefined, reason: string | undefined = undefined): void {
    const number = code === undefined ? undefined : Number(code)
    const text = reason === undefined ? '' : toUSVString(reason)
    // Who answers may say any of them, in Deno.
    if (this.#url !== '' && number !== undefined && number !== 1000 && !(number >= 3000 && number <= 4999)) {
      throw new DOMException(`The close code must be either 1000 or in the range of 3000 to 4999: received ${number}`, 'InvalidAccessError')
    }
    if (utf8Encode(text).length > 123) throw new DOMException('The close reason may not be longer than 123 bytes', 'SyntaxError')
    if (this.#state === CONSTANTS.CLOSING || this.#state === CONSTANTS.CLOSED) return
    this.#state = CONSTANTS.CLOSING
    this.#link.close({ ...(number !== undefined && { code: number }), reason: text })
  }
}
shapeInterface(WebSocket, CONSTANTS)
Object.defineProperty(WebSocket, 'length', { value: 2, configurable: true })
for (const type of ['message', 'error', 'close', 'open']) shapeHandler(WebSocket, type)
shapeInspection(WebSocket, ['url', 'readyState', 'extensions', 'protocol', 'binaryType', 'bufferedAmount', 'onmessage', 'onerror', 'onclose', 'onopen'])

function clientLink(id: number, ask: HostAsk): Link {
  let sent: Promise<unknown> = Promise.resolve()
  return {
    send(message) {
      const args = 'b' in message ? `{"id":${id},"bytes":"${toBase64(message.b)}"}` : `{"id":${id},"text":${JSON.stringify(message.t)}}`
      return (sent = sent.then(() => ask('socket.send', args, ASK_LENGTH)))
    },
    close(args) {
      sent = sent.then(() => ask('socket.close', JSON.stringify({ id, ...args }))).catch(() => {})
    },
  }
}

function parseUrl(given: string): string {
  let url: URL
  try {
    url = new URL(given)
  } catch {
    throw new DOMException(`Invalid URL: '${given}'`, 'SyntaxError')
  }
  if (url.protocol === 'http:') url.protocol = 'ws:'
  if (url.protocol === 'https:') url.protocol = 'wss:'
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') throw new DOMException(`Only ws & wss schemes are allowed in a WebSocket URL: received ${url.protocol}`, 'SyntaxError')
  if (url.href.includes('#')) throw new DOMException('Fragments are not allowed in a WebSocket URL', 'SyntaxError')
  return url.href
}
