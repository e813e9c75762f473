import { randomUUID } from 'node:crypto'
import type { Connection } from './connection.ts'
import type { Io } from './io.ts'

/** What the server answered instead of doing what it was asked, or why it could not be asked. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly code: string
  readonly status: number
  readonly details: unknown
  readonly requestId: string | undefined

  constructor({ code, message, status, details, requestId }: { code: string; message: string; status: number; details?: unknown; requestId?: string | undefined }) {
    super(message)
    this.code = code
    this.status = status
    this.details = details
    this.requestId = requestId
  }
}

export interface Request {
  method: string
  path: string
  /** Sent as JSON. */
  body?: unknown
  /** Sent as it is. */
  upload?: Uint8Array | AsyncIterable<Uint8Array>
  headers?: Readonly<Record<string, string>>
}

/** Sends requests to one server under one key. */
export interface Client {
  /** @throws Refused for an answer that is an error, and where there is no answer */
  send(request: Request): Promise<Response>
  /** The JSON of an answer; undefined for one without. */
  json(request: Request): Promise<unknown>
}

/**
 * @param tell gets a line for each request and each answer; undefined where nobody wants to know
 * @example const { items } = await createClient(connectionOf(io), io).json({ method: 'GET', path: '/v1/modules' })
 */
export function createClient(connection: Connection, { interrupted }: Pick<Io, 'interrupted'>, tell?: (line: string) => void): Client {
  const send = async (request: Request, isAgain = false): Promise<Response> => {
    const { method, path, body, upload, headers } = request
    const requestId = randomUUID()
    const text = body === undefined ? undefined : JSON.stringify(body)
    // Of the body its length: it may hold what is secret.
    tell?.(`> ${method} ${connection.url}${path}${text === undefined ? '' : ` with ${Buffer.byteLength(text)} bytes`}`)
    const startedAt = performance.now()
    const response = await fetch(connection.url + path, {
      method,
      // A redirect would take the key elsewhere.
      redirect: 'manual',
      signal: interrupted,
      headers: {
        ...(connection.key !== undefined && { authorization: `Bearer ${connection.key}` }),
        ...(text !== undefined && { 'content-type': 'application/json' }),
        'x-request-id': requestId,
        ...headers,
      },
      ...(text !== undefined && { body: text }),
      ...(upload !== undefined && { body: upload as NonNullable<RequestInit['body']>, duplex: 'half' }),
    } as RequestInit).catch((thrown: unknown) => {
      if (interrupted.aborted) throw thrown
      if (!isAgain && wasLost(thrown) && isRepeatable(request)) return undefined
      throw unreachable(connection, thrown)
    })
    if (response === undefined) return send(request, true)
    tell?.(`< ${response.status} ${response.statusText} in ${Math.round(performance.now() - startedAt)} ms, request ${response.headers.get('x-request-id') ?? requestId}`)
    if (!response.ok) throw await refusalOf(response, connection)
    return response
  }
  return {
    send: (request) => send(request),
    async json(request) {
      const response = await send(request)
      const text = await response.text()
      return text === '' ? undefined : (JSON.parse(text) as unknown)
    },
  }
}

/** Whether the server was there and the answer was not: it may have done what it was asked. */
function wasLost(thrown: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(((thrown as Error).cause as { code?: string } | undefined)?.code ?? '')
}

/** Whether asking again does it no second time. */
function isRepeatable({ method, upload, headers }: Request): boolean {
  return upload === undefined && (method === 'GET' || headers?.['idempotency-key'] !== undefined)
}

function unreachable({ url }: Connection, thrown: unknown): Refused {
  const cause = (thrown as Error).cause as { code?: string; message?: string } | undefined
  const codes: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'nothing listens there; start it with "npx bulkhead start", or set BULKHEAD_URL',
    ENOTFOUND: 'there is no such host; see BULKHEAD_URL',
    ECONNRESET: 'the connection was lost',
    UND_ERR_SOCKET: 'the connection was lost',
    UND_ERR_HEADERS_TIMEOUT: 'it did not answer in five minutes',
  }
  const why = codes[cause?.code ?? ''] ?? cause?.code ?? cause?.message ?? (thrown as Error).message
  return new Refused({ code: 'UNREACHABLE', status: 0, message: `cannot reach ${url}, ${why}` })
}

async function refusalOf(response: Response, connection: Connection): Promise<Refused> {
  const { status, headers } = response
  const requestId = headers.get('x-request-id') ?? undefined
  const text = await response.text().catch(() => '')
  const error = errorIn(text)
  if (!error) {
    const message = `${connection.url} answered ${status} without saying why; is a Bulkhead server there?`
    return new Refused({ code: 'UNEXPECTED', status, message, requestId })
  }
  const after = headers.get('retry-after')
  const advice = status === 401 ? keyAdvice(connection) : status === 429 && after !== null ? `; try again in ${after} s` : ''
  return new Refused({ ...error, message: error.message + advice, status, requestId })
}

function keyAdvice({ key, sought }: Connection): string {
  return key === undefined ? `; no key was found in ${sought}` : ''
}

function errorIn(text: string): { code: string; message: string; details?: unknown } | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown; message?: unknown; details?: unknown } }
    if (typeof error?.code !== 'string' || typeof error.message !== 'string') return undefined
    return { code: error.code, message: error.message, details: error.details }
  } catch {
    return undefined
  }
}
