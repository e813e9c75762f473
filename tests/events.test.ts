import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { isUnseen } from '../runtime/deliveries.ts'
import { type Runtime, type RuntimeOptions, startRuntime } from '../runtime/runtime.ts'
import { type Database, openDatabase } from '../runtime/store/database.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const EMITS = `ctx.emit('told', { event: ctx.event.id, attempt: ctx.event.attempt, agentId: ctx.agentId })`

let folder: string
let database: Database
let runtime: Runtime

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-events-'))
  await mkdir(join(folder, 'modules'))
})

afterEach(async () => {
  await runtime?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

async function write(name: string, body: string, more = ''): Promise<void> {
  await mkdir(join(folder, 'modules', name), { recursive: true })
  const manifest = `name: ${name}\nversion: 1.0.0\ndescription: a test module\nhooks: [agent:heartbeat]\npermissions: [emit, log]\n${more}`
  await writeFile(join(folder, 'modules', name, 'module.yaml'), manifest)
  await writeFile(join(folder, 'modules', name, 'index.ts'), `export default { async handle(hook: string, ctx: any) { ${body} } }`)
}

async function start(options: Partial<RuntimeOptions> = {}): Promise<void> {
  database = await openDatabase({ folder: join(folder, 'data'), log: silent })
  const common = { modules: join(folder, 'modules'), data: join(folder, 'data'), cells: 2, log: silent, database }
  runtime = await startRuntime({ ...common, events: { attempts: 3, retryMs: 10 }, ...options })
}

const beat = async (agentId = 'a1') => (await runtime.executeHook('agent:heartbeat', { agentId })).event?.id
const told = async (module?: string) =>
  (await runtime.records.listExtractions({ type: 'told', limit: 200, ...(module === undefined ? {} : { module }) })).items
const deliveriesLeft = async () => Number((await database.sql`select count(*) from bulkhead.deliveries`)[0]?.['count'])
const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 50 })

test('ten modules are told of an event, each once, and nothing of it is left', async () => {
  const names = Array.from({ length: 10 }, (_, index) => `subscriber-${index}`)
  for (const name of names) await write(name, EMITS)
  await start()
  const outcome = await runtime.executeHook('agent:heartbeat', { agentId: 'a1' })
  expect(outcome).toEqual({ action: 'continue', extractions: [], failures: [], event: { id: expect.any(String) } })
  await eventually(async () => expect(await deliveriesLeft()).toBe(0))
  const records = await told()
  expect(records.map(({ module }) => module).toSorted()).toEqual(names)
  expect(records.map(({ data }) => data)).toEqual(names.map(() => ({ event: outcome.event?.id, attempt: 1, agentId: 'a1' })))
  await eventually(async () => expect(await database.sql`select from bulkhead.events`).toHaveLength(0))
})

test('a module that fails is told again, with the same id and the number of the attempt', async () => {
  await write('stumbler', `${EMITS}; if (ctx.event.attempt < 3) throw new Error('not yet')`)
  await write('steady', EMITS)
  await start()
  const id = await beat()
  await eventually(async () => expect(await deliveriesLeft()).toBe(0))
  const attempts = (await told('stumbler')).map(({ data }) => data)
  expect(attempts.toReversed()).toEqual([1, 2, 3].map((attempt) => ({ event: id, attempt, agentId: 'a1' })))
  expect(await told('steady')).toHaveLength(1)
})

