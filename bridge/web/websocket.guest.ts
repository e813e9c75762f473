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

interface Piece {
  t?: string
  b?: string
  close?: { code: number; reason: string; wasClean: boolean }
}

export class WebSocket extends EventTarget {
  readonly #url: string
  readonly #id = nextId()
  readonly #ask: HostAsk = hostAsker()
  #state: number = CONSTANTS.CONNECTING
  #protocol = ''
  #extensions = ''
  #binaryType = 'blob'
  #buffered = 0
  /** Messages go out one after the other. */
  #sent: Promise<unknown> = Promise.resolve()

  constructor(url: string | URL, protocols: string | Iterable<string> | undefined = undefined) {
    needArguments(arguments.length, 1, '', 'WebSocket')
    super()
    this.#url = parseUrl(toUSVString(url))
    const names = protocols === undefined ? [] : typeof protocols === 'string' ? [protocols] : [...protocols].map((name) => toText(name))
    if (new Set(names.map((name) => name.toLowerCase())).size < names.length) throw new DOMException('Cannot supply the same protocol multiple times', 'SyntaxError')
    if (!names.every((name) => TOKEN.test(name))) throw new DOMException('Invalid protocol value', 'SyntaxError')
    void this.#run(names)
  }

  async #run(protocols: string[]): Promise<void> {
    try {
      const head = JSON.parse(await this.#ask('socket', JSON.stringify({ id: this.#id, url: this.#url, protocols }))) as { protocol: string; extensions: string }
      this.#protocol = head.protocol
      this.#extensions = head.extensions
      if (this.#state === CONSTANTS.CONNECTING) {
        this.#state = CONSTANTS.OPEN
        this.dispatchEvent(trusted(new Event('open')))
      }
    } catch (thrown) {
      return this.#fail(thrown, 0)
    }
    try {
      for (;;) {
        for (const piece of JSON.parse(await this.#ask('socket.read', `{"id":${this.#id}}`)) as Piece[]) {
          if (piece.close) return this.#closed(piece.close)
          if (this.#state === CONSTANTS.OPEN || this.#state === CONSTANTS.CLOSING) this.#receive(piece)
        }
      }
    } catch (thrown) {
      this.#fail(thrown, 1006)
    }
  }

  #receive({ t, b }: Piece): void {
    const bytes = b === undefined ? undefined : fromBase64(b)
    const data = bytes === undefined ? t : this.#binaryType === 'blob' ? blobFrom(bytes, '') : bytes.buffer
    this.dispatchEvent(trusted(new MessageEvent('message', { data, origin: new URL(this.#url).origin })))
  }

  #fail(thrown: unknown, code: number): void {
    if (this.#state === CONSTANTS.CLOSED) return
    this.#state = CONSTANTS.CLOSED
    const message = String((thrown as { message?: unknown } | null)?.message ?? thrown)
    this.dispatchEvent(trusted(new ErrorEvent('error', { message, error: thrown })))
    this.dispatchEvent(trusted(new CloseEvent('close', { code, reason: '', wasClean: false })))
  }

  #closed(init: { code: number; reason: string; wasClean: boolean }): void {
    this.#state = CONSTANTS.CLOSED
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
    if (this.#state !== CONSTANTS.OPEN) throw new DOMException("'readyState' not OPEN", 'InvalidStateError')
    const bytes: Bytes | undefined = isBlob(data) ? blobBytes(data) : viewOf(data)
    const text = bytes ? undefined : toUSVString(data)
    const size = bytes ? bytes.length : utf8Encode(text as string).length
    const args = bytes ? `{"id":${this.#id},"bytes":"${toBase64(bytes)}"}` : `{"id":${this.#id},"text":${JSON.stringify(text)}}`
    this.#buffered += size
    const send = () => this.#ask('socket.send', args, ASK_LENGTH)
    this.#sent = this.#sent.then(send).then(
      () => (this.#buffered -= size),
      (thrown: unknown) => this.#fail(thrown, 1006),
    )
  }

  close(code: number | undefined = undefined, reason: string | undefined = undefined): void {
    const number = code === undefined ? undefined : Number(code)
    const text = reason === undefined ? '' : toUSVString(reason)
    if (number !== undefined && number !== 1000 && !(number >= 3000 && number <= 4999)) {
      throw new DOMException(`The close code must be either 1000 or in the range of 3000 to 4999: received ${number}`, 'InvalidAccessError')
    }
    if (utf8Encode(text).length > 123) throw new DOMException('The close reason may not be longer than 123 bytes', 'SyntaxError')
    if (this.#state === CONSTANTS.CLOSING || this.#state === CONSTANTS.CLOSED) return
    this.#state = CONSTANTS.CLOSING
    const args = JSON.stringify({ id: this.#id, ...(number !== undefined && { code: number }), reason: text })
    this.#sent = this.#sent.then(() => this.#ask('socket.close', args)).catch(() => {})
  }
}
shapeInterface(WebSocket, CONSTANTS)
Object.defineProperty(WebSocket, 'length', { value: 2, configurable: true })
for (const type of ['message', 'error', 'close', 'open']) shapeHandler(WebSocket, type)
shapeInspection(WebSocket, ['url', 'readyState', 'extensions', 'protocol', 'binaryType', 'bufferedAmount', 'onmessage', 'onerror', 'onclose', 'onopen'])

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
