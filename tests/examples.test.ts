import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Lab, openLab } from './module-lab.ts'

const EXAMPLES = ['my-module', 'my-service', 'my-daemon', 'observability', 'redactor', 'struggle-watch', 'synthesis']

let lab: Lab
beforeAll(async () => {
  lab = await openLab()
  for (const name of EXAMPLES) await put(name)
  await lab.write('teller', 'hooks: [product:after_ai]\npermissions: ["topic:synthesis.*"]', `
    export default {
      async handle(hook, ctx) {
        await ctx.publish('synthesis.told', ctx.output.text)
      },
    }`)
  await lab.write('crasher', 'hooks: [run:complete]\nlimits: { maxCpuMs: 100 }', `
    export default { handle() { for (;;); } }`)
  await lab.start()
})
afterAll(() => lab?.[Symbol.asyncDispose]())

async function put(example: string, name = example): Promise<void> {
  const folder = join(lab.folder, 'modules', name)
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  await cp(join('fixtures/examples', example), folder, { recursive: true })
}

async function extractions(type: string): Promise<unknown[]> {
  const { items } = await lab.runtime.records.listExtractions({ type })
  return items.toReversed().map(({ data }) => data)
}

const message = (content: string) => ({ message: { id: 'm1', content } })
const session = { id: 's1', state: 'active' as const, startedAt: '2026-01-01T10:00:00.000Z', messageCount: 1 }

test('every example is ready', () => {
  expect(EXAMPLES.map((name) => [name, lab.runtime.module(name).status])).toEqual(EXAMPLES.map((name) => [name, 'ready']))
})

