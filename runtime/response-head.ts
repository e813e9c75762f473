import { BulkheadError } from '../bridge/errors.ts'
import { HTTP_LIMITS, type ResponseHead } from '../bridge/http.ts'

/** Said between two neighbours on the way, never passed on (RFC 9110, 7.6.1); the length is that of what is sent. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'])
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/
/** Text of one line in Latin-1: nothing in it ends a header or begins another. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Headers without those of the hop, and without those that `connection` names as such. */
export function endToEnd(headers: Iterable<readonly [string, string]>): Array<[string, string]> {
  const all = [...headers].map(([name, value]) => [name.toLowerCase(), value] as [string, string])
  const named = all.flatMap(([name, value]) => (name === 'connection' ? value.toLowerCase().split(',').map((one) => one.trim()) : []))
  return all.filter(([name]) => !HOP_BY_HOP.has(name) && !named.includes(name))
}

/**
 * The head of a module's response as it may be sent.
 *
 * @throws MODULE_FAILED for a status or a header that is none, and for what would be read as another response
 */
export function checkResponseHead(given: unknown): ResponseHead {
  const { status, statusText, headers } = Object(given) as Record<string, unknown>
  if (!Number.isInteger(status) || (status as number) < 200 || (status as number) > 599) refuse(`${show(status)} is no status from 200 to 599`)
  if (!Array.isArray(headers)) refuse('its headers are no list')
  const pairs = (headers as unknown[]).map((pair) => pair as [string, string])
  if (pairs.length > HTTP_LIMITS.headers) refuse(`it has ${pairs.length} headers and may have ${HTTP_LIMITS.headers}`)
  let length = 0
  for (const pair of pairs) {
    if (!Array.isArray(pair) || typeof pair[0] !== 'string' || typeof pair[1] !== 'string') refuse('a header is no pair of texts')
    const [name, value] = pair
    if (!NAME.test(name)) refuse(`${show(name)} is no name of a header`)
    if (!VALUE.test(value)) refuse(`the header ${show(name)} has characters that no header may have`)
    length += name.length + value.length
  }
  if (length > HTTP_LIMITS.headerLength) refuse(`its headers have ${length} characters and may have ${HTTP_LIMITS.headerLength}`)
  // The server counts what it sends; another length would make the rest of it a response of its own.
  const sent = endToEnd(pairs).filter(([name]) => name !== 'content-length')
  return { status: status as number, statusText: typeof statusText === 'string' && VALUE.test(statusText) ? statusText.slice(0, 100) : '', headers: sent }
}

function refuse(why: string): never {
  throw new BulkheadError('MODULE_FAILED', `cannot send the response of the module, ${why}`)
}

const show = (value: unknown) => (JSON.stringify(value) ?? String(value)).slice(0, 100)
