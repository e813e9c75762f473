import { AbortController, AbortSignal, isAbortSignal } from './abort.guest.ts'
import { type Body, bodyMembers, type BodyInit, extractBody } from './body.guest.ts'
import { fillHeaders, frozenHeaders, hasHeader, headerListOf, type HeaderList, type Headers, headersFrom, type HeadersInit } from './headers.guest.ts'
import { needArguments, shapeInspection, shapeInterface, toByteString, toDictionary, toText, toUSVString } from './interface.guest.ts'
import { URL } from './url.guest.ts'

/** Fetch, 2.2.5. */
export interface InnerRequest {
  method: string
  /** With its fragment. */
  url: string
  redirect: 'follow' | 'error' | 'manual'
  body: Body | null
}
interface RequestInit {
  method?: string
  headers?: HeadersInit
  body?: BodyInit | null
  redirect?: string
  signal?: AbortSignal | null
  cache?: string
  credentials?: string
  mode?: string
  referrer?: string
  referrerPolicy?: string
  integrity?: string
  keepalive?: unknown
}
/** What a module may read again and nothing here acts on: there are no caches, cookies or documents. */
interface Attributes {
  cache: string
  credentials: string
  mode: string
  referrer: string
  referrerPolicy: string
  integrity: string
  keepalive: boolean
}

const UPPER = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])
const FORBIDDEN = new Set(['CONNECT', 'TRACE', 'TRACK'])
const ENUMS = {
  redirect: ['RequestRedirect', 'follow', 'error', 'manual'],
  cache: ['RequestCache', 'default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'],
  credentials: ['RequestCredentials', 'omit', 'same-origin', 'include'],
  mode: ['RequestMode', 'navigate', 'same-origin', 'no-cors', 'cors'],
  referrerPolicy: ['ReferrerPolicy', '', 'no-referrer', 'no-referrer-when-downgrade', 'same-origin', 'origin', 'strict-origin', 'origin-when-cross-origin', 'strict-origin-when-cross-origin', 'unsafe-url'],
} as const

let innerOf: (request: Request) => InnerRequest
let create: (inner: InnerRequest, headers: Headers, signal: AbortSignal | undefined) => Request
let isRequest: (value: unknown) => value is Request

/** Fetch, 5.4. */
export class Request {
  #inner: InnerRequest
  #headers: Headers
  #signal: AbortSignal | undefined
  #attributes: Attributes = { cache: 'default', credentials: 'same-origin', mode: 'cors', referrer: 'about:client', referrerPolicy: '', integrity: '', keepalive: false }

  static {
    innerOf = (request) => request.#inner
    isRequest = (value): value is Request => typeof value === 'object' && value !== null && #inner in value
    create = (inner, headers, signal) => {
      const request = new Request('http://localhost')
      request.#inner = inner
      request.#headers = headers
      request.#signal = signal
      return request
    }
  }

  constructor(input: Request | URL | string, init: RequestInit | undefined = undefined) {
    needArguments(arguments.length, 1, '', 'Request')
    const given = toDictionary<RequestInit>(init, "Failed to construct 'Request': Argument 2")
    const from = isRequest(input) ? input : undefined
    const inherited = from && innerOf(from)
    const url = inherited ? inherited.url : parseUrl(toUSVString(input))
    const redirect = enumOf('redirect', given.redirect) ?? inherited?.redirect ?? 'follow'
    const method = given.method === undefined ? (inherited?.method ?? 'GET') : toMethod(given.method)
    this.#inner = { method, url, redirect: redirect as InnerRequest['redirect'], body: null }
    if (from) this.#attributes = { ...from.#attributes }
    this.#readAttributes(given)

    const list: HeaderList = from ? headerListOf(from.#headers).map(([name, value]) => [name, value]) : []
    if (given.headers !== undefined) {
      list.length = 0
      fillHeaders(list, given.headers, "Failed to construct 'Request': 'headers' of 'RequestInit' (Argument 2)")
    }
    this.#headers = headersFrom(list, false)
    this.#signal = followed(given.signal, from)
    this.#takeBody(given.body, from, list)
  }

  #readAttributes(given: Partial<RequestInit>): void {
    const attributes = this.#attributes
    for (const name of ['cache', 'credentials', 'mode', 'referrerPolicy'] as const) attributes[name] = enumOf(name, given[name]) ?? attributes[name]
    if (given.mode === 'navigate') throw new TypeError("Request mode 'navigate' is not allowed")
    if (given.referrer !== undefined) attributes.referrer = toUSVString(given.referrer) === '' ? 'no-referrer' : parseUrl(toUSVString(given.referrer))
    if (given.integrity !== undefined) attributes.integrity = toText(given.integrity)
    if (given.keepalive !== undefined) attributes.keepalive = Boolean(given.keepalive)
  }

