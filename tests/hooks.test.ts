import fc from 'fast-check'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { asBulkheadError } from '../bridge/errors.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import { type Database, openDatabase } from '../runtime/store/database.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
let folder: string
let database: Database
let runtime: Runtime

async function write(name: string, manifest: string, body: string): Promise<void> {
  await mkdir(join(folder, 'modules', name), { recursive: true })
  const yaml = `name: ${name}\nversion: 1.0.0\ndescription: a test module\npermissions: [emit]\n${manifest}`
  await writeFile(join(folder, 'modules', name, 'module.yaml'), yaml)
  await writeFile(join(folder, 'modules', name, 'index.ts'), `export default { async handle(hook: string, ctx: any) { ${body} } }`)
}

const SAYS = (name: string) => `return { action: 'continue', modifications: { systemPromptAdditions: ['${name}'] } }`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-hooks-'))
  await write('last', 'hooks: [chat:after_ai]\npriorities: { chat:after_ai: 90 }', SAYS('last'))
  await write('first', 'hooks: [chat:after_ai]\npriorities: { chat:after_ai: 10 }', SAYS('first'))
  await write('a-needs-z', 'hooks: [chat:after_ai]\ndependencies: { z-needed: ^1.0.0 }', SAYS('a-needs-z'))
  await write('z-needed', 'hooks: [chat:after_ai]', SAYS('z-needed'))
  await write('b-alone', 'hooks: [chat:after_ai]', SAYS('b-alone'))
  await write('input', 'hooks: [product:before_ai, product:after_ai]\npriorities: { product:before_ai: 10 }', `
    if (hook === 'product:after_ai') return { action: 'continue', modifications: { output: { ...ctx.output, graded: true } } }
    return { action: 'continue', modifications: { input: { topic: ctx.input.topic.toUpperCase(), extra: 1 } } }`)
  await write('skipper', 'hooks: [product:before_ai]', `return { action: 'skip', modifications: { input: { topic: 'unseen' } } }`)
  await write('reader', 'hooks: [product:before_ai]\npriorities: { product:before_ai: 90 }', `
    return { action: 'continue', modifications: { systemPromptAdditions: [JSON.stringify(ctx.input)] } }`)
  await write('order-check', 'hooks: [order:check]', `
    if (ctx.total > 100) return { action: 'block', reason: 'too much', directResponse: 'Ask your manager' }`)
  await write('echo', 'hooks: [echo:verdict]', `return ctx.verdict`)
  await write('misspelt', 'hooks: [order:chek]', '')
  await write('watcher', 'hooks: [session:start, session:end]', `ctx.emit('session', { hook, event: ctx.event?.attempt ?? 0 })`)
  database = await openDatabase({ folder: join(folder, 'data'), log: silent })
  runtime = await startRuntime({
    modules: join(folder, 'modules'),
    data: join(folder, 'data'),
    cells: 2,
    database,
    log: silent,
    hooks: {
      'order:check': { about: 'an order is about to be placed', context: { properties: { total: { type: 'number' } }, required: ['total'] } },
      'echo:verdict': { context: { properties: { verdict: {} } } },
      'session:end': { mode: 'event' },
    },
  })
})

