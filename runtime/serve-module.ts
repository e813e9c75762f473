import type { WebSocket } from 'ws'
import type { HttpExchange } from '../bridge/http.host.ts'
import { asBulkheadError, BulkheadError } from '../bridge/errors.ts'
import { HTTP_LIMITS, type RequestHead, type ResponseHead } from '../bridge/http.ts'
import type { Subject } from './instance.ts'
import type { Invocation } from '../bridge/contract.ts'
import { checkResponseHead } from './response-head.ts'

/** A request that a module is to answer. */
export interface ModuleRequest {
  method: string
  /** As the module is to see it. */
  url: string
  headers: Array<[name: string, value: string]>
  body: ReadableStream<Uint8Array> | null
  remote: { hostname: string; port: number }
  /** Aborts when the client has gone. */
  signal: AbortSignal
  /** Has the connection become a web socket, of the protocol that was chosen; where the client asks for one. */
  upgrade?(protocol: string): Promise<WebSocket>
}

/** The status of a connection that has become a web socket, which no module's response has. */
export const UPGRADED = 101

export interface ModuleResponse extends ResponseHead {
  body: ReadableStream<Uint8Array> | Uint8Array | null
}

type Invoke = (invocation: Invocation, subject: Subject) => Promise<unknown>

const NO_BODY = new Set([204, 205, 304])

/**
 * Has a module answer one request, in an execution of its own. Resolves with the head as soon as there is one; the body
 * comes as the module makes it, no faster than it is read. When the execution ends early, by a limit too, the body is cut off.
 *
 * @throws what the execution ends with before its response has begun: a limit, MODULE_FAILED
 */