test('a module that fails too often leaves a dead letter, which is delivered once it is mended', async () => {
  await write('broken', `throw new TypeError('cannot do \\u0000 this')`)
  await write('steady', EMITS)
  await start()
  const ends: string[] = []
  runtime.subscribe((event) => void (event.type === 'event:dead' && ends.push(event.event)))
  const id = (await beat()) as string
  await eventually(async () => expect((await runtime.deadLetters({})).items).toHaveLength(1))
  const { items } = await runtime.deadLetters({ module: 'broken', hook: 'agent:heartbeat', since: new Date(Date.now() - 60_000) })
  expect(items).toEqual([
    {
      event: id, module: 'broken', hook: 'agent:heartbeat', attempts: 3, code: 'MODULE_FAILED',
      message: 'TypeError: cannot do \uFFFD this', createdAt: expect.any(Date), deadAt: expect.any(Date),
    },
  ])
  expect(ends).toEqual([id])
  expect((await runtime.deadLetters({ module: 'steady' })).items).toEqual([])

  await write('broken', EMITS)
  await runtime.reload('broken')
  expect(await runtime.retryEvents({ event: id, module: 'steady' })).toBe(0)
  expect(await runtime.retryEvents({ event: 'no id' })).toBe(0)
  expect(await runtime.retryEvents({ event: id, hook: 'agent:heartbeat' })).toBe(1)
  await eventually(async () => expect((await told('broken')).map(({ data }) => data)).toEqual([{ event: id, attempt: 1, agentId: 'a1' }]))
  expect(await runtime.retryEvents({ module: 'broken' })).toBe(0)
})

test('dead letters are paged, newest first', async () => {
  await write('broken', `throw new Error('no')`)
  await write('broken-too', `throw new Error('no')`)
  await start({ events: { attempts: 1, retryMs: 10 } })
  for (let index = 0; index < 3; index++) await beat()
  await eventually(async () => expect((await runtime.deadLetters({})).items).toHaveLength(6))
  const all = (await runtime.deadLetters({})).items
  const pages = []
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await runtime.deadLetters({ limit: 2, ...(cursor === undefined ? {} : { cursor }) })
    pages.push(...page.items)
    cursor = page.nextCursor
  }
  expect(pages).toEqual(all)
  for (const cursor of ['', 'x', Buffer.from('["now","x","y"]').toString('base64url')]) {
    await expect(runtime.deadLetters({ cursor })).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  }
})

test('a disabled module is not told of what happens meanwhile', async () => {
  await write('sleeper', EMITS)
  await start()
  await runtime.disable('sleeper')
  await beat('while disabled')
  expect(await deliveriesLeft()).toBe(0)
  await runtime.enable('sleeper')
  await beat('afterwards')
  await eventually(async () => expect((await told()).map(({ data }) => data)).toMatchObject([{ agentId: 'afterwards' }]))
})

test.each([
  ['was not there', {}, true],
  ['was unloaded meanwhile', { usage: { wallMs: 1, cpuMs: 1, calls: 0 } }, true],
  ['lets through what it was refused itself', { stack: 'Interrupted: cannot call', usage: { wallMs: 1, cpuMs: 1, calls: 1 } }, false],
])('of an event to a module that %s (%j) no attempt is counted: %s', (_, details, unseen) => {
  expect(isUnseen(new BulkheadError('UNAVAILABLE', 'cannot call', details))).toBe(unseen)
})

test('a module that is down is told later, and no attempt is counted for that', async () => {
  await write('late', EMITS)
  await writeFile(join(folder, 'modules/late/index.ts'), 'export default {')
  await start()
  expect(runtime.module('late').status).toBe('error')
  const id = await beat()
  expect(await deliveriesLeft()).toBe(1)
  await write('late', EMITS)
  await runtime.reload('late')
  await eventually(async () => expect((await told()).map(({ data }) => data)).toEqual([{ event: id, attempt: 1, agentId: 'a1' }]))
})

test('each module has a copy of its own that it cannot change', async () => {
  await write('changer', `try { ctx.meta.list.push(4) } catch (error) { ctx.emit('told', { error: error.name, list: ctx.meta.list }) }`)
  await write('reader', `await null; ctx.emit('told', { list: ctx.meta.list })`)
  await start()
  await runtime.executeHook('agent:heartbeat', { agentId: 'a1', meta: { list: [1, 2, 3] } })
  await eventually(async () => expect(await told()).toHaveLength(2))
  expect((await told('changer')).map(({ data }) => data)).toEqual([{ error: 'TypeError', list: [1, 2, 3] }])
  expect((await told('reader')).map(({ data }) => data)).toEqual([{ list: [1, 2, 3] }])
})

