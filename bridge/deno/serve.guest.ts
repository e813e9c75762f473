import { fromBase64, toBase64 } from '../base64.guest.ts'
import { HTTP_LIMITS, type RequestHead, type ResponseResult } from '../http.ts'
import { parse, stringify } from '../primordials.guest.ts'
import { AbortController } from '../web/abort.guest.ts'
import { bodyOfBytes, bodyOfStream } from '../web/body.guest.ts'
import { headerListOf, type HeaderList } from '../web/headers.guest.ts'
import type { HostAsk } from '../web/host.guest.ts'
import { type Request, requestFrom } from '../web/request.guest.ts'
import { innerResponse, Response } from '../web/response.guest.ts'
import { ReadableStream } from '../web/streams.guest.ts'
import { exitCodeOf, type FetchHandler, registry, type Upgrade } from './registry.guest.ts'

type Stream = ReadableStream<Uint8Array<ArrayBuffer>>

/** Answers one request by the module's handler. @param ask in the name of the request's execution */
export async function answer(handler: FetchHandler, head: RequestHead, ask: HostAsk): Promise<ResponseResult> {
  const { promise: completed, resolve, reject } = Promise.withResolvers<void>()
  completed.catch(() => {})
  const request = openRequest(head, ask)
  const info = { remoteAddr: { transport: 'tcp', ...head.remote }, completed }
  const upgrade: Upgrade = {}
  if (head.upgrade) registry.upgrades.set(request, upgrade)
  try {
    const response = await respond(handler, request, info)
    const isUpgraded = upgrade.response === response
    if (upgrade.response && !isUpgraded) notReturned(upgrade)
    if (isUpgraded) await upgrade.open?.(ask)
    const result = isUpgraded ? 'upgraded' : await send(response, head.method, ask)
    resolve()
    return result
  } catch (thrown) {
    reject(thrown)
    throw thrown
  }
}

/** The client has not been told of a socket then, and never is. */
function notReturned(upgrade: Upgrade): void {
  const message = 'Upgrade response was not returned from callback'
  console.error(message)
  upgrade.fail?.(new Error(message))
}

/** The handler's response; where it fails, that of `onError`, or the plain 500 that Deno answers with. */
async function respond(handler: FetchHandler, request: Request, info: object): Promise<Response> {
  try {
    return checked(await handler(request, info))
  } catch (thrown) {
    if (exitCodeOf(thrown) !== undefined) throw thrown
    const onError = registry.handler === handler ? registry.listen?.onError : undefined
    if (onError) return checked(await onError(thrown))
    console.error(thrown)
    return new Response('Internal Server Error', { status: 500 })
  }
}

function checked(given: unknown): Response {
  if (!(given instanceof Response)) {
    throw new TypeError('Return value from serve handler must be a response or a promise resolving to a response')
  }
  if (given.type === 'error') throw new TypeError('Return value from serve handler must not be an error response (like Response.error())')
  if (given.bodyUsed) throw new TypeError('The body of the Response returned from the serve handler has already been consumed')
  return given
}

function openRequest({ method, url, headers, body }: RequestHead, ask: HostAsk): Request {
  const content = body === null ? null : body === 'stream' ? bodyOfStream(readBody(ask)) : bodyOfBytes(fromBase64(body.b))
  const request = requestFrom({ method, url, redirect: 'follow', body: method === 'GET' || method === 'HEAD' ? null : content }, headers as HeaderList)
  let controller: AbortController | undefined
  // The host is asked to tell that the client has gone only where somebody wants to know.
  Object.defineProperty(request, 'signal', {
    configurable: true,
    get() {
      if (controller) return controller.signal
      const watching = (controller = new AbortController())
      ask('http.gone', '{}').then(
        () => watching.abort(new DOMException('The request has been cancelled.', 'AbortError')),
        () => {},
      )
      return watching.signal
    },
  })
  return request
}

function readBody(ask: HostAsk): Stream {
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const piece = parse(await ask('http.read', '{}')) as string | null
        if (piece === null) controller.close()
        else controller.enqueue(fromBase64(piece))
      },
    },
    { highWaterMark: 0 },
  )
}

async function send(response: Response, method: string, ask: HostAsk): Promise<ResponseResult> {
  const { status, statusText, body } = innerResponse(response)
  const head = { status, statusText, headers: headerListOf(response.headers) }
  if (!body) return { ...head, body: null }
  const { bytes } = body
  if (method === 'HEAD') {
    if (!bytes) await body.stream().cancel()
    return { ...head, body: null }
  }
  if (bytes && bytes.length <= HTTP_LIMITS.inlineBytes) return { ...head, body: toBase64(await body.consume()) }
  await ask('http.respond', stringify(head) as string)
  await pipe(body.stream() as Stream, ask)
  return 'streamed'
}

/** Each piece waits until the client has taken the one before. When the client has gone, the stream is told to stop. */
async function pipe(stream: Stream, ask: HostAsk): Promise<void> {
  const reader = stream.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    if (!((value as unknown) instanceof Uint8Array)) throw new TypeError('cannot send the body, a chunk of its stream is no Uint8Array')
    for (let at = 0; at < value.length; at += HTTP_LIMITS.chunkBytes) {
      try {
        await ask('http.write', '{"b":"' + toBase64(value.subarray(at, at + HTTP_LIMITS.chunkBytes)) + '"}')
      } catch (thrown) {
        await reader.cancel(thrown)
        if ((thrown as { code?: string }).code === 'UNAVAILABLE') return
        throw thrown
      }
    }
  }
}

declare const console: { error(...args: unknown[]): void }
declare const DOMException: new (message: string, name: string) => Error
