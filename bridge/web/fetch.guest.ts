import { whenAborted } from './abort.guest.ts'
import { type Body, bodyOf, bodyOfBytes } from './body.guest.ts'
import type { Bytes } from './blob.guest.ts'
import { dataUrl } from './data-url.guest.ts'
import { frozenHeaders, headerListOf, type HeaderList } from './headers.guest.ts'
import { type HostAsk, hostAsker } from './host.guest.ts'
import { needArguments } from './interface.guest.ts'
import { blobOfUrl } from './object-url.guest.ts'
import { fromBase64, gather, type Gathered, toBase64 } from './native-base64.guest.ts'
import { nextId } from './net-id.guest.ts'
import { innerRequest, type InnerRequest, Request } from './request.guest.ts'
import { type Response, responseFrom } from './response.guest.ts'
import { ReadableStream } from './streams.guest.ts'
import { URL } from './url.guest.ts'

// Fetch, 4 and 5.6. The exchange is the host's, which says what may be fetched; here are its ends.

/** Exchanges begun at one time; further ones wait here, where they cost the module alone. */
const AT_ONCE = 32
const PIECE = 512 * 1024
const ASK_LENGTH = 1_280 * 1024

/** The answer to `fetch`. */
interface Head {
  status: number
  statusText: string
  url: string
  redirected: boolean
  headers: HeaderList
  hasBody: boolean
  /** What came with it of the body, as an answer to `fetch.read`. */
  first?: string
}

type FetchInput = ConstructorParameters<typeof Request>[0]
type FetchInit = ConstructorParameters<typeof Request>[1]

export function fetch(input: FetchInput, init: FetchInit = undefined): Promise<Response> {
  return begin(arguments.length, input, init)
}
Object.defineProperty(fetch, 'length', { value: 1, configurable: true })

async function begin(given: number, input: FetchInput, init: FetchInit): Promise<Response> {
  needArguments(given, 1, 'fetch', 'Window')
  const request = new Request(input, init)
  const { signal } = request
  signal.throwIfAborted()
  const inner = innerRequest(request)
  const url = new URL(inner.url)
  if (url.protocol === 'data:') return ofBytes(dataUrl(inner.url), inner.url)
  if (url.protocol === 'blob:') return ofBlob(inner)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError(`Url scheme '${url.protocol.slice(0, -1)}' not supported`)
  return exchange(inner, headerListOf(request.headers), signal)
}

async function exchange(inner: InnerRequest, headers: HeaderList, signal: Request['signal']): Promise<Response> {
  const ask = hostAsker()
  const id = nextId()
  let isOver = false
  const close = () => {
    if (!isOver) swallow(() => ask('fetch.close', `{"id":${id}}`))
    isOver = true
  }
  const { promise: aborted, reject: abort } = Promise.withResolvers<never>()
  aborted.catch(() => {})
  const forget = whenAborted(signal, () => {
    abort(signal.reason)
    close()
  })
  const release = await Promise.race([taken(signal), aborted])
  const finish = () => {
    isOver = true
    forget()
    release()
  }
  try {
    signal.throwIfAborted()
    const { body } = inner
    const bytes = body?.bytes
    const inline = bytes && bytes.length <= PIECE
    const args = { id, method: inner.method, url: inner.url, headers, redirect: inner.redirect, body: inline ? { bytes: toBase64(await body.consume()) } : body ? 'stream' : null }
    const answer = ask('fetch', JSON.stringify(args), ASK_LENGTH)
    if (body && !inline) void upload(body, id, ask, abort)
    const head = JSON.parse(await Promise.race([answer, aborted])) as Head
    return responseFrom(
      { type: 'default', status: head.status, statusText: head.statusText, url: head.url, redirected: head.redirected, body: bodyOfExchange(head, id, ask, signal, finish, close) },
      frozenHeaders(head.headers),
    )
  } catch (thrown) {
    close()
    finish()
    throw asFetchError(thrown)
  }
}

