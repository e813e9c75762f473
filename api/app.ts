import { Hono, type Context } from 'hono'
import { cors } from 'hono/cors'
import type { Logger } from 'pino'
import { asBulkheadError, type BulkheadError } from '../bridge/errors.ts'
import { randomId } from '../runtime/random-id.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { openAudit } from '../runtime/store/audit.ts'
import type { Database } from '../runtime/store/database.ts'
import { openKeyRows } from '../runtime/store/key-rows.ts'
import type { Caller } from '../runtime/store/keys.ts'
import { openProgressRows } from '../runtime/store/progress-rows.ts'
import { openRequestRows } from '../runtime/store/request-rows.ts'
import { openRoleRows } from '../runtime/store/role-rows.ts'
import { auditor } from './auditor.ts'
import { authorize, authorizeModule, createAccess, whileAllowed } from './auth.ts'
import { readBody } from './body.ts'
import { documents, NOTHING } from './documents.ts'
import { openMatching } from './etags.ts'
import { healthRoutes } from './health.ts'
import type { Operation } from './operation.ts'
import { METRICS, openMetrics } from './metrics.ts'
import { MODULE_ROUTES, openModuleRoutes } from './module-routes.ts'
import { operations } from './operations/table.ts'
import { failureText, openPerform, type Reply } from './perform.ts'
import { type Rate, rateHeaders } from './rates.ts'
import { checkEncoding, methodsOf, routeFault } from './routes.ts'
import type { Origin } from './server.ts'
import type { Upgrade } from './upgrade.ts'
import type { Usage } from './usage.ts'

interface Parts {
  runtime: Runtime
  database: Database
  log: Logger
  /** What each key may ask that has no rate of its own; without it, as much as it likes. */
  requestsPerMinute?: number | undefined
  /** Whose pages may call it from a browser. */
  corsOrigins?: readonly string[]
  /** Counts what keys ask; without it, nobody does. */
  usage?: Pick<Usage, 'count'>
}

/** One request while it is worked on. */
interface Turn {
  requestId: string
  /** What the answer says beside itself, whatever becomes of it. */
  headers: Record<string, string>
  caller?: Caller
  address: string | undefined
  upgrade?: Upgrade
  /** Of a stream: the client has left. */
  left?: AbortController
}
type Work = (c: Context, turn: Turn) => Reply | Response | Promise<Reply | Response>

/**
 * The HTTP API: one route for each operation of the table, and what is read without a key: health and documents.
 *
 * @example const response = await createApp({ runtime, database, log }).request('/healthz')
 */
export function createApp({ runtime, database, log, requestsPerMinute, corsOrigins = [], usage }: Parts): Hono {
  const app = new Hono()
  if (corsOrigins.length > 0) app.use(cors({ origin: [...corsOrigins], exposeHeaders: EXPOSED, maxAge: 600 }))
  const access = createAccess(database.sql, { requestsPerMinute })
  const shared = { alone: database.kind === 'embedded' }
  const progress = openProgressRows(database.sql, { ...shared, failed: failureText })
  const services = {
    runtime,
    operations,
    access: { keys: openKeyRows(database.sql), roles: openRoleRows(database.sql), audit: openAudit(database.sql) },
    progress,
    metrics: openMetrics(runtime),
  }
  const requests = openRequestRows(database.sql, shared)
  const perform = openPerform({ services, requests, progress, matching: openMatching(), onWritten: auditor(services.access.audit, runtime.happenings, log) })
  const health = healthRoutes({ runtime, database })
  const routes = [...operations, ...health, ...documents, METRICS]

  /** Whatever happens in the work, the caller gets one JSON answer with the request's id. */
  const answering = (work: Work, streams?: string) => async (c: Context) => {
    const turn: Turn = { requestId: requestIdOf(c), headers: {}, ...originOf(c), ...(streams && { left: new AbortController() }) }
    const { requestId, headers } = turn
    let isRefused = false
    try {
      const reply = await work(c, turn)
      if (reply instanceof Response) return reply
      if (streams) return await answerStream(reply.value as AsyncIterable<string>, streams, c.req.method === 'HEAD', turn)
      const { status, value, text = value === undefined ? undefined : JSON.stringify(value) } = reply
      return answer(status, text, requestId, { ...headers, ...reply.headers })
    } catch (thrown) {
      const error = asBulkheadError(thrown)
      isRefused = error.status < 500
      return refuse(error, requestId, log, headers)
    } finally {
      if (turn.caller) usage?.count(turn.caller.id, isRefused)
    }
  }

  for (const operation of operations) {
    const work: Work = async (c, turn) => {
      const { requestId } = turn
      const authorization = c.req.raw.headers.get('authorization')
      const { caller, rate } = await access.identify(authorization, turn.address)
      turn.caller = caller
      if (rate) Object.assign(turn.headers, rateHeaders(rate))
      authorize(caller, operation)
      checkEncoding(pathOf(c))
      const input = operation.read({ path: c.req.param(), query: queryOf(c), body: await bodyOf(operation, c.req.raw) })
      authorizeModule(caller, operation, input)
      const lastEventId = operation.streams === undefined ? null : c.req.raw.headers.get('last-event-id')
      log.debug({ requestId, operation: operation.name, key: caller.id }, 'operation')
      const asked = { requestId, caller, ...(lastEventId !== null && { lastEventId }), ...(turn.left && { left: turn.left.signal }), report() {} }
      const reply = await perform(operation, input, asked, c.req.raw.headers)
      if (operation.streams === undefined) return reply
      const check = async () => {
        const now = await access.recognize(authorization)
        authorize(now, operation)
        authorizeModule(now, operation, input)
      }
      return { ...reply, value: whileAllowed(reply.value as AsyncIterable<string>, check) }
    }
    app.on(operation.method, operation.path, answering(work, operation.streams))
  }
  const serve = openModuleRoutes({ http: runtime.http, ...access })
  for (const path of MODULE_ROUTES) app.all(path, answering((c, turn) => serve(c.req.param('name') ?? '', c.req.raw, turn)))
  // What Prometheus reads, which can be given a key.
  app.get(METRICS.path, answering(async (c, turn) => {
    const { caller } = await access.identify(c.req.raw.headers.get('authorization'), turn.address)
    turn.caller = caller
    authorize(caller, METRICS)
    return new Response(await services.metrics.text(), { headers: { ...ALWAYS, 'content-type': services.metrics.contentType, 'x-request-id': turn.requestId } })
  }))
  for (const { path, check } of health) app.get(path, answering(async () => ({ status: 200, headers: {}, value: await check() })))
  for (const { path, type, read } of documents) {
    app.get(path, (c) => {
      const { text, policy } = read()
      return new Response(text, { headers: { ...ALWAYS, 'content-type': type, 'content-security-policy': policy, 'x-request-id': requestIdOf(c) } })
    })
  }

  const unrouted = answering((c): never => {
    checkEncoding(pathOf(c))
    throw routeFault(c.req.method, c.req.path, routes)
  })
  app.notFound((c) => {
    const methods = c.req.method === 'OPTIONS' ? methodsOf(c.req.path, routes) : []
    return methods.length > 0 ? answer(204, undefined, requestIdOf(c), { allow: methods.join(', ') }) : unrouted(c)
  })
  app.onError((thrown, c) => refuse(asBulkheadError(thrown), requestIdOf(c), log))
  return app
}