  #takeBody(init: BodyInit | null | undefined, from: Request | undefined, list: HeaderList): void {
    const inherited = from ? innerOf(from).body : null
    const hasOwn = init !== undefined && init !== null
    const isBodiless = this.#inner.method === 'GET' || this.#inner.method === 'HEAD'
    if (isBodiless && (hasOwn || inherited)) throw new TypeError('Request with GET/HEAD method cannot have body')
    if (hasOwn) {
      const { body, type } = extractBody(init)
      if (type !== undefined && !hasHeader(list, 'content-type')) list.push(['content-type', type])
      this.#inner.body = body
    } else if (inherited) {
      if (inherited.isUnusable) throw new TypeError("Input request's body is unusable")
      this.#inner.body = inherited.take()
    }
  }

  get method(): string {
    return this.#inner.method
  }

  get url(): string {
    return this.#inner.url
  }

  get headers(): Headers {
    return this.#headers
  }

  get redirect(): string {
    return this.#inner.redirect
  }

  get cache(): string {
    return this.#attributes.cache
  }

  get credentials(): string {
    return this.#attributes.credentials
  }

  get integrity(): string {
    return this.#attributes.integrity
  }

  get keepalive(): boolean {
    return this.#attributes.keepalive
  }

  get mode(): string {
    return this.#attributes.mode
  }

  get referrer(): string {
    const { referrer } = this.#attributes
    return referrer === 'no-referrer' ? '' : referrer
  }

  get referrerPolicy(): string {
    return this.#attributes.referrerPolicy
  }

  get signal(): AbortSignal {
    return (this.#signal ??= new AbortController().signal)
  }

  clone(): Request {
    const { body } = this.#inner
    if (body?.isUnusable) throw new TypeError('Body is unusable')
    const list = headerListOf(this.#headers).map(([name, value]): [string, string] => [name, value])
    const request = create({ ...this.#inner, body: body && body.fork() }, headersFrom(list, false), AbortSignal.any([this.signal]))
    request.#attributes = { ...this.#attributes }
    return request
  }
}
Object.defineProperties(
  Request.prototype,
  Object.getOwnPropertyDescriptors(bodyMembers((self) => ({ body: innerOf(self as Request).body, headers: headerListOf((self as Request).headers) }))),
)
shapeInterface(Request)
shapeInspection(Request, ['bodyUsed', 'headers', 'method', 'redirect', 'url'])

export { innerOf as innerRequest }

/**
 * A request that came from outside, as a handler is given it: its headers cannot be changed.
 *
 * @param signal made when somebody asks for it, unless it is given
 */
export function requestFrom(inner: InnerRequest, list: HeaderList, signal?: AbortSignal): Request {
  return create(inner, frozenHeaders(list), signal)
}

function followed(given: unknown, from: Request | undefined): AbortSignal | undefined {
  if (given === undefined) return from && AbortSignal.any([from.signal])
  if (given === null) return undefined
  if (!isAbortSignal(given)) throw new TypeError("Failed to construct 'Request': 'signal' of 'RequestInit' (Argument 2) is not of type AbortSignal")
  return AbortSignal.any([given])
}

function parseUrl(url: string): string {
  try {
    return new URL(url).href
  } catch {
    throw new TypeError(`Invalid URL: '${url}'`)
  }
}

function toMethod(value: unknown): string {
  const method = toByteString(value, "Failed to construct 'Request': 'method' of 'RequestInit' (Argument 2)")
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method)) throw new TypeError('Method is not valid')
  const upper = method.toUpperCase()
  if (FORBIDDEN.has(upper)) throw new TypeError('Method is forbidden')
  return UPPER.has(upper) ? upper : method
}

function enumOf(name: keyof typeof ENUMS, value: unknown): string | undefined {
  if (value === undefined) return undefined
  const [type, ...values] = ENUMS[name]
  const text = toText(value)
  if ((values as readonly string[]).includes(text)) return text
  throw new TypeError(`Failed to construct 'Request': The provided value '${text}' is not a valid enum value of type ${type}`)
}