afterAll(async () => {
  await runtime?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

test('modules are asked by priority, then what others depend on before them, then by name', async () => {
  const outcome = await runtime.executeHook('chat:after_ai', { response: 'hi' })
  const order = ['first', 'z-needed', 'a-needs-z', 'b-alone', 'last']
  expect(outcome.failures).toEqual([])
  expect(outcome.modifications?.systemPromptAdditions).toEqual(order)
  expect(runtime.hooks().find(({ name }) => name === 'chat:after_ai')).toMatchObject({ mode: 'pipeline', modules: order })
})

test('the trace of a call is returned to who asks for it, and kept for a while', async () => {
  const { trace } = await runtime.executeHook('product:before_ai', { input: { topic: 'the secret' } }, { requestId: 'traced', trace: true })
  expect(trace?.steps.map(({ module, outcome, changes }) => ({ module, outcome, changes }))).toEqual([
    { module: 'input', outcome: 'continue', changes: [{ field: 'input.topic', before: 10, after: 10 }, { field: 'input.extra', before: 0, after: 1 }] },
    { module: 'skipper', outcome: 'skip', changes: [] },
    { module: 'reader', outcome: 'continue', changes: [{ field: 'systemPromptAdditions', before: 0, after: expect.any(Number) }] },
  ])
  for (const { wallMs, cpuMs = 0, execution } of trace?.steps ?? []) {
    expect(wallMs).toBeGreaterThan(0)
    expect(cpuMs).toBeGreaterThan(0)
    expect(execution).toMatch(/^[0-9a-f-]{36}$/)
  }
  expect(JSON.stringify(trace)).not.toMatch(/secret/i)
  expect(runtime.traces('traced')).toEqual([trace])
  expect((await runtime.executeHook('product:before_ai', { input: { topic: 'x' } })).trace).toBeUndefined()
})

test('input and output of product tools are what each module left', async () => {
  const before = await runtime.executeHook('product:before_ai', { input: { topic: 'algebra', level: 3 } })
  const seen = { topic: 'ALGEBRA', level: 3, extra: 1 }
  expect(before.modifications).toEqual({ input: seen, systemPromptAdditions: [JSON.stringify(seen)] })
  const after = await runtime.executeHook('product:after_ai', { output: { score: 7 } })
  expect(after.modifications).toEqual({ output: { score: 7, graded: true } })
})

test('a hook of the application asks its modules, with a context of its own', async () => {
  expect(await runtime.executeHook('order:check', { total: 101 })).toMatchObject({ action: 'block', blockedBy: 'order-check', directResponse: 'Ask your manager' })
  expect(await runtime.executeHook('order:check', { total: 99 })).toMatchObject({ action: 'continue' })
  await expect(runtime.executeHook('order:check', { total: '99' })).rejects.toMatchObject({ code: 'INVALID' })
})

test('a module of a hook that there is not is refused with the nearest', () => {
  expect(runtime.module('misspelt')).toMatchObject({ status: 'error', error: { code: 'MANIFEST_INVALID', message: expect.stringContaining('did you mean "order:check"') } })
})

test('a built-in hook that is declared an event is one', async () => {
  const session = { id: 'watched' }
  expect((await runtime.executeHook('session:start', { session })).event).toBeUndefined()
  expect((await runtime.executeHook('session:end', { session })).event).toEqual({ id: expect.any(String) })
  await vi.waitFor(async () => {
    const { items } = await runtime.records.listExtractions({ session: 'watched' })
    expect(items.map(({ data }) => data)).toEqual(expect.arrayContaining([{ hook: 'session:start', event: 0 }, { hook: 'session:end', event: 1 }]))
  }, { timeout: 30_000 })
})

const json = fc.jsonValue({ maxDepth: 5 })
const verdict = fc.record(
  {
    action: fc.oneof({ weight: 5, arbitrary: fc.constantFrom('continue', 'block', 'skip') }, json),
    modifications: fc.oneof(
      json,
      fc.record(
        {
          message: fc.oneof(json, fc.record({ content: fc.string() })),
          response: fc.oneof(json, fc.string()),
          input: fc.oneof(json, fc.dictionary(fc.string(), json)),
          output: fc.oneof(json, fc.dictionary(fc.string(), json)),
          systemPromptAdditions: fc.oneof(json, fc.array(fc.string())),
        },
        { requiredKeys: [] },
      ),
    ),
    reason: fc.oneof(json, fc.string({ unit: 'binary' })),
    directResponse: fc.oneof(json, fc.string({ unit: 'binary' })),
    extractions: fc.oneof(json, fc.array(fc.record({ type: fc.string({ unit: 'binary' }), data: fc.oneof(json, fc.dictionary(fc.string({ unit: 'binary' }), json)) }))),
  },
  { requiredKeys: ['action'] },
)

test('whatever a module answers, the call has an outcome and the fault is the module’s', async () => {
  const codes = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.oneof({ weight: 3, arbitrary: verdict }, json), async (said) => {
      const body = JSON.parse(JSON.stringify({ verdict: said, message: { content: 'x' } })) as object
      const { action, failures } = await runtime.executeHook('echo:verdict', body, { trace: true })
      expect(['continue', 'block']).toContain(action)
      for (const { code } of failures) codes.add(code)
    }),
    { numRuns: 300 },
  )
  expect([...codes].filter((code) => !['MODULE_FAILED', 'INVALID'].includes(code))).toEqual([])
})

test('whatever is said to a hook, it is answered or refused', async () => {
  const names = fc.constantFrom(...runtime.hooks().map(({ name }) => name))
  const thing = fc.record({ id: fc.string({ minLength: 1, maxLength: 20 }) })
  const near = fc.record(
    { agentId: fc.string({ minLength: 1 }), agent: thing, issue: thing, goal: thing, from: fc.string(), to: fc.string(), total: fc.nat(), port: fc.nat(), session: thing, message: json, meta: json },
    { requiredKeys: [] },
  )
  const codes = new Set<string>()
  await fc.assert(
    fc.asyncProperty(names, fc.oneof(json, near), async (hook, body) => {
      const outcome = await runtime.executeHook(hook, body).catch((thrown: unknown) => void codes.add(asBulkheadError(thrown).code))
      if (outcome) expect(['continue', 'block']).toContain(outcome.action)
    }),
    { numRuns: 500 },
  )
  expect([...codes]).toEqual(['INVALID'])
})