/** The caller's own id where it is safe to log and to answer with. */
function requestIdOf(c: Context): string {
  const given = c.req.raw.headers.get('x-request-id')
  return given !== null && /^[\w.:-]{1,128}$/.test(given) ? given : randomId()
}

/** From where it came and what its connection may become, where the server says so. */
function originOf(c: Context): Pick<Turn, 'address' | 'upgrade'> {
  const { remoteAddress: address, upgrade } = (c.env ?? {}) as Partial<Origin>
  return { address, ...(upgrade && { upgrade }) }
}

/** As it was sent: what Hono has of it is decoded where that is possible. */
function pathOf({ req: { url } }: Context): string {
  return url.slice(url.indexOf('/', url.indexOf('://') + 3)).split('?', 1)[0]!
}

function queryOf(c: Context): URLSearchParams {
  const start = c.req.url.indexOf('?')
  return new URLSearchParams(start === -1 ? '' : c.req.url.slice(start))
}

/** What a page may read of an answer besides its body. */
const EXPOSED = ['etag', 'location', 'idempotency-replayed', 'preference-applied', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id']

const ALWAYS = {
  'cache-control': 'no-store',
  'content-security-policy': NOTHING,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** @param text JSON; undefined where there is no body */
function answer(status: number, text: string | undefined, requestId: string, headers: Record<string, string> = {}): Response {
  const all = { ...ALWAYS, 'x-request-id': requestId, ...headers }
  if (text === undefined) return new Response(null, { status, headers: all })
  const type = { 'content-type': 'application/json; charset=utf-8' }
  return new Response(text, { status, headers: { ...type, ...all } })
}

/** What fails before the first part is answered as any failure; what fails later cuts the answer off. */
async function answerStream(lines: AsyncIterable<string>, type: string, headOnly: boolean, { requestId, left }: Turn): Promise<Response> {
  const iterator = lines[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  let next = await iterator.next()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (next.done) return controller.close()
      controller.enqueue(encoder.encode(next.value))
      next = await iterator.next()
    },
    async cancel() {
      left?.abort() // what waits for news would be ended only by the next
      await iterator.return?.()
    },
  })
  if (headOnly) await body.cancel()
  const headers = { 'content-type': type, ...ALWAYS, 'x-request-id': requestId }
  return new Response(headOnly ? null : body, { headers })
}

async function bodyOf({ upload }: Operation, request: Request): Promise<unknown> {
  return upload === undefined ? readBody(request) : (request.body ?? [])
}

/** What went wrong inside is for the log; the caller gets the id to find it by. */
function refuse(error: BulkheadError, requestId: string, log: Logger, given: Record<string, string> = {}): Response {
  const headers = { ...given, ...headersOf(error) }
  if (error.code === 'INTERNAL') {
    log.error({ requestId, err: error.cause ?? error }, 'request failed')
    const message = `internal error, logged with the request id ${requestId}`
    return answer(error.status, JSON.stringify({ error: { code: error.code, message } }), requestId, headers)
  }
  if (error.status >= 500) log.warn({ requestId, err: error }, 'request failed')
  return answer(error.status, JSON.stringify({ error }), requestId, headers)
}

function headersOf(error: BulkheadError): Record<string, string> {
  if (error.code === 'UNAUTHENTICATED') return { 'www-authenticate': 'Bearer realm="bulkhead"' }
  if (error.code === 'METHOD_NOT_ALLOWED') return { allow: (error.details as { allow: string[] }).allow.join(', ') }
  if (error.code === 'RATE_LIMITED') {
    const rate = error.details as Rate
    return { 'retry-after': String(rate.resetS), ...rateHeaders(rate) }
  }
  return error.status === 503 ? { 'retry-after': '1' } : {}
}
