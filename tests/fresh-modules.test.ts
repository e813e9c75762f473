import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Lab, openLab } from './module-lab.ts'

let lab: Lab
beforeAll(async () => {
  lab = await openLab()
})
afterAll(() => lab?.[Symbol.asyncDispose]())

const isReady = (name: string) => vi.waitFor(() => expect(lab.runtime.module(name).status).toBe('ready'), { timeout: 30_000 })

const count = `const count = () => (globalThis.count = (globalThis.count ?? 0) + 1)`

describe('a module with fresh contexts', () => {
  beforeAll(async () => {
    await lab.write('greeter', 'context: fresh\ntype: plugin', `
      ${count}
      export default { getService: () => ({ greet: (name) => 'hello ' + name + ' ' + count() }) }`)
    await lab.write('worker', `
context: fresh
hooks: [product:before_ai]
subscribe: ["news.*"]
intervals: { tick: { everyMs: 100 } }
permissions: [emit, "module:greeter"]
config: { type: object, properties: { word: { type: string } } }
defaults: { word: first }`, `
      ${count}
      Deno.serve(() => Response.json({ count: count() }))
      Deno.cron('chime', '* * * * * *', () => { console.log('chime ' + count()) })
      export default {
        onLoad(config) { this.loaded = config.word + count() },
        healthCheck: () => ({ healthy: true }),
        jobs: { tick: (ctx) => ctx.emit('tick', { count: count() }) },
        topics: { 'news.*': (message, ctx) => ctx.emit('told', { count: count() }) },
        async handle(hook, ctx) {
          const greeted = ctx.input?.greet && [await ctx.call('greeter', 'greet', 'Ann'), await ctx.call('greeter', 'greet', 'Ann')]
          return { action: 'continue', modifications: { output: { count: count(), loaded: this.loaded, config: ctx.config.word, greeted } } }
        },
      }`)
    await lab.write('teller', 'hooks: [chat:before_ai]\npermissions: ["topic:news.*"]', `
      export default { async handle(hook, ctx) { await ctx.publish('news.today', {}); await ctx.publish('news.today', {}) } }`)
    await lab.start()
    await isReady('worker')
  })
  afterAll(() => lab.stop())

  const seen = async (input = {}) => (await lab.hook('product:before_ai', { input })).modifications?.output
  const recordsOf = async (type: string) => (await lab.runtime.records.listExtractions({ type, limit: 20 })).items.map(({ data }) => data)

  test('has one for each call of a hook, in which it is loaded anew', async () => {
    for (const _ of [1, 2]) expect(await seen()).toMatchObject({ count: 2, loaded: 'first1', config: 'first' })
  })

  test('has one for each call of another module', async () => {
    expect(await seen({ greet: true })).toMatchObject({ greeted: ['hello Ann 1', 'hello Ann 1'] })
  })

  test('has one for each run of a job and each message', async () => {
    await lab.hook('chat:before_ai', { message: { content: 'x' } })
    await vi.waitFor(async () => {
      expect((await recordsOf('told')).length).toBe(2)
      expect((await recordsOf('tick')).length).toBeGreaterThan(2)
    }, { timeout: 30_000 })
    // onLoad has counted as well.
    expect([...(await recordsOf('told')), ...(await recordsOf('tick'))].every((data) => (data as { count: number }).count === 2)).toBe(true)
  })

  test('runs what it told Deno.cron', async () => {
    await vi.waitFor(() => {
      const chime = lab.runtime.module('worker').jobs.find(({ name }) => name === 'cron:chime')
      expect(chime?.last).toMatchObject({ error: null })
    }, { timeout: 30_000 })
  })

  test('has one for each request', async () => {
    for (const _ of [1, 2]) {
      const request = { method: 'GET', url: 'http://localhost/', headers: [], body: null, remote: { hostname: '127.0.0.1', port: 1 }, signal: new AbortController().signal }
      const { body } = await lab.runtime.http.fetch('worker', request)
      expect(await new Response(body as ReadableStream).json()).toEqual({ count: 2 })
    }
  })

  test('has the configuration of the time in the next one, without a reload', async () => {
    const { loadedAt } = lab.runtime.module('worker')
    await lab.runtime.config.set('worker', { scope: 'global', id: '' }, { config: { word: 'second' } }, 'operator')
    expect(await seen()).toMatchObject({ loaded: 'second1', config: 'second' })
    expect(lab.runtime.module('worker').loadedAt).toEqual(loadedAt)
  })
})