export async function serveModule(request: ModuleRequest, invoke: Invoke): Promise<ModuleResponse> {
  const source = await openBody(request.body)
  const { promise: responded, resolve: respond, reject: fail } = Promise.withResolvers<ModuleResponse>()
  responded.catch(() => {})
  let upgraded: WebSocket | undefined
  let hasBegun = false
  const gone = new Promise<void>((resolve) => {
    if (request.signal.aborted) resolve()
    else request.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const output = openOutput(gone)
  const exchange: HttpExchange = {
    read: source.read,
    gone,
    respond(given) {
      hasBegun = true
      const head = checkResponseHead(given)
      respond({ ...head, body: NO_BODY.has(head.status) ? null : output.stream })
    },
    write: output.write,
    ...(request.upgrade && { upgrade }),
  }
  const head: RequestHead = { method: request.method, url: request.url, headers: request.headers, body: source.inline, remote: request.remote, ...(request.upgrade && { upgrade: true }) }
  const ended = invoke({ target: 'fetch', name: 'fetch', args: [head] }, { hook: 'fetch', http: exchange })
  const inline = ended.then(readResult)
  // The module has answered; what is left of the request nobody reads.
  const over = (thrown?: unknown) => {
    source.drop()
    output.end(thrown)
    if (thrown !== undefined) upgraded?.close(1011, asBulkheadError(thrown).message.slice(0, 100))
  }
  inline.then(() => over(), over)
  const whole = inline.then((result) => {
    if (!result) fail(new BulkheadError('MODULE_FAILED', 'the module ended without a response')) // unless it has begun one
    return result ?? responded
  })
  return Promise.race([responded, whole])

  async function upgrade(protocol: string): Promise<WebSocket> {
    if (hasBegun) throw new BulkheadError('INVALID', 'cannot upgrade, the response has begun')
    hasBegun = true
    upgraded = await request.upgrade?.(protocol)
    if (!upgraded) throw new BulkheadError('UNAVAILABLE', 'cannot upgrade, the client has gone')
    respond({ status: UPGRADED, statusText: '', headers: [], body: null })
    return upgraded
  }
}

function readResult(result: unknown): ModuleResponse | undefined {
  if (result === 'streamed' || result === 'upgraded') return undefined
  if (result === null) throw new BulkheadError('MODULE_FAILED', 'the module ended without a response')
  const head = checkResponseHead(result)
  const { body } = result as { body?: unknown }
  return { ...head, body: typeof body === 'string' && !NO_BODY.has(head.status) ? Buffer.from(body, 'base64') : null }
}

/** What the server says in its log of a response that it could not finish: one line. */
function cutOff(thrown: unknown): Error {
  const error = new Error(`the response of a module was cut off, ${asBulkheadError(thrown).message}`)
  delete error.stack
  return error
}

interface Body {
  inline: RequestHead['body']
  read(): Promise<Uint8Array | undefined>
  drop(): void
}

/** A small body whole; of a larger one, a stream of pieces. @throws BODY_TOO_LARGE */
async function openBody(stream: ReadableStream<Uint8Array> | null): Promise<Body> {
  if (!stream) return { inline: null, read: async () => undefined, drop() {} }
  const reader = stream.getReader()
  const kept: Uint8Array[] = []
  let keptBytes = 0
  let total = 0
  let done = false
  const pull = async (): Promise<void> => {
    const next = await reader.read()
    if (next.done) return void (done = true)
    total += next.value.byteLength
    if (total > HTTP_LIMITS.requestBytes) {
      drop()
      throw new BulkheadError('BODY_TOO_LARGE', `the body is larger than ${HTTP_LIMITS.requestBytes} bytes`, { limit: HTTP_LIMITS.requestBytes })
    }
    kept.push(next.value)
    keptBytes += next.value.byteLength
  }
  const drop = () => {
    done = true
    reader.cancel().catch(() => {})
  }
  // A client that is slow to send its body keeps no module waiting for what fits into one piece.
  while (!done && keptBytes <= HTTP_LIMITS.chunkBytes) await pull()
  if (done) return { inline: { b: Buffer.concat(kept).toString('base64') }, read: async () => undefined, drop() {} }
  return {
    inline: 'stream',
    drop,
    async read() {
      if (keptBytes === 0 && !done) await pull()
      if (keptBytes === 0) return undefined
      const first = kept.shift() as Uint8Array
      const piece = first.subarray(0, HTTP_LIMITS.chunkBytes)
      if (piece.length < first.length) kept.unshift(first.subarray(piece.length))
      keptBytes -= piece.length
      return piece
    },
  }
}

/** Where a module's body goes: a stream that holds one piece, and has the module wait while it does. */
function openOutput(gone: Promise<void>) {
  let controller: ReadableStreamDefaultController<Uint8Array>
  let wake: (() => void) | undefined
  let ended = false
  let cancelled = false
  let total = 0
  const left = () => new BulkheadError('UNAVAILABLE', 'cannot write, the client has gone')
  const cancel = () => {
    cancelled = true
    wake?.()
  }
  void gone.then(cancel)
  const stream = new ReadableStream<Uint8Array>(
    { start: (given) => void (controller = given), pull: () => wake?.(), cancel },
    { highWaterMark: 1 },
  )
  return {
    stream,
    async write(bytes: Uint8Array): Promise<void> {
      if (cancelled || ended) throw left()
      total += bytes.byteLength
      if (total > HTTP_LIMITS.responseBytes) {
        const reached = { limit: 'responseBytes', value: HTTP_LIMITS.responseBytes, used: total }
        throw new BulkheadError('SIZE_LIMIT', `cannot write, a response may have ${HTTP_LIMITS.responseBytes} bytes`, reached)
      }
      controller.enqueue(bytes)
      while (!cancelled && !ended && (controller.desiredSize ?? 0) <= 0) {
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        await promise
      }
      if (cancelled) throw left()
    },
    end(thrown?: unknown) {
      if (ended || cancelled) return
      ended = true
      if (thrown === undefined) controller.close()
      else controller.error(cutOff(thrown))
      wake?.()
    },
  }
}