test('a module has no veto, and what it answers but for records has no effect', async () => {
  await write('objector', `return { action: 'block', extractions: [{ type: 'told', data: { kept: true } }] }`)
  await start()
  expect(await runtime.executeHook('agent:heartbeat', { agentId: 'a1' })).toMatchObject({ action: 'continue' })
  await eventually(async () => expect((await told()).map(({ data }) => data)).toEqual([{ kept: true }]))
  await eventually(async () => expect(await deliveriesLeft()).toBe(0))
})

test('no more executions run at one time than the manifest allows', async () => {
  await write('single', `globalThis.at = (globalThis.at ?? 0) + 1; await new Promise((done) => setTimeout(done, 5))
    ctx.emit('told', { at: globalThis.at }); globalThis.at--`, 'limits: { maxConcurrency: 1 }')
  await start()
  await Promise.all(Array.from({ length: 150 }, () => beat()))
  await eventually(async () => expect(await deliveriesLeft()).toBe(0))
  const records = await told('single')
  expect(records).toHaveLength(150)
  expect(records.every(({ data }) => (data as { at: number }).at === 1)).toBe(true)
})

test('what could not be stored is not accepted', async () => {
  await write('steady', EMITS)
  await start()
  await database.sql`alter table bulkhead.events rename to elsewhere`
  await expect(runtime.executeHook('agent:heartbeat', { agentId: 'a1' })).rejects.toMatchObject({ code: 'STORE_FAILED' })
  await database.sql`alter table bulkhead.elsewhere rename to events`
  await beat('a2')
  await eventually(async () => expect((await told()).map(({ data }) => data)).toMatchObject([{ agentId: 'a2' }]))
})

test('a context that does not fit is refused with every fault', async () => {
  await start()
  await expect(runtime.executeHook('issue:assigned', { issue: 'i1', mesage: 'x' })).rejects.toMatchObject({
    code: 'INVALID',
    details: { faults: expect.arrayContaining([
      expect.objectContaining({ path: 'issue' }), expect.objectContaining({ path: 'mesage' }), expect.objectContaining({ path: 'agent' }),
    ]) },
  })
})

test('what a stopped host has not delivered, the next one does', async () => {
  await write('slow', `await new Promise((done) => setTimeout(done, 50)); ${EMITS}`, 'limits: { maxConcurrency: 1 }')
  await start()
  for (let index = 0; index < 20; index++) await beat(`a${index}`)
  await runtime[Symbol.asyncDispose]()
  expect(await deliveriesLeft()).toBeGreaterThan(0)
  await database[Symbol.asyncDispose]()
  await start()
  await eventually(async () => expect(await deliveriesLeft()).toBe(0))
  const agents = (await told()).map(({ data }) => (data as { agentId: string }).agentId)
  expect(agents.toSorted()).toEqual(Array.from({ length: 20 }, (_, index) => `a${index}`).toSorted())
})

test('what a killed host had accepted, the next one delivers', async () => {
  await write('slow', `await new Promise((done) => setTimeout(done, 50)); ${EMITS}`, 'limits: { maxConcurrency: 1 }')
  const child = spawn(process.execPath, ['tests/embedding-host.ts', folder, 'agent:heartbeat', '30'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const accepted: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    accepted.push((JSON.parse(line) as { event: { id: string } }).event.id)
    if (accepted.length === 30) break
  }
  child.kill('SIGKILL')
  await once(child, 'exit')
  await start()
  await eventually(async () => expect(await deliveriesLeft()).toBe(0))
  const records = (await told()).map(({ data }) => data as { event: string; attempt: number })
  expect(new Set(records.map(({ event }) => event))).toEqual(new Set(accepted))
  // The one that was under way may have been told of twice, and would know by the number of the attempt.
  expect(records.length).toBeLessThanOrEqual(accepted.length + 1)
})

test('an application asks modules from within its own process', async () => {
  await write('polite', `return { action: 'continue', modifications: { message: { content: ctx.message.content + ', please' } } }`)
  await writeFile(join(folder, 'modules/polite/module.yaml'), 'name: polite\nversion: 1.0.0\ndescription: asks nicely\nhooks: [chat:before_ai]\n')
  const child = spawn(process.execPath, ['tests/embedding-host.ts', folder, 'chat:before_ai'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  expect(JSON.parse(line)).toMatchObject({ action: 'continue', modifications: { message: { content: 'hello, please' } } })
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})
