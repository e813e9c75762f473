import { BulkheadError } from '../bridge/errors.ts'
import { nearest } from '../runtime/nearest.ts'

export interface Route {
  method: string
  path: string
}

/**
 * The methods that a path answers to, `HEAD` and `OPTIONS` included; none for a path that is not there.
 *
 * @example methodsOf('/v1/modules', [{ method: 'GET', path: '/v1/modules' }]) // ['GET', 'HEAD', 'OPTIONS']
 */
export function methodsOf(path: string, routes: readonly Route[]): string[] {
  const methods = routes.filter((route) => likened(route.path, path) === path).map((route) => route.method)
  if (methods.length === 0) return []
  return [...new Set([...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'])]
}

/**
 * Why a request that no route took is refused: the wrong method, with the right ones in `details.allow`, or no such
 * path, with the nearest one there is.
 *
 * @example routeFault('GET', '/v1/module', routes).message // 'no route /v1/module, did you mean "/v1/modules"?'
 */
export function routeFault(method: string, path: string, routes: readonly Route[]): BulkheadError {
  const allow = methodsOf(path, routes)
  if (allow.length > 0) {
    return new BulkheadError('METHOD_NOT_ALLOWED', `${method} is not for ${path}, send ${allow[0]}`, { allow })
  }
  const candidates = routes.map((route) => likened(route.path, path) ?? likened(route.path, `/v1${path}`) ?? route.path)
  const guess = nearest(path, candidates) ?? nearest(`/v1${path}`, candidates)
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path
  const hint = path.startsWith('/v1/') ? '' : ', those of the API begin with /v1/'
  return new BulkheadError('NOT_FOUND', `no route ${shown}${guess === undefined ? hint : `, did you mean "${guess}"?`}`)
}

/** @throws BAD_REQUEST where a path, or a part of one, is no percent-encoded UTF-8; what would be taken of it literally finds nothing */
export function checkEncoding(path: string): void {
  const cannot = path.match(/%(?![0-9a-f]{2})[^/]{0,2}|(?:%[0-9a-f]{2})+/gi)?.find((part) => !isEncoded(part))
  if (cannot === undefined) return
  throw new BulkheadError('BAD_REQUEST', `cannot read the path, ${JSON.stringify(cannot.slice(0, 30))} in it is no percent-encoded UTF-8; a percent sign is "%25"`)
}

function isEncoded(part: string): boolean {
  try {
    return decodeURIComponent(part) !== undefined
  } catch {
    return false
  }
}

/** A route's path with its parameters taken from a path of as many parts. */
function likened(route: string, path: string): string | undefined {
  const given = path.split('/')
  const parts = route.split('/')
  if (parts.length !== given.length) return undefined
  return parts.map((part, index) => (part.startsWith(':') && given[index] !== '' ? given[index] : part)).join('/')
}
