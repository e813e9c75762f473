import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { Caller } from './capabilities.ts'
import { BulkheadError } from './errors.ts'
import { firstOf } from './first-of.ts'
import { NET_CAPS } from './net-caps.ts'
import { targetOf } from './net-grant.host.ts'
import type { Gate } from './net-http.host.ts'
import type { Place } from './net-places.host.ts'
import { pull } from './net-pull.host.ts'
import { type Resolve, routeTo } from './net-route.host.ts'

export interface FetchRequest {
  method: string
  url: URL
  headers: Array<[name: string, value: string]>
  redirect: 'follow' | 'error' | 'manual'
  /** Bytes that are there, or a stream that is written piece by piece. */
  body: Buffer | 'stream' | undefined
}

export interface ExchangeOptions {
  caller: Caller
  request: FetchRequest
  resolve: Resolve
  gate: Gate
  place: Place
  /** Counts what goes over the wire. @throws SIZE_LIMIT */
  count(way: 'sent' | 'received', bytes: number): void
}

/** One fetch, from its first request to the end of the last response's body. */
export interface Exchange {
  /** The head of the response as JSON, with its body where that is there already. */
  readonly head: Promise<string>
  /** The next piece of the body: `+` and base64, or `.` and base64 for the last one. Nothing where it has to wait longer. */
  read(patienceMs?: number): Promise<string>
  /** Resolves once there is room for more; without bytes the body ends. */
  write(bytes: Buffer | undefined): Promise<void>
  close(): void
  /** Resolves when it has let go of everything. */
  readonly ended: Promise<void>
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** The host's own to say: where a message ends, whom the connection is with, and what it becomes. */
const FORBIDDEN = new Set(['connection', 'content-length', 'expect', 'host', 'http2-settings', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'])
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
/** What says who the module is to one origin is nobody else's. */
const PRIVATE = new Set(['authorization', 'cookie'])
const OF_BODY = new Set(['content-encoding', 'content-language', 'content-location', 'content-type'])

/** @throws INVALID where a field is not what the bridge in the isolate sends; what a module says there it has checked */
export function readRequest(args: Record<string, unknown>): FetchRequest {
  const { method, url, headers, redirect, body } = args
  if (typeof method !== 'string' || !NAME.test(method) || method.length > 100 || /^(connect|trace|track)$/i.test(method)) throw invalid('the method is none that may be used')
  const parsed = typeof url === 'string' && url.length <= NET_CAPS.urlLength ? URL.parse(url) : null
  if (!parsed) throw invalid(`the URL is none, or longer than ${NET_CAPS.urlLength} characters`)
  if (!isHttp(parsed)) throw invalid('the scheme is neither http nor https')
  parsed.username = parsed.password = parsed.hash = ''
  if (redirect !== 'follow' && redirect !== 'error' && redirect !== 'manual') throw invalid('the redirect mode is unknown')
  if (body !== null && body !== 'stream' && typeof (body as { bytes?: unknown } | undefined)?.bytes !== 'string') throw invalid('the body is none')
  return {
    method,
    url: parsed,
    headers: readHeaders(headers),
    redirect,
    body: body === null ? undefined : body === 'stream' ? 'stream' : Buffer.from((body as { bytes: string }).bytes, 'base64'),
  }
}

function readHeaders(value: unknown): Array<[string, string]> {
  if (!Array.isArray(value) || value.length > NET_CAPS.headers) throw invalid(`it may have ${NET_CAPS.headers} headers`)
  let length = 0
  const headers = value.map((pair: unknown): [string, string] => {
    const [name, text] = Array.isArray(pair) ? (pair as unknown[]) : []
    if (typeof name !== 'string' || typeof text !== 'string' || !NAME.test(name) || !VALUE.test(text)) throw invalid('a header has a name or a value that no header may have')
    length += name.length + text.length + 4
    return [name.toLowerCase(), text]
  })
  if (length > NET_CAPS.headerLength) throw invalid(`its headers may have ${NET_CAPS.headerLength} characters`)
  return headers.filter(([name]) => !FORBIDDEN.has(name) && !name.startsWith('proxy-'))
}

export function openExchange({ caller, request, resolve, gate, place, count }: ExchangeOptions): Exchange {
  const abort = new AbortController()
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const giveBack: Array<() => void> = []
  let source: Readable | undefined
  let lastRead: Promise<unknown> = Promise.resolve()
  let sink = Promise.withResolvers<ClientRequest>()
  sink.promise.catch(() => {})
  const received = (bytes: number) => count('received', bytes)

  function close(): void {
    if (abort.signal.aborted) return
    abort.abort(new BulkheadError('UNAVAILABLE', 'cannot go on with the exchange, it has ended'))
    source?.destroy()
    for (const give of giveBack.splice(0)) give()
    sink.reject(abort.signal.reason)
    end()
  }

  async function begin(): Promise<string> {
    try {
      const give = await place.take(abort.signal)
      // It may have been closed after the place was given to it, and before it learned of that.
      if (abort.signal.aborted) give()
      abort.signal.throwIfAborted()
      giveBack.push(give)
      const { response, url, redirected } = await follow()
      source = decoded(response)
      source.on('error', () => {}) // whoever reads is told
      const hasBody = request.method !== 'HEAD' && response.statusCode !== 204 && response.statusCode !== 304
      const head = {
        status: response.statusCode ?? 0,
        statusText: response.statusMessage ?? '',
        url: url.href,
        redirected,
        headers: headersOf(response, source !== response),
      }
      // What came along with the head goes along with it.
      const piece = hasBody ? await soon(source, response) : '.'
      if (piece?.startsWith('.')) close()
      return JSON.stringify({ ...head, ...(piece !== undefined && { first: piece }), hasBody })
    } catch (thrown) {
      const error = asFetchError(thrown, request.url, abort.signal)
      close()
      throw error
    }
  }

  async function follow(): Promise<{ response: IncomingMessage; url: URL; redirected: boolean }> {
    let { method, url, headers, body } = request
    for (let hops = 0; ; hops++) {
      const what = `fetch ${shown(url)}`
      const addresses = await routeTo(caller, targetOf(url), what, resolve)
      abort.signal.throwIfAborted()
      const sent = gate.send({ url, method, headers: [...headers, ...defaults(headers), ...framing(method, body)], addresses, signal: abort.signal })
      sendBody(sent.request, body)
      const response = await sent.response
      const location = REDIRECTS.has(response.statusCode ?? 0) ? response.headers.location : undefined
      if (location === undefined || request.redirect === 'manual') return { response, url, redirected: hops > 0 }
      response.resume()
      response.on('error', () => {})
      if (request.redirect === 'error') throw refused(`cannot ${what}, it redirects`)
      if (hops >= NET_CAPS.redirects) throw refused(`cannot ${what}, it redirects more than ${NET_CAPS.redirects} times`)
      const next = URL.parse(location, url)
      if (!next || !isHttp(next)) throw refused(`cannot ${what}, it redirects to what is no http or https URL`)
      next.username = next.password = next.hash = ''
      const { statusCode: status } = response
      const becomesGet = status === 303 ? method !== 'GET' && method !== 'HEAD' : (status === 301 || status === 302) && method === 'POST'
      if (becomesGet) {
        method = 'GET'
        body = undefined
        headers = headers.filter(([name]) => !OF_BODY.has(name))
      } else if (body === 'stream') throw refused(`cannot ${what}, it redirects and the body cannot be sent again`)
      if (next.origin !== url.origin) headers = headers.filter(([name]) => !PRIVATE.has(name))
      response.destroy()
      url = next
    }
  }

  function sendBody(to: ClientRequest, body: FetchRequest['body']): void {
    if (body === 'stream') return sink.resolve(to)
    if (body) count('sent', body.length)
    to.end(body)
  }

  async function readNext(patienceMs?: number): Promise<string> {
    if (!source) throw new BulkheadError('UNAVAILABLE', 'cannot read the body, the response is not there')
    try {
      const piece = await pull(source, received, patienceMs)
      if (piece.startsWith('.')) close()
      return piece
    } catch (thrown) {
      const error = asFetchError(thrown, request.url, abort.signal)
      close()
      throw error
    }
  }

  async function soon(from: Readable, response: IncomingMessage): Promise<string | undefined> {
    await new Promise(setImmediate)
    return response.complete && from === response ? pull(from, received) : undefined
  }

  return {
    head: begin(),
    read(patienceMs) {
      const piece = lastRead.then(() => readNext(patienceMs))
      lastRead = piece.catch(() => {})
      return piece
    },
    async write(bytes) {
      const to = await sink.promise
      if (to.destroyed || to.writableEnded) return
      if (!bytes) return void to.end()
      try {
        count('sent', bytes.length)
      } catch (thrown) {
        close()
        throw thrown
      }
      if (to.write(bytes)) return
      await firstOf(to, ['drain', 'close', 'error'])
    },
    close,
    ended,
  }
}

/** Pieces as large as what is read at once, of which a few are ahead of the reader. */
const SIZES = { chunkSize: 64 * 1024, highWaterMark: 256 * 1024 }

const DECODERS: Readonly<Record<string, () => NodeJS.ReadWriteStream & Readable>> = {
  gzip: () => createGunzip(SIZES),
  'x-gzip': () => createGunzip(SIZES),
  deflate: () => createInflate(SIZES),
  br: () => createBrotliDecompress(SIZES),
}

/** The body as it was before it was compressed for the way. */
function decoded(response: IncomingMessage): Readable {
  const decoder = DECODERS[(response.headers['content-encoding'] ?? '').trim().toLowerCase()]?.()
  if (!decoder) return response
  response.on('error', (error) => decoder.destroy(error))
  response.on('close', () => response.complete || decoder.destroy(new Error('the connection was closed')))
  decoder.on('close', () => response.destroy())
  return response.pipe(decoder)
}

function headersOf(response: IncomingMessage, isDecoded: boolean): Array<[string, string]> {
  const headers: Array<[string, string]> = []
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    const name = (response.rawHeaders[i] as string).toLowerCase()
    if (isDecoded && name === 'content-length') continue
    headers.push([name, response.rawHeaders[i + 1] as string])
  }
  return headers
}

function defaults(headers: FetchRequest['headers']): Array<[string, string]> {
  const missing: Array<[string, string]> = [['accept', '*/*'], ['accept-language', '*'], ['user-agent', 'Bulkhead'], ['accept-encoding', 'gzip,br']]
  return missing.filter(([name]) => !headers.some(([other]) => other === name))
}

function framing(method: string, body: FetchRequest['body']): Array<[string, string]> {
  if (body === 'stream') return [['transfer-encoding', 'chunked']]
  if (body) return [['content-length', String(body.length)]]
  return method === 'POST' || method === 'PUT' ? [['content-length', '0']] : []
}

function isHttp(url: URL): boolean {
  return url.protocol === 'http:' || url.protocol === 'https:'
}

function shown(url: URL): string {
  return `${url.origin}${url.pathname}`.slice(0, 300)
}

/** What went wrong, without a word about the host's own addresses and sockets. */
function asFetchError(thrown: unknown, url: URL, signal: AbortSignal): BulkheadError {
  if (thrown instanceof BulkheadError) return thrown
  if (signal.aborted && signal.reason instanceof BulkheadError) return signal.reason
  const { code = '', errors } = Object(thrown) as { code?: string; errors?: Array<{ code?: string }> }
  return refused(`cannot fetch ${shown(url)}, ${WHY[code] ?? WHY[errors?.[0]?.code ?? ''] ?? whyOf(code)}`)
}

const WHY: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the host',
  HPE_HEADER_OVERFLOW: 'the headers of the response are too large',
}

function whyOf(code: string): string {
  if (code.startsWith('HPE_')) return 'the response is no HTTP'
  if (/^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_|SELF_SIGNED|UNABLE_TO_)/.test(code)) return `the certificate is not valid (${code})`
  if (/^(Z_|ERR__)/.test(code)) return 'the body is not compressed as it says'
  return 'the connection failed'
}

function refused(message: string): BulkheadError {
  return new BulkheadError('UNAVAILABLE', message)
}

function invalid(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot fetch, ${why}`)
}
