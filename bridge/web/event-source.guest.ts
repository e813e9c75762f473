import { AbortController } from './abort.guest.ts'
import { DOMException } from './dom-exception.guest.ts'
import { Event, trusted } from './event.guest.ts'
import { EventTarget, shapeHandler } from './event-target.guest.ts'
import { MessageEvent } from './events.guest.ts'
import { TextDecoderStream } from './encoding-streams.guest.ts'
import { fetch } from './fetch.guest.ts'
import { needArguments, shapeInspection, shapeInterface, toDictionary, toUSVString } from './interface.guest.ts'
import { mediaType } from './media-type.guest.ts'
import { innerResponse, type Response } from './response.guest.ts'
import type { ReadableStream } from './streams.guest.ts'
import { URL } from './url.guest.ts'

// HTML Standard, 9.2: a stream of events over fetch, which comes again when it ends.

const CONSTANTS = { CONNECTING: 0, OPEN: 1, CLOSED: 2 } as const
const RETRY_MS = 5_000
/** Of one line, and of the data of one event, in characters. */
const LONGEST = 1024 * 1024

export class EventSource extends EventTarget {
  readonly #url: string
  readonly #withCredentials: boolean
  readonly #abort = new AbortController()
  #state: number = CONSTANTS.CONNECTING
  #retryMs = RETRY_MS
  #lastId = ''

  constructor(url: string | URL, init: { withCredentials?: boolean } | undefined = undefined) {
    needArguments(arguments.length, 1, '', 'EventSource')
    super()
    this.#withCredentials = Boolean(toDictionary<{ withCredentials: boolean }>(init, "Failed to construct 'EventSource': Argument 2").withCredentials)
    const given = toUSVString(url)
    try {
      this.#url = new URL(given).href
    } catch {
      throw new DOMException(`Invalid URL: '${given}'`, 'SyntaxError')
    }
    void this.#run()
  }

  async #run(): Promise<void> {
    while (this.#state !== CONSTANTS.CLOSED) {
      try {
        const headers: Record<string, string> = { accept: 'text/event-stream', 'cache-control': 'no-store' }
        if (this.#lastId !== '') headers['last-event-id'] = this.#lastId
        const response = await fetch(this.#url, { headers, signal: this.#abort.signal })
        if (!isEvents(response)) return this.#fail()
        this.#state = CONSTANTS.OPEN
        this.dispatchEvent(trusted(new Event('open')))
        await this.#read(response)
      } catch (thrown) {
        // What was not granted is not granted later either.
        if ((thrown as { code?: string } | null)?.code === 'CAPABILITY_DENIED') return this.#fail()
      }
      if (this.#isClosed()) return
      this.#state = CONSTANTS.CONNECTING
      this.dispatchEvent(trusted(new Event('error')))
      await new Promise<void>((done) => setTimeout(done, this.#retryMs))
    }
  }

  /** It may be by whoever listens, at any time. */
  #isClosed(): boolean {
    return this.#state === CONSTANTS.CLOSED
  }

  #fail(): void {
    if (this.#isClosed()) return
    this.#state = CONSTANTS.CLOSED
    this.dispatchEvent(trusted(new Event('error')))
  }

  async #read(response: Response): Promise<void> {
    const bytes = innerResponse(response).body?.stream() as ReadableStream<Uint8Array>
    const reader = (bytes.pipeThrough(new TextDecoderStream() as never) as ReadableStream<string>).getReader()
    const fields = { event: '', data: undefined as string | undefined }
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done || this.#isClosed()) return
      // A carriage return at the end may be the first half of a line end.
      const text = rest + value
      const isSplit = text.endsWith('\r')
      const lines = (isSplit ? text.slice(0, -1) : text).split(/\r\n|\n|\r/)
      rest = (lines.pop() ?? '') + (isSplit ? '\r' : '')
      if (rest.length > LONGEST) throw new RangeError('a line of the event stream is too long')
      for (const line of lines) this.#take(line, fields)
    }
  }

  #take(line: string, fields: { event: string; data: string | undefined }): void {
    if (line === '') return this.#dispatch(fields)
    const colon = line.indexOf(':')
    if (colon === 0) return
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'event') fields.event = value
    else if (name === 'data') {
      fields.data = fields.data === undefined ? value : `${fields.data}\n${value}`
      if (fields.data.length > LONGEST) throw new RangeError('an event of the event stream is too long')
    } else if (name === 'id' && !value.includes('\0')) this.#lastId = value
    else if (name === 'retry' && /^\d+$/.test(value)) this.#retryMs = Number(value)
  }

  #dispatch(fields: { event: string; data: string | undefined }): void {
    const { event, data } = fields
    fields.event = ''
    fields.data = undefined
    if (data === undefined || this.#isClosed()) return
    this.dispatchEvent(trusted(new MessageEvent(event || 'message', { data, lastEventId: this.#lastId, origin: new URL(this.#url).origin })))
  }

  get readyState(): number {
    return this.#state
  }

  get url(): string {
    return this.#url
  }

  get withCredentials(): boolean {
    return this.#withCredentials
  }

  close(): void {
    this.#state = CONSTANTS.CLOSED
    this.#abort.abort()
  }
}
shapeInterface(EventSource, CONSTANTS)
for (const type of ['open', 'message', 'error']) shapeHandler(EventSource, type)
shapeInspection(EventSource, ['readyState', 'url', 'withCredentials', 'onopen', 'onmessage', 'onerror'])

function isEvents(response: Response): boolean {
  return response.status === 200 && mediaType(response.headers.get('content-type'))?.essence === 'text/event-stream'
}

declare const setTimeout: (callback: () => void, ms: number) => unknown