describe('a module with fresh contexts is refused where it', () => {
  const refused = {
    'has something to start': ['start() {}', 'start(), but what it would start ends with the context'],
    'has something to stop': ['stop() {}', 'stop(), but there is nothing left'],
    'says whether it runs': ['isRunning: () => true', 'isRunning(), but nothing runs between executions'],
    'has something to give back': ['onUnload() {}', 'onUnload(), but there is nothing left'],
    'wants to be told of another configuration': ['onConfig() {}', 'onConfig(), but the next execution has the new configuration'],
    'says its state': ['getState: () => 1', 'getState(), but there is no state'],
    'takes a state': ['restoreState() {}', 'restoreState(), but there is no state'],
    'begins with a state': ['state: new Map([["a", 1]])', 'entries in its state, but they would be the same in every execution; keep what is to last in ctx.kv or ctx.db'],
  }
  const nameOf = (what: string) => what.replaceAll(' ', '-')
  beforeAll(async () => {
    for (const [what, [member]] of Object.entries(refused)) await lab.write(nameOf(what), 'context: fresh', `export default { ${member} }`)
    await lab.write('stateful', 'context: fresh\nhooks: [product:after_ai]', `
      import { defineModule } from '@bulkhead/sdk'
      export default defineModule({ handle(hook, ctx) { if (ctx.input.state) this.state.set('a', 1) } })`)
    await lab.start()
    await isReady('stateful')
  })
  afterAll(() => lab.stop())

  test('uses the state that every module has', async () => {
    const failures = async (state: boolean) => (await lab.hook('product:after_ai', { input: { state } })).failures
    expect(await failures(false)).toEqual([])
    expect(await failures(true)).toMatchObject([{ module: 'stateful', code: 'INVALID', message: expect.stringContaining('cannot use state, the manifest says context: fresh') }])
  })

  test.for(Object.entries(refused))('%s', async ([what, [, why]]) => {
    await vi.waitFor(() => expect(lab.runtime.module(nameOf(what)).status).not.toBe('starting'), { timeout: 30_000 })
    expect(lab.runtime.module(nameOf(what)).error).toMatchObject({ code: 'LOAD_FAILED', message: expect.stringContaining(why as string) })
  })
})

test('a module with fresh contexts is reloaded without a lost call, to and from one whose context lasts as well', { timeout: 120_000 }, async () => {
  const write = (version: number) =>
    lab.write('steady', `hooks: [chat:after_ai]\nfailure: { "chat:after_ai": closed }\nversion: 1.0.${version}\ncontext: ${version % 3 === 0 ? 'lasting' : 'fresh'}`, `
      ${count}
      export default {
        ${version % 3 === 0 ? 'state: new Map([["a", 1]]),' : ''}
        async handle(hook, ctx) {
          const first = count()
          await new Promise((done) => setTimeout(done, 2))
          return { action: 'continue', modifications: { output: { version: ${version}, counts: [first, count()] } } }
        },
      }`)
  await write(0)
  await lab.start()
  await isReady('steady')
  let [isOver, answered] = [false, 0]
  const faults: unknown[] = []
  const callers = [1, 2, 3, 4].map(async () => {
    while (!isOver) {
      const outcome = await lab.hook('chat:after_ai', { response: "x" })
      const { version, counts } = (outcome.modifications?.output ?? {}) as { version?: number; counts?: number[] }
      const isWell = outcome.failures.length === 0 && version !== undefined && (version % 3 === 0 || counts?.join() === '1,2')
      if (!isWell) faults.push(outcome)
      answered++
      await new Promise((done) => setTimeout(done, 2))
    }
  })
  try {
    for (let version = 1; version <= 20; version++) {
      await write(version)
      await lab.runtime.reload('steady')
    }
  } finally {
    isOver = true
    await Promise.all(callers)
  }
  expect(faults.slice(0, 3)).toEqual([])
  expect(answered).toBeGreaterThan(20)
})