describe('a module with every field of the manifest', () => {
  test('finds nothing in a harmless message', async () => {
    expect(await lab.hook('chat:before_ai', message('hello'))).toMatchObject({ action: 'continue', extractions: [], failures: [] })
  })

  test('modifies what is a little wrong, and records it', async () => {
    const { modifications, extractions: emitted } = await lab.hook('chat:before_ai', message('darn it'))
    expect(modifications?.message?.content).toBe('**** it')
    expect(emitted).toMatchObject([{ module: 'my-module', type: 'issues_detected', data: { messageId: 'm1', issues: [{ word: 'darn', severity: 'low' }] } }])
  })

  test('blocks what is very wrong, with an answer of its own', async () => {
    expect(await lab.hook('chat:before_ai', message('darn this bomb'))).toMatchObject({
      action: 'block', reason: 'content_violation', directResponse: 'I cannot process that request.',
    })
  })

  test('looks at responses too', async () => {
    expect((await lab.hook('chat:after_ai', { response: 'oh darn' })).modifications).toEqual({ response: 'oh ****' })
  })

  test('sees what the module it depends on has changed before it', async () => {
    const { modifications, extractions: emitted } = await lab.hook('chat:before_ai', message('darn, ann@example.org'))
    expect(modifications?.message?.content).toBe('****, [EMAIL]')
    expect(emitted.map(({ module }) => module)).toEqual(['redactor', 'my-module'])
  })

  test('remembers a session until it ends', async () => {
    for (let n = 0; n < 3; n++) await lab.hook('chat:before_ai', { ...message('hello'), session })
    await lab.hook('session:end', { session })
    await vi.waitFor(async () => expect(await extractions('session_analysis')).toEqual([{ messageCount: 3 }]), { timeout: 30_000 })
  })

  test('has its lines in the log', async () => {
    const { items } = await lab.runtime.records.listLogs({ module: 'my-module' })
    expect(items.map(({ message: line }) => line)).toContainEqual(expect.stringMatching(/^Module loaded with config: {\s+enabled: true/))
  })

  test('does not start without the module it depends on', async () => {
    await lab.runtime.disable('redactor')
    await vi.waitFor(() => expect(lab.runtime.module('my-module').status).toBe('waiting'), 30_000)
    await lab.runtime.enable('redactor')
    await vi.waitFor(() => expect(lab.runtime.module('my-module').status).toBe('ready'), { timeout: 30_000 })
  })
})

describe('filters', () => {
  test('redact messages and responses', async () => {
    const { modifications } = await lab.hook('chat:before_ai', message('ann@example.org, 415-555-2671, 123-45-6789'))
    expect(modifications?.message?.content).toBe('[EMAIL], [PHONE], [SSN]')
    expect((await lab.hook('chat:after_ai', { response: 'ring 415-555-2671' })).modifications).toEqual({ response: 'ring [PHONE]' })
  })

  test('notice somebody who is stuck, at the threshold', async () => {
    for (const content of ['I am stuck', 'hello', "I don't get it"]) await lab.hook('chat:on_message', { ...message(content), session })
    await vi.waitFor(async () => {
      await lab.hook('chat:on_message', { ...message('help'), session })
      const [first] = (await extractions('struggle_detected')) as Array<{ sessionId: string; indicators: unknown[]; duration: number }>
      expect(first).toMatchObject({ sessionId: 's1', duration: expect.any(Number) })
      expect(first?.indicators).toHaveLength(3)
    }, { timeout: 30_000 })
  })
})

describe('instances of classes', () => {
  const look = async (input = {}) => (await lab.hook('product:before_ai', { input })).modifications?.output

  test('are a service, and a daemon that started when what it needs was ready', async () => {
    const order = lab.events.flatMap((event) => (event.type === 'module:ready' && event.module.startsWith('my-') ? [event.module] : []))
    expect(order.indexOf('my-service')).toBeLessThan(order.indexOf('my-daemon'))
    expect(await extractions('started')).toEqual([{ greeting: 'something for a daemon' }])
    expect(lab.runtime.modules().filter(({ type }) => type === 'daemon').map(({ name }) => name)).toEqual(['my-daemon'])
    expect(lab.runtime.module('my-service').capabilities).toMatchObject({ service: ['doSomething'], lifecycle: ['onUnload'] })
  })

  test('a daemon is stopped before it is unloaded, and started again', async () => {
    await lab.runtime.disable('my-daemon')
    expect(await extractions('stopped')).toHaveLength(1)
    await lab.runtime.enable('my-daemon')
    expect(await extractions('started')).toHaveLength(2)
  })

  test('one that does not run any more is started anew', { timeout: 40_000 }, async () => {
    await look({ die: true })
    await vi.waitFor(async () => expect((await extractions('started')).length).toBe(3), { timeout: 30_000, interval: 250 })
    expect(lab.eventsOf('my-daemon')).toContain('module:restarting')
  })
})

describe('a listener to events with tables of its own', () => {
  test('records the tokens of every heartbeat, and its background service adds them up', async () => {
    const beat = (agentId: string, meta: object) => lab.hook('agent:heartbeat', { agentId, meta } as object)
    await beat('ann', { tokensUsed: 100, costCents: 3, model: 'large' })
    await beat('ann', { tokensUsed: 50 })
    await beat('bob', {})
    await vi.waitFor(async () => {
      const sql = lab.database.sql
      expect([...(await sql`select agent_id, tokens_used, cost_cents, model from mod_observability.token_metrics order by tokens_used`)]).toEqual([
        { agent_id: 'ann', tokens_used: 50, cost_cents: 0, model: 'unknown' },
        { agent_id: 'ann', tokens_used: 100, cost_cents: 3, model: 'large' },
      ])
      expect([...(await sql`select agent_id, tokens::int, cost_cents::int from mod_observability.burn_rates`)]).toEqual([{ agent_id: 'ann', tokens: 150, cost_cents: 3 }])
    }, { timeout: 30_000 })
    expect(lab.runtime.module('observability').jobs).toMatchObject([{ name: 'metrics-aggregator', last: { error: null } }])
  })
})

describe('a module that is replaced', () => {
  const state = async () => (await lab.hook('product:before_ai', { input: {} })).modifications?.output
  const tell = (text: string) => lab.hook('product:after_ai', { output: { text } })

  test('hands what it knows to the next version, which reads the form of the one before it', async () => {
    await tell('first')
    await vi.waitFor(async () => expect(await state()).toMatchObject({ version: 1, told: ['first'] }), 30_000)
    await put('synthesis-2', 'synthesis')
    await lab.runtime.reload('synthesis')
    expect(await state()).toMatchObject({ version: 2, told: [{ text: 'first', since: '1.0.0' }] })
    await tell('second')
    await lab.runtime.reload('synthesis')
    await vi.waitFor(async () => expect(await state()).toMatchObject({ version: 2, told: [{ text: 'first' }, { text: 'second' }] }), 30_000)
  })

  test('loses no call meanwhile', async () => {
    const calls = Array.from({ length: 40 }, () => lab.hook('product:before_ai', { input: {} }))
    const reloaded = lab.runtime.reload('synthesis')
    calls.push(...Array.from({ length: 40 }, () => lab.hook('product:before_ai', { input: {} })))
    await reloaded
    for (const { failures } of await Promise.all(calls)) expect(failures.filter(({ module }) => module === 'synthesis')).toEqual([])
  })

  test('is not harmed by a neighbour that does not end', async () => {
    await lab.hook('run:complete', {})
    await vi.waitFor(() => expect(lab.events).toContainEqual(expect.objectContaining({ type: 'module:error', module: 'crasher', code: 'CPU_LIMIT' })), { timeout: 30_000 })
    expect(await state()).toMatchObject({ version: 2, told: [{ text: 'first' }, { text: 'second' }] })
  })
})
