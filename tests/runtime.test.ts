import { cp, mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completeContext, type HookBody } from '../runtime/context.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import { type Database, openDatabase } from '../runtime/store/database.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
let folder: string
let database: Database
let runtime: Runtime

async function writeModule(name: string, yaml: string, code: string): Promise<void> {
  await mkdir(join(folder, 'modules', name), { recursive: true })
  const manifest = `name: ${name}\nversion: 1.0.0\ndescription: a test module\nhooks: [chat:before_ai]\n${yaml}`
  await writeFile(join(folder, 'modules', name, 'module.yaml'), manifest)
  await writeFile(join(folder, 'modules', name, 'index.ts'), code)
}

const handler = (body: string, before = '') =>
  `${before}\nexport default { async handle(hook: string, ctx: any) { ${body} } }`

/** What failed of the modules that could run at all. */
const failuresOf = async (content: string) =>
  (await say(content)).failures.filter(({ module }) => module !== 'broken' && module !== 'unhandled')

const say = (content: string, more: HookBody = {}) =>
  runtime.executeHook('chat:before_ai', completeContext('chat:before_ai', { message: { content }, ...more }, 'r1'))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-test-'))
  await mkdir(join(folder, 'modules'))
  await cp('modules/pii-filter', join(folder, 'modules/pii-filter'), { recursive: true })
  await writeModule('adder', 'priorities: { chat:before_ai: 90 }', handler(`
    if (ctx.message.content.includes('block me')) return { action: 'block', reason: 'asked', directResponse: 'no' }
    if (ctx.message.content.includes('throw')) throw new TypeError('as asked')
    if (ctx.message.content.includes('nonsense')) return { action: 'perhaps' }
    if (ctx.message.content.includes('freeze')) ctx.message.content = 'changed'
    if (ctx.message.content.includes('skip')) return { action: 'skip', modifications: { message: { content: 'not seen' } } }
    return { action: 'continue', modifications: { message: { content: ctx.message.content + '!' }, systemPromptAdditions: [await late] } }`,
    `const late = await Promise.resolve('from top-level await')`))
  await writeModule('looper', 'limits: { maxCpuMs: 100, maxExecutionMs: 1000 }\nfailure: { chat:before_ai: open }', handler(`
    await null
    if (ctx.message.content.includes('loop')) for (;;);
    if (ctx.message.content.includes('never')) await new Promise(() => {})`))
  await writeModule('keeper', 'permissions: [emit, log]', handler(`
    if (!ctx.message.content.includes('keep')) return
    ctx.log.info('kept', { at: ctx.timestamp instanceof Date })
    console.warn('careful', [1, { a: 'b' }])
    ctx.emit('first', { n: 1 })
    await ctx.emit('second', { n: 2 })
    return { action: 'continue', extractions: [{ type: 'third', data: { n: 3 } }] }`))
  await writeModule('broken', '', 'export default {')
  await writeModule('unhandled', '', 'export default {}')
  await mkdir(join(folder, 'modules/nothing'))
  database = await openDatabase({ folder: join(folder, 'data'), log: silent })
  runtime = await startRuntime({ modules: join(folder, 'modules'), data: join(folder, 'data'), cells: 2, database, log: silent })
})

