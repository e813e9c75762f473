import fc from 'fast-check'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ERRORS, type ErrorCode } from '../bridge/errors.ts'
import { HookBody } from '../runtime/context.ts'
import { faultFinder } from '../runtime/fault-finder.ts'
import { type AppUnderTest, startApp } from './app.setup.ts'
import { createApp } from './app.ts'
import { prepared } from './examples.setup.ts'
import { errorsOf } from './openapi.ts'
import { inPath, type Operation } from './operation.ts'
import { requestFor } from './request-for.ts'
import { operations } from './operations/table.ts'
import { ProgressOf } from './operations/progress.ts'
import { listen } from './server.ts'

/** Every operation with as many requests, over a socket of this test's own server; those that build modules with fewer. */
const RUNS = 60
const LONG_RUNS = 8

let app: AppUnderTest
let server: Awaited<ReturnType<typeof listen>>
let key: string
beforeAll(async () => {
  app = await startApp()
  const { fetch } = createApp({ runtime: app.runtime, database: app.database, log: pino({ level: 'silent' }) })
  server = await listen({ fetch: (request) => fetch(request), host: '127.0.0.1', port: 0, drainMs: 100 })
  key = (await readFile(join(app.folder, 'admin.key'), 'utf8')).trim()
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  await app?.[Symbol.asyncDispose]()
})

/** Whatever was disabled by the operation before. */
beforeEach(async () => {
  for (const { name } of app.runtime.modules()) await app.runtime.enable(name).catch(() => {})
})

type Schema = Record<string, unknown>

const good = ['echo', 'pii-filter', 'chat:before_ai', 'run:complete', '2026-01-31T09:30:00Z', '50', '"tag"', 'name=echo', 'true']
const text = fc.oneof(fc.constantFrom(...good, '__proto__', '..', '', '\0', '\ud800', 'x'.repeat(3000)), fc.string({ unit: 'binary' }), fc.string())
const junk: fc.Arbitrary<unknown> = fc.oneof(fc.jsonValue({ maxDepth: 4 }), text)
const mostly = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<unknown> => fc.oneof({ weight: 40, arbitrary }, junk)

/** Values of a schema, and in places values of none. */
function near(schema: Schema): fc.Arbitrary<unknown> {
  const { type, enum: listed, const: only, anyOf, properties, required = [], items, format, minimum = 0 } = schema as {
    type?: string
    enum?: unknown[]
    const?: unknown
    anyOf?: Schema[]
    properties?: Record<string, Schema>
    required?: string[]
    items?: Schema
    format?: string
    minimum?: number
  }
  if (only !== undefined) return mostly(fc.constant(only))
  if (listed) return mostly(fc.constantFrom(...listed))
  if (anyOf) return fc.oneof(...anyOf.map(near))
  if (properties) {
    const values = Object.entries(properties).map(([name, inner]) => [name, near(inner)])
    return mostly(fc.record(Object.fromEntries(values), { requiredKeys: required as never[] }))
  }
  if (items) return mostly(fc.array(near(items), { maxLength: 3 }))
  if (format === 'uuid') return mostly(fc.uuid())
  if (format === 'date-time') {
    const bounds = { min: new Date('1000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }
    return mostly(fc.date(bounds).map((date) => date.toISOString()))
  }
  if (type === 'boolean') return mostly(fc.boolean())
  if (type === 'string') return mostly(fc.oneof(fc.constantFrom(...good), fc.string()))
  if (type === 'integer' || type === 'number') return mostly(fc.integer({ min: minimum, max: minimum + 300 }))
  return type === 'object' ? mostly(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }))) : junk
}

interface Sent {
  method: string
  path: string
  body: string | undefined
  headers: Record<string, string>
}