function bodyOfExchange(head: Head, id: number, ask: HostAsk, signal: Request['signal'], finishExchange: () => void, close: () => void): Body | null {
  const { first, hasBody } = head
  if (first?.startsWith('.')) {
    finishExchange()
    return hasBody ? bodyOfBytes(fromBase64(first.slice(1))) : null
  }
  const finish = () => {
    forget()
    finishExchange()
  }
  let fail: (reason: unknown) => void = finish
  const forget = whenAborted(signal, () => fail(signal.reason))
  const read = () => ask('fetch.read', `{"id":${id}}`)
  return bodyOf({
    stream() {
      let piece = first
      return new ReadableStream<Bytes>(
        {
          type: 'bytes',
          start(controller: Controller) {
            if (signal.aborted) return controller.error(signal.reason)
            fail = (reason) => {
              controller.error(reason)
              finish()
            }
          },
          async pull(controller: Controller) {
            try {
              // Nothing for a while: the host lets go, so that it is asked in the name of what runs by now.
              while (piece === undefined || piece === '+') piece = await read()
              const isLast = piece.startsWith('.')
              if (piece.length > 1) controller.enqueue(fromBase64(piece.slice(1)))
              piece = undefined
              if (!isLast) return
              finish()
              controller.close()
              controller.byobRequest?.respond(0)
            } catch (thrown) {
              if (!signal.aborted) fail(asFetchError(thrown))
            }
          },
          cancel() {
            close()
            finish()
          },
        } as never,
        { highWaterMark: 0 },
      )
    },
    async drain() {
      const { promise: aborted, reject } = Promise.withResolvers<never>()
      aborted.catch(() => {})
      fail = reject
      try {
        signal.throwIfAborted()
        return await Promise.race([whole(gather(expectedLength(head)), first, read), aborted])
      } catch (thrown) {
        throw signal.aborted ? signal.reason : asFetchError(thrown)
      } finally {
        finish()
      }
    },
  })
}

/** All pieces; while one is read the next one is on its way. */
async function whole(bytes: Gathered, first: string | undefined, read: () => Promise<string>): Promise<Bytes> {
  if (first !== undefined) bytes.add(first.slice(1))
  for (let next = read(); ; ) {
    const ahead = read()
    ahead.catch(() => {}) // after the last one there is none
    const piece = await next
    bytes.add(piece.slice(1))
    if (piece.startsWith('.')) return bytes.whole()
    next = ahead
  }
}

/** A server that says so much and sends less has cost the module no more than this. */
const MAX_EXPECTED = 1024 * 1024

function expectedLength({ headers }: Head): number {
  const length = Number(headers.find(([name]) => name === 'content-length')?.[1])
  return Number.isInteger(length) && length > 0 ? Math.min(length, MAX_EXPECTED) : 0
}

interface Controller {
  enqueue(chunk: Bytes): void
  close(): void
  error(reason: unknown): void
  byobRequest: { respond(count: number): void } | null
}

async function upload(body: Body, id: number, ask: HostAsk, abort: (reason: unknown) => void): Promise<void> {
  try {
    const reader = body.stream().getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (!((value as unknown) instanceof Uint8Array)) throw new TypeError('Item of the request body stream is not a Uint8Array')
      for (let at = 0; at < value.length; at += PIECE) {
        await ask('fetch.write', `{"id":${id},"bytes":"${toBase64(value.subarray(at, at + PIECE))}"}`, ASK_LENGTH)
      }
    }
    await ask('fetch.write', `{"id":${id}}`)
  } catch (thrown) {
    abort(thrown)
  }
}

/** What a module of Deno's expects of a fetch that failed; a refusal stays what it is. */
export function asFetchError(thrown: unknown): unknown {
  const { code, message } = Object(thrown) as { code?: string; message?: string }
  return code === 'UNAVAILABLE' || code === 'INVALID' ? new TypeError(message) : thrown
}

function ofBytes({ bytes, type }: { bytes: Bytes; type: string }, url: string): Response {
  return responseFrom({ type: 'default', status: 200, statusText: 'OK', url, redirected: false, body: bodyOfBytes(bytes) }, frozenHeaders([['content-type', type]]))
}

function ofBlob({ method, url }: InnerRequest): Response {
  if (method !== 'GET') throw new TypeError('Blob URL fetch only supports GET method')
  const found = blobOfUrl(url)
  if (!found) throw new TypeError('Blob for the given URL not found.')
  const headers: HeaderList = [['content-length', String(found.bytes.length)], ['content-type', found.type]]
  return responseFrom({ type: 'default', status: 200, statusText: 'OK', url, redirected: false, body: bodyOfBytes(found.bytes) }, frozenHeaders(headers))
}

let begun = 0
const waiting: Array<() => void> = []

async function take(): Promise<() => void> {
  if (begun >= AT_ONCE) await new Promise<void>((done) => waiting.push(done))
  else begun++
  let given = false
  return () => {
    if (given) return
    given = true
    const next = waiting.shift()
    if (next) next()
    else begun--
  }
}

/** A place for an exchange, given back at once where nobody waits for it any more. */
async function taken(signal: Request['signal']): Promise<() => void> {
  const release = await take()
  if (signal.aborted) release()
  return release
}

function swallow(run: () => Promise<unknown>): void {
  try {
    run().catch(() => {})
  } catch {} // no execution is open any more, so that the host has let go of it by itself
}