afterAll(async () => {
  await runtime?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

test('a personal e-mail address is redacted, and the record of it is in the database', async () => {
  const outcome = await say('write to ann@example.org', { session: { id: 's1' }, user: { id: 'u1' } })
  expect(outcome).toMatchObject({
    action: 'continue',
    modifications: { message: { content: 'write to [EMAIL]!', role: 'user' }, systemPromptAdditions: ['from top-level await'] },
    extractions: [{ module: 'pii-filter', type: 'pii_detected' }],
    failures: [{ module: 'broken', code: 'UNAVAILABLE' }, { module: 'unhandled', code: 'UNAVAILABLE' }],
  })
  const { items } = await runtime.records.listExtractions({ session: 's1' })
  expect(items).toMatchObject([{ module: 'pii-filter', version: '1.0.0', userId: 'u1', data: { counts: { email: 1 } } }])
  expect(JSON.stringify(items)).not.toContain('ann@')
})

test('every folder is listed; one that fails tells why and stops no other', () => {
  const status = Object.fromEntries(runtime.modules().map(({ name, status, error }) => [name, [status, error?.code]]))
  expect(status).toEqual({
    adder: ['ready', undefined],
    broken: ['error', 'BUNDLE_FAILED'],
    keeper: ['ready', undefined],
    looper: ['ready', undefined],
    nothing: ['error', 'MANIFEST_INVALID'],
    'pii-filter': ['ready', undefined],
    unhandled: ['error', 'LOAD_FAILED'],
  })
  expect(runtime.module('unhandled').error?.message).toContain('"chat:before_ai"')
})

test('the first block ends the pipeline with its direct response', async () => {
  expect(await say('block me')).toMatchObject({ action: 'block', reason: 'asked', directResponse: 'no', blockedBy: 'adder' })
})

test('a skip has no effect', async () => {
  expect((await say('skip this')).modifications).toBeUndefined()
})

test('a module that throws, or answers with no verdict, is recorded as failed with its own words', async () => {
  expect(await failuresOf('throw')).toContainEqual({ module: 'adder', code: 'MODULE_FAILED', message: 'TypeError: as asked' })
  expect(await failuresOf('nonsense')).toMatchObject([{ module: 'adder', code: 'MODULE_FAILED' }])
})

test('what a module is given is frozen', async () => {
  expect(await failuresOf('freeze')).toMatchObject([{ module: 'adder', message: expect.stringContaining('read only') }])
})

test('a loop after an await is ended by its CPU limit, and the module runs again', async () => {
  expect(await failuresOf('loop')).toMatchObject([{ module: 'looper', code: 'CPU_LIMIT' }])
  expect(await failuresOf('fine')).toEqual([])
})

test('waiting for ever is ended by the time limit and costs the module nothing but that execution', async () => {
  const before = runtime.module('looper').loadedAt
  expect(await failuresOf('never')).toMatchObject([{ module: 'looper', code: 'TIMEOUT' }])
  expect(runtime.module('looper').loadedAt).toBe(before)
})

test('records are kept once, in order, with those of the verdict; log lines and console too', async () => {
  const outcome = await say('keep', { session: { id: 'keeping' } })
  expect(outcome.extractions.map(({ type }) => type)).toEqual(['first', 'second', 'third'])
  const { items } = await runtime.records.listExtractions({ session: 'keeping' })
  expect(items.map(({ type }) => type).toSorted()).toEqual(['first', 'second', 'third'])
  await runtime.records.flush()
  const logs = await runtime.records.listLogs({ module: 'keeper' })
  expect(logs.items.map(({ level, message, data }) => ({ level, message, data })).toReversed()).toEqual([
    { level: 'info', message: 'kept', data: { at: true } },
    { level: 'warn', message: 'careful [ 1, { a: "b" } ]', data: null },
  ])
})

test('an unknown hook is refused with the nearest known one', async () => {
  const context = completeContext('chat:befor_ai', {}, 'r')
  await expect(runtime.executeHook('chat:befor_ai', context)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('did you mean "chat:before_ai"'),
  })
})

test('a reload replaces a module, and one that does not load leaves the old one answering', async () => {
  await writeModule('adder', '', handler(`return { action: 'continue', modifications: { response: 'second' } }`))
  await runtime.reload('adder')
  expect((await say('x')).modifications).toEqual({ response: 'second' })
  await writeModule('adder', '', handler('return', `throw new Error('not today')`))
  await expect(runtime.reload('adder')).rejects.toMatchObject({ code: 'LOAD_FAILED', message: 'Error: not today' })
  expect(runtime.module('adder')).toMatchObject({ status: 'ready', error: { code: 'LOAD_FAILED' } })
  expect((await say('x')).modifications).toEqual({ response: 'second' })
})

test('a disabled module has no say until it is enabled', async () => {
  await runtime.disable('pii-filter')
  expect((await say('ann@example.org')).extractions).toEqual([])
  expect(runtime.module('pii-filter').status).toBe('disabled')
  await runtime.enable('pii-filter')
  expect((await say('ann@example.org')).extractions).toHaveLength(1)
})
