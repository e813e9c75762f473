import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultFinder } from '../runtime/fault-finder.ts'
import { type AppUnderTest, startApp } from './app.setup.ts'
import { createApp } from './app.ts'
import { DOMAINS } from './domains.ts'
import { prepared } from './examples.setup.ts'
import { requestFor } from './request-for.ts'
import { operations } from './operations/table.ts'

let app: AppUnderTest
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app?.[Symbol.asyncDispose]())

describe('every operation of the table', () => {
  it('has a name, a route, a scope and a summary, none twice', () => {
    expect(new Set(operations.map(({ name }) => name)).size).toBe(operations.length)
    expect(new Set(operations.map(({ method, path }) => `${method} ${path}`)).size).toBe(operations.length)
    for (const { name, domain, path, scope, summary, description } of operations) {
      expect(name).toMatch(/^[a-z]+(:[a-z]+)+$/)
      expect(DOMAINS).toHaveProperty(domain)
      expect(path).toMatch(/^\/v1\/[\w:/-]+$/)
      expect(scope).toMatch(/^[a-z]+:(read|write|execute)$/)
      expect(summary).toMatch(/^[A-Z].*[^.]$/)
      if (description !== undefined) expect(description).toMatch(/^[A-Z][^]*\.$/)
    }
  })

  it('reads where it is a GET, and needs more than a scope to read where it changes something', () => {
    for (const { name, method, writes, scope } of operations) {
      expect([name, method === 'GET' && (writes || !scope.endsWith(':read'))]).toEqual([name, false])
      expect([name, writes && scope.endsWith(':read')]).toEqual([name, false])
    }
  })

  // An example has no lines to upload, and what is sent as it is made has tests of its own.
  const plain = operations.filter(({ streams, upload }) => streams === undefined && upload === undefined)
  it.each(plain.map((one) => [one.name, one] as const))('has an example that runs: %s', async (name, operation) => {
    const input = { ...operation.example, ...(await prepared[name]?.(app)) }
    const { path, ...rest } = requestFor(operation, input)
    const answer = await app.send(path, rest)
    expect([...operation.statuses, ...(operation.long ? [202] : [])], JSON.stringify(answer.body)).toContain(answer.status)
    if (answer.status !== 202) expect(faultFinder(operation.output)(answer.body)).toEqual([])
  })

  it('leaves a record of who did it where it changes something, and none where it does not', async () => {
    const rows = await app.database.sql<Array<{ operation: string; keyName: string; requestId: string }>>`
      select distinct on (operation) operation, key_name as "keyName", request_id as "requestId" from bulkhead.audit`
    const recorded = rows.map(({ operation }) => operation)
    expect(recorded.toSorted()).toEqual(plain.filter(({ writes }) => writes).map(({ name }) => name).toSorted())
    for (const row of rows) expect(row).toMatchObject({ keyName: 'admin', requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) })
  })

  it('is behind every route there is, but for health, metrics, documents and the routes of modules', () => {
    const { routes } = createApp({ runtime: app.runtime, database: app.database, log: pino({ level: 'silent' }) })
    const open = ['GET /healthz', 'GET /readyz', 'GET /metrics', 'GET /openapi.json', 'GET /docs', 'ALL /api/modules/:name', 'ALL /api/modules/:name/*']
    const known = [...operations.map(({ method, path }) => `${method} ${path}`), ...open]
    expect(routes.map(({ method, path }) => `${method} ${path}`).filter((route) => !known.includes(route))).toEqual([])
    expect(routes).toHaveLength(known.length)
  })

  it('comes in pages where it lists what may grow', () => {
    // What changed between two revisions, what a module, a request or a key of a few days has, and sums by module.
    const bounded = ['config:diff', 'database:schema', 'hooks:traces', 'auth:usage', 'system:metrics']
    const whole = operations.filter(({ method, output, lists }) => method === 'GET' && 'items' in ((output as { properties?: object }).properties ?? {}) && !lists)
    expect(whole.map(({ name }) => name).filter((name) => !bounded.includes(name))).toEqual([])
  })

  it('takes whole numbers of a range that the database has', () => {
    const unbounded = (schema: unknown): boolean => {
      if (typeof schema !== 'object' || schema === null) return false
      const { type, maximum } = schema as { type?: unknown; maximum?: unknown }
      return (type === 'integer' && maximum === undefined) || Object.values(schema).some(unbounded)
    }
    expect(operations.filter(({ input }) => unbounded(input)).map(({ name }) => name)).toEqual([])
  })

  it('has more examples only such as its input takes', () => {
    for (const { name, input, example, examples } of operations) {
      for (const one of [example, ...examples.map((more) => more.input)]) {
        expect([name, Object.keys(one).filter((key) => !(key in input.properties))]).toEqual([name, []])
      }
      for (const { input: one } of examples) expect(faultFinder(input)(one)).toEqual([])
    }
  })
})