/** Requests that are made of an operation's own schema and example: as they should be, with something wrong, or with nothing right. */
function requestsTo(operation: Operation, example: Record<string, unknown>): fc.Arbitrary<Sent> {
  const { method, path, body, upload, input } = operation
  const properties = { ...(input.properties as Record<string, Schema>) }
  // Which context, the operation leaves to the hook: this is what those among the good words take.
  if (operation.name === 'hooks:execute') properties['context'] = HookBody as object as Schema
  const whole = fc.record(Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, near(schema)])), { requiredKeys: inPath(path) as never[] })
  // The example, with some of its inputs as the schema has them.
  const bent = fc.record(Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, near(schema)])), { requiredKeys: [] }).chain((over) =>
    fc.subarray(Object.keys(over), { maxLength: Math.min(2, Object.keys(over).length) }).map((names) => {
      return { ...example, ...Object.fromEntries(names.map((name) => [name, over[name]])) }
    }),
  )
  const inputs = fc.oneof({ weight: 4, arbitrary: bent }, { weight: 2, arbitrary: whole }) as fc.Arbitrary<Record<string, unknown>>
  const asked = inputs.map((given) => sentFor(operation, given))
  const strange = fc.record({
    parameter: fc.oneof(text.map((part) => encodeURIComponent(part.toWellFormed())), fc.constantFrom('%', '%zz', '%2e%2e', '%ff', '%00', ':name', '%2F')),
    query: fc.array(fc.tuple(fc.oneof(fc.constantFrom(...Object.keys(properties), 'confirm'), text), text), { maxLength: 4 }),
    body: fc.oneof(junk.map((value) => JSON.stringify(value)), fc.string({ unit: 'binary' })),
  })
  const odd = strange.map(({ parameter, query, body: sent }): Sent => {
    const pairs = new URLSearchParams(query.map(([name, value]) => [name.toWellFormed(), value.toWellFormed()]))
    return { method, path: `${path.replace(/:\w+/g, () => parameter)}?${pairs}`, body: method === 'GET' ? undefined : sent, headers: {} }
  })
  const visible = fc.string({ unit: fc.constantFrom(...'abc", */=;019-'), minLength: 0, maxLength: 20 })
  const headers = fc.record(
    {
      'if-match': fc.oneof(fc.constantFrom('*', '"x"', 'W/"x"'), visible),
      'if-none-match': visible,
      'idempotency-key': fc.oneof(fc.constantFrom('one', 'two'), visible),
      prefer: fc.oneof(fc.constantFrom('respond-async', 'wait=0', 'wait=1', 'wait=99999999'), visible),
      'x-request-id': visible,
    },
    { requiredKeys: [] },
  )
  const withBody = (sent: Sent): Sent => (body === undefined && upload === undefined && sent.body === '{}' ? { ...sent, body: undefined } : sent)
  return fc.tuple(fc.oneof({ weight: 5, arbitrary: asked }, { weight: 2, arbitrary: odd }), fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, headers)).map(
    ([sent, more]) => withBody({ ...sent, headers: { ...sent.headers, ...(more as Record<string, string>) } }),
  )
}

/** Text that no header or path can have is sent as what it becomes. */
function sentFor(operation: Operation, input: Record<string, unknown>): Sent {
  const { upload, method } = operation
  const plain = Object.fromEntries(Object.entries(input).filter(([name]) => name !== upload).map(([name, value]) => [name, name === operation.body ? value : flat(value)]))
  const { path, body } = requestFor(operation, plain)
  const lines = upload === undefined ? undefined : JSON.stringify(input[upload] ?? '')
  return { method, path, body: method === 'GET' ? undefined : (lines ?? JSON.stringify(body)), headers: {} }
}

const flat = (value: unknown): unknown => {
  const one = (part: unknown) => (typeof part === 'object' ? JSON.stringify(part) : String(part)).toWellFormed()
  return Array.isArray(value) ? value.map(one) : one(value)
}

async function send({ method, path, body, headers }: Sent) {
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body }),
    signal: AbortSignal.timeout(30_000), // longer than anything may take
  })
  const type = answer.headers.get('content-type') ?? ''
  // A stream of events has no end.
  if (type.startsWith('text/event-stream')) await answer.body?.cancel()
  const read = type.startsWith('text/event-stream') ? '' : await answer.text()
  return { status: answer.status, type, body: type.startsWith('application/json') && read !== '' ? JSON.parse(read) : undefined }
}

/** Whose examples need what cannot be in a line of JSON; tests of their own send it. */
const UPLOADS = new Set(operations.filter(({ upload }) => upload !== undefined).map(({ name }) => name))

describe('whatever is sent to an operation', () => {
  it.each(operations.map((one) => [one.name, one] as const))('%s answers as it says', { timeout: 60_000 }, async (name, operation) => {
    const findFaults = faultFinder(operation.output)
    const findProgressFaults = faultFinder(ProgressOf)
    // No fault of ours is expected but those it names: a module may take too long, and a package may not be there.
    const expected = new Set<ErrorCode>([...errorsOf(operation).filter((code) => ERRORS[code].status < 500), ...operation.errors, 'METHOD_NOT_ALLOWED'])
    const seen = new Set<number>()
    const example = { ...operation.example, ...(await prepared[name]?.(app)) }
    await fc.assert(
      fc.asyncProperty(requestsTo(operation, example), async (sent) => {
        const answer = await send(sent)
        seen.add(answer.status)
        if (answer.status >= 400) {
          expect(answer.body).toEqual({ error: expect.objectContaining({ code: expect.any(String), message: expect.any(String) }) })
          const { code } = answer.body.error as { code: ErrorCode }
          expect(ERRORS[code].status).toBe(answer.status)
          expect([...expected]).toContain(code)
        } else if (answer.status === 304) expect(answer.body).toBeUndefined()
        else if (operation.streams !== undefined) expect(answer.type).toContain(operation.streams)
        else if (operation.long && answer.status === 202 && 'operation' in answer.body) expect(findProgressFaults(answer.body)).toEqual([])
        else if (new URL(sent.path, 'http://localhost').pathname.split('/').length === operation.path.split('/').length) {
          expect([...operation.statuses]).toContain(answer.status)
          expect(findFaults(answer.body)).toEqual([])
        }
      }),
      { numRuns: operation.long ? LONG_RUNS : RUNS, examples: [[sentFor(operation, example)]], endOnFailure: true },
    )
    if (!UPLOADS.has(name)) expect([...operation.statuses].some((status) => seen.has(status)), [...seen].join()).toBe(true)
    expect([...seen].some((status) => status === 422 || status === 400)).toBe(true)
  })
})
