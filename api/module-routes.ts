import type { WebSocket } from 'ws'
import { asBulkheadError, BulkheadError } from '../bridge/errors.ts'
import type { ModuleHttp } from '../runtime/module-http.ts'
import { endToEnd } from '../runtime/response-head.ts'
import { type ModuleResponse, UPGRADED } from '../runtime/serve-module.ts'
import type { Caller } from '../runtime/store/keys.ts'
import { type Access, authorize } from './auth.ts'
import { checkEncoding } from './routes.ts'
import type { Upgrade } from './upgrade.ts'

/** Under which the routes of a module are, each in its own. */
export const MODULE_ROUTES = ['/api/modules/:name', '/api/modules/:name/*'] as const

const OPERATION = { name: 'modules:fetch', scope: 'modules:execute' } as const
/** The host's own cookies, which no module is shown. */
const OWN_COOKIE = /^(__host-|__secure-)?bulkhead/i
/** A key for the host where the module has a use of its own for Authorization. */
const KEY_HEADER = 'x-bulkhead-key'
/** A key that was sent where a module has a use of its own for Authorization, or anybody may ask: it is not the module's. */
const OWN_KEY = /^bearer +bk_/i
/** What a browser would take as said by the host of all that is on it, other modules and the API included. */
const OF_THE_HOST = new Set(['alt-svc', 'clear-site-data', 'expect-ct', 'nel', 'public-key-pins', 'report-to', 'service-worker-allowed', 'strict-transport-security'])
/**
 * A page of a module has no origin: it is served from the host's, and would otherwise read there whatever the
 * operator's own pages may.
 */
const SANDBOX = 'sandbox allow-scripts allow-forms allow-popups allow-downloads'

/** How often it is looked at whether a socket may stay open, ms. */
const CHECK_MS = 5_000
const REFUSALS: ReadonlySet<string> = new Set(['UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND'])

interface Options extends Access {
  http: ModuleHttp
}

/** What came with a request that the answer or the count of requests needs. */
interface Turn {
  requestId: string
  headers: Record<string, string>
  address: string | undefined
  upgrade?: Upgrade
  caller?: Caller
}

/**
 * Hands requests for `/api/modules/<name>/…` to the module of that name. It sees what is behind the name as its path.
 * Its routes need a key with the scope `modules:execute`, unless its manifest says `routes: { auth: public }` and the
 * operator has granted `routes:public`. The key is not passed on.
 *
 * @returns the module's response, with its body as it comes
 * @throws BulkheadError BAD_REQUEST for a name that is no percent-encoded text, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, and what the execution ends with
 */
export function openModuleRoutes({ http, identify, recognize }: Options): (name: string, request: Request, turn: Turn) => Promise<Response> {
  return async (name, request, turn) => {
    const { origin, sent, behind } = partsOf(request.url)
    checkEncoding(sent)
    const isPublic = http.authOf(name) === 'public'
    const ownKey = request.headers.get(KEY_HEADER)
    const authorization = ownKey === null ? request.headers.get('authorization') : `Bearer ${ownKey}`
    if (!isPublic) {
      const { caller } = await identify(authorization, turn.address)
      turn.caller = caller
      mustBeFor(caller, name)
    }
    const stillMay = async () => {
      if (http.authOf(name) !== 'public') mustBeFor(await recognize(authorization), name)
    }
    const { upgrade } = turn
    const prefix = `/api/modules/${name}`
    const response = await http.fetch(name, {
      method: request.method,
      url: `${origin}${behind}`,
      headers: headersFor(request.headers, { prefix, requestId: turn.requestId, keepsAuthorization: isPublic || ownKey !== null, asksForSocket: upgrade !== undefined }),
      body: request.body,
      // It is the host that calls a module.
      remote: { hostname: '127.0.0.1', port: 0 },
      signal: request.signal,
      ...(upgrade && { upgrade: async (protocol: string) => whileAllowed(await upgrade(protocol), stillMay) }),
    })
    if (response.status === UPGRADED) return new Response(null)
    return answerOf(response, prefix, turn)
  }
}

/** @throws BulkheadError FORBIDDEN */
function mustBeFor(caller: Caller, module: string): void {
  authorize(caller, OPERATION)
  if (caller.modules === null || caller.modules.includes(module)) return
  throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" is for ${caller.modules.join(', ')} alone, not for "${module}"`, { modules: caller.modules })
}

/** A socket has no end of its own: it is closed once whoever opened it could not do so any more. */
function whileAllowed(socket: WebSocket, stillMay: () => Promise<void>): WebSocket {
  const check = () =>
    stillMay().catch((thrown: unknown) => {
      // The database may be away for a while; that is no answer.
      const { code, message } = asBulkheadError(thrown)
      if (REFUSALS.has(code)) socket.close(1008, message.slice(0, 100))
    })
  const checking = setInterval(check, CHECK_MS)
  socket.once('close', () => clearInterval(checking))
  return socket
}

/**
 * The address of a module's route in three: the path up to the name as it was sent, which may be percent-encoded, and
 * what is behind it, which is the module's to read.
 *
 * @example partsOf('http://localhost:7700/api/modules/a%2Db/c?d') // { origin: 'http://localhost:7700', sent: '/api/modules/a%2Db', behind: '/c?d' }
 */
function partsOf(url: string): { origin: string; sent: string; behind: string } {
  const [, origin = '', sent = '', rest = ''] = /^([a-z]+:\/\/[^/]*)((?:\/[^/?]*){3})(.*)$/s.exec(url) ?? []
  return { origin, sent, behind: rest.startsWith('/') ? rest : `/${rest}` }
}

function headersFor(given: Headers, { prefix, requestId, keepsAuthorization, asksForSocket }: { prefix: string; requestId: string; keepsAuthorization: boolean; asksForSocket: boolean }): Array<[string, string]> {
  const passed = endToEnd(given).flatMap(([name, value]): Array<[string, string]> => {
    if (name === KEY_HEADER || name === 'x-request-id' || name === 'x-forwarded-prefix' || (name === 'authorization' && (!keepsAuthorization || OWN_KEY.test(value)))) return []
    if (name !== 'cookie') return [[name, value]]
    const cookies = value.split(';').map((cookie) => cookie.trim()).filter((cookie) => cookie !== '' && !OWN_COOKIE.test(cookie))
    return cookies.length > 0 ? [[name, cookies.join('; ')]] : []
  })
  const upgrade: Array<[string, string]> = asksForSocket ? [['connection', 'Upgrade'], ['upgrade', 'websocket']] : []
  return [...passed, ...upgrade, ['x-forwarded-prefix', prefix], ['x-request-id', requestId]]
}

function answerOf({ status, statusText, headers: given, body }: ModuleResponse, prefix: string, turn: Turn): Response {
  const headers = new Headers(turn.headers)
  for (const [name, value] of given) if (!OF_THE_HOST.has(name)) headers.append(name, name === 'set-cookie' ? cookieBelow(value, prefix) : value)
  headers.append('content-security-policy', SANDBOX)
  headers.set('x-request-id', turn.requestId)
  return new Response(body as ConstructorParameters<typeof Response>[0], { status, statusText, headers })
}

/** A cookie of a module's is its own: of no other path, and of no other host. */
function cookieBelow(cookie: string, prefix: string): string {
  const [pair = '', ...attributes] = cookie.split(';').map((part) => part.trim())
  const kept = attributes.filter((attribute) => !/^(path|domain)\s*(=|$)/i.test(attribute))
  return [pair, `Path=${prefix}/`, ...kept].join('; ')
}
