import { type Body, bodyMembers, type BodyInit, extractBody } from './body.guest.ts'
import { fillHeaders, hasHeader, headerListOf, type HeaderList, type Headers, headersFrom, type HeadersInit } from './headers.guest.ts'
import { needArguments, shapeInspection, shapeInterface, toByteString, toDictionary } from './interface.guest.ts'
import { URL } from './url.guest.ts'

/** Fetch, 2.2.6: what came, or is to be sent. */
export interface InnerResponse {
  type: 'default' | 'basic' | 'error'
  status: number
  statusText: string
  /** Where it came from after redirects, without a fragment; none for one that a module made. */
  url: string
  redirected: boolean
  body: Body | null
}
interface ResponseInit {
  status?: number
  statusText?: string
  headers?: HeadersInit
}

const NULL_BODY = new Set([101, 103, 204, 205, 304])
const REDIRECTS = new Set([301, 302, 303, 307, 308])

let innerOf: (response: Response) => InnerResponse
let create: (inner: InnerResponse, headers: Headers) => Response

/** Fetch, 5.5. */
export class Response {
  #inner: InnerResponse = { type: 'default', status: 200, statusText: '', url: '', redirected: false, body: null }
  #headers: Headers
  declare readonly bodyUsed: boolean

  static {
    innerOf = (response) => response.#inner
    create = (inner, headers) => {
      const response = new Response()
      response.#inner = inner
      response.#headers = headers
      return response
    }
  }

  constructor(body: BodyInit | null | undefined = null, init: ResponseInit | undefined = undefined) {
    const { headers, status, statusText } = toDictionary<ResponseInit>(init, "Failed to construct 'Response': Argument 2")
    const inner = this.#inner
    inner.status = toStatus(status)
    inner.statusText = toStatusText(statusText)
    const list: HeaderList = []
    if (headers !== undefined) fillHeaders(list, headers, "Failed to construct 'Response': 'headers' of 'ResponseInit' (Argument 2)")
    this.#headers = headersFrom(list, false)
    if (body !== null && body !== undefined) this.#take(extractBody(body), list)
  }

  #take({ body, type }: ReturnType<typeof extractBody>, list: HeaderList): void {
    if (NULL_BODY.has(this.#inner.status)) throw new TypeError('Response with null body status cannot have body')
    this.#inner.body = body
    if (type !== undefined && !hasHeader(list, 'content-type')) list.push(['content-type', type])
  }

  static error(): Response {
    return create({ type: 'error', status: 0, statusText: '', url: '', redirected: false, body: null }, headersFrom([], true))
  }

  static redirect(url: string | URL, status = 302): Response {
    needArguments(arguments.length, 1, 'redirect', 'Response')
    const location = new URL(String(url)).href
    const code = Number(status) & 0xffff
    if (!REDIRECTS.has(code)) throw new RangeError(`Invalid redirect status code: ${code}`)
    return create({ type: 'default', status: code, statusText: '', url: '', redirected: false, body: null }, headersFrom([['location', location]], true))
  }

  static json(data: unknown, init: ResponseInit | undefined = undefined): Response {
    needArguments(arguments.length, 1, 'json', 'Response')
    const text = JSON.stringify(data) as string | undefined
    if (text === undefined) throw new TypeError('Value is not JSON serializable')
    const response = new Response(null, init)
    response.#take({ body: extractBody(text).body, type: 'application/json' }, headerListOf(response.#headers))
    return response
  }

  get type(): string {
    return this.#inner.type
  }

  get url(): string {
    return this.#inner.url
  }

  get redirected(): boolean {
    return this.#inner.redirected
  }

  get status(): number {
    return this.#inner.status
  }

  get ok(): boolean {
    return this.#inner.status >= 200 && this.#inner.status < 300
  }

  get statusText(): string {
    return this.#inner.statusText
  }

  get headers(): Headers {
    return this.#headers
  }

  clone(): Response {
    const { body } = this.#inner
    if (body?.isUnusable) throw new TypeError('Body is unusable')
    const list = headerListOf(this.#headers).map(([name, value]): [string, string] => [name, value])
    return create({ ...this.#inner, body: body && body.fork() }, headersFrom(list, false))
  }
}
Object.defineProperty(Response.redirect, 'length', { value: 1, configurable: true })
Object.defineProperties(
  Response.prototype,
  Object.getOwnPropertyDescriptors(bodyMembers((self) => ({ body: innerOf(self as Response).body, headers: headerListOf((self as Response).headers) }))),
)
shapeInterface(Response)
for (const name of ['error', 'redirect', 'json']) Object.defineProperty(Response, name, { enumerable: true })
shapeInspection(Response, ['body', 'bodyUsed', 'headers', 'ok', 'redirected', 'status', 'statusText', 'url'])

export { innerOf as innerResponse, create as responseFrom }

export function isNullBodyStatus(status: number): boolean {
  return NULL_BODY.has(status)
}

function toStatus(value: unknown): number {
  if (value === undefined) return 200
  const status = Math.trunc(Number(value)) & 0xffff
  if (status === 101 || (status >= 200 && status <= 599)) return status
  throw new RangeError(`The status provided (${status}) is not equal to 101 and outside the range [200, 599]`)
}

function toStatusText(value: unknown): string {
  if (value === undefined) return ''
  const text = toByteString(value, "Failed to construct 'Response': 'statusText' of 'ResponseInit' (Argument 2)")
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) throw new TypeError(`Invalid status text: ${JSON.stringify(text)}`)
  return text
}
