import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Lab, openLab } from './module-lab.ts'

const SHIPPED = ['audit', 'event-bus', 'formatter', 'heartbeat', 'metrics-collector', 'parser', 'pii-filter', 'safety-filter', 'struggle-detector']

let lab: Lab
beforeAll(async () => {
  lab = await openLab()
  for (const name of SHIPPED) await cp(join('modules', name), join(lab.folder, 'modules', name), { recursive: true })
  // Asks the others on behalf of the test.
  const asked = ['audit', 'event-bus', 'formatter', 'heartbeat', 'metrics-collector', 'parser']
  const permissions = [...asked.map((name) => `module:${name}`), 'topic:bus.**', 'topic:metrics.*', 'topic:other']
  await lab.write('asker', `hooks: [product:before_ai]\npermissions: ${JSON.stringify(permissions)}`, `
    export default {
      async handle(hook, ctx) {
        const { module, method, args = [], topic, data } = ctx.input
        const said = topic === undefined ? await ctx.call(module, method, ...args).catch((error) => error.message) : await ctx.publish(topic, data)
        return { action: 'continue', modifications: { output: { said } } }
      },
    }`)
  await lab.write('listener', 'subscribe: ["bus.orders.*", "health.**"]\npermissions: [emit]', `
    export default { onMessage: ({ topic, from, data }, { emit }) => emit('heard', { topic, from, data }) }`)
  await lab.start()
})
afterAll(() => lab?.[Symbol.asyncDispose]())

async function ask(module: string, method: string, ...args: unknown[]): Promise<unknown> {
  const { modifications, failures } = await lab.hook('product:before_ai', { input: { module, method, args } })
  expect(failures).toEqual([])
  return modifications?.output?.['said']
}

async function publish(topic: string, data: unknown): Promise<unknown> {
  return (await lab.hook('product:before_ai', { input: { topic, data } })).modifications?.output?.['said']
}

const context = (said: object) => ({ requestId: crypto.randomUUID(), ...said }) as object

describe('every module that ships', () => {
  test('is ready, or waits to be used', () => {
    const states = SHIPPED.map((name) => [name, lab.runtime.module(name).status])
    expect(Object.fromEntries(states)).toEqual(
      Object.fromEntries(SHIPPED.map((name) => [name, ['formatter', 'parser'].includes(name) ? 'idle' : 'ready'])),
    )
  })

  test('leaves a chat message to the filters', async () => {
    const { action, modifications, extractions, failures } = await lab.hook('chat:before_ai', { message: { content: 'Write to jane.doe@example.org, please' } })
    expect({ action, content: modifications?.message?.content, extractions, failures }).toMatchObject({
      action: 'continue',
      content: 'Write to [EMAIL], please',
      extractions: [{ module: 'pii-filter', type: 'pii_detected', data: { location: 'message', counts: { email: 1 } } }],
      failures: [],
    })
  })
})

describe('event-bus', () => {
  test('remembers what is published below its topic, under the name of who did', async () => {
    expect(await publish('bus.orders.created', { id: 'o1' })).toBe(2)
    expect(await publish('other', {})).toBe(0)
    await vi.waitFor(async () => {
      expect(await ask('event-bus', 'history', { topic: 'bus.orders.*' })).toMatchObject([{ seq: 1, from: 'asker', topic: 'bus.orders.created', data: { id: 'o1' } }])
    }, 30_000)
  })

  test('publishes for others, below its topic alone', async () => {
    expect(await ask('event-bus', 'publish', 'orders.paid', { id: 'o1' })).toEqual({ seq: 2, topic: 'bus.orders.paid', told: 1 })
    expect(await ask('event-bus', 'publish', 'a b', {})).toContain('cannot publish')
    expect(await ask('event-bus', 'publish')).toContain('the topic is a name')
    await vi.waitFor(async () => {
      const { items } = await lab.runtime.records.listExtractions({ type: 'heard', module: 'listener' })
      expect(items.map(({ data }) => data)).toContainEqual({ topic: 'bus.orders.paid', from: 'event-bus', data: { id: 'o1' } })
    }, 30_000)
  })

  test('carries what it remembers over a reload', async () => {
    await lab.runtime.reload('event-bus')
    expect(await ask('event-bus', 'topics')).toEqual({ 'bus.orders.created': 1, 'bus.orders.paid': 1 })
    expect(await ask('event-bus', 'history')).toHaveLength(2)
  })
})

describe('heartbeat', () => {
  test('runs, and beats at its interval', async () => {
    expect(lab.runtime.module('heartbeat')).toMatchObject({
      type: 'daemon',
      capabilities: { lifecycle: expect.arrayContaining(['start', 'stop', 'isRunning', 'healthCheck']), jobs: ['beat'], service: ['status', 'reset'] },
      jobs: [{ name: 'beat', kind: 'interval', nextAt: expect.any(String) }],
    })
    expect(await ask('heartbeat', 'status')).toMatchObject({ running: true })
  })

  test('records a beat', { timeout: 30_000 }, async () => {
    await vi.waitFor(
      async () => expect(await ask('heartbeat', 'status', { limit: 1 })).toMatchObject({ healthy: true, last: { healthy: true, storeMs: expect.any(Number) } }),
      { timeout: 30_000, interval: 500 },
    )
  })
})

describe('metrics-collector and audit', () => {
  test('are told of events, and add up and chain them', { timeout: 30_000 }, async () => {
    const meta = { tokensUsed: 100, costCents: 2, latencyMs: 80 }
    await lab.hook('agent:heartbeat', context({ agentId: 'ann', meta }))
    await lab.hook('agent:heartbeat', context({ agentId: 'ann', meta }))
    for (let n = 1; n <= 5; n++) await lab.hook('agent:status_changed', context({ agent: { id: 'ann' }, from: 'idle', to: 'active' }))
    await lab.hook('budget:spend_recorded', context({ agentId: 'ann', amount: 3, total: 3 }))
    await publish('metrics.jobs', { durationMs: 12 })
    await vi.waitFor(async () => {
      expect(await ask('metrics-collector', 'snapshot')).toMatchObject({
        agents: { ann: { count: 8, tokens: 200, costCents: 4, spent: 3, status: 'active', durationMs: { count: 2, mean: 80 } } },
        modules: { asker: { count: 1, durationMs: { count: 1, max: 12 } } },
        hooks: { 'agent:heartbeat': { count: 2 }, 'agent:status_changed': { count: 5 } },
      })
      expect(await ask('audit', 'verify')).toMatchObject({ intact: true, entries: 6, from: 1, to: 6 })
    }, { timeout: 30_000 })
  })

  test('the chain goes on after a reload and after the host was away', { timeout: 30_000 }, async () => {
    await lab.runtime.reload('audit')
    await lab.hook('goal:created', context({ goal: { id: 'g1' } }))
    await vi.waitFor(async () => expect(await ask('audit', 'verify')).toMatchObject({ intact: true, to: 7 }), { timeout: 30_000 })
    await lab.stop()
    await lab.start()
    await lab.hook('goal:completed', context({ goal: { id: 'g1' } }))
    await vi.waitFor(async () => expect(await ask('audit', 'verify')).toMatchObject({ intact: true, to: 8 }), { timeout: 30_000 })
  })

  test('a record that was changed in the database shows', async () => {
    await lab.database.sql`update bulkhead.extractions set data = jsonb_set(data::jsonb, '{user}', '"bob"')::json where module = 'audit' and data ->> 'seq' = '3'`
    expect(await ask('audit', 'verify')).toMatchObject({ intact: false, faults: [{ seq: 3, fault: 'it was changed' }] })
  })
})

describe('formatter and parser', () => {
  test('are loaded when they are first asked', async () => {
    expect(await ask('formatter', 'format', { kind: 'json', text: '{"a":[1.0]}' })).toBe('{\n  "a": [\n    1.0\n  ]\n}')
    expect(await ask('parser', 'csv', { text: 'name,born\n"Lovelace, Ada",1815' })).toEqual([{ name: 'Lovelace, Ada', born: '1815' }])
    expect(await ask('parser', 'csv', { text: '"' })).toContain('the quoted field that begins in line 1 does not end')
    expect(['formatter', 'parser'].map((name) => lab.runtime.module(name).status)).toEqual(['ready', 'ready'])
  })

  test('the output of a tool that asks for it is laid out', async () => {
    const tool = { id: 't', name: 'Tool', type: 'product' as const, definition: { behavior: '', model: '', meta: { format: { table: 'markdown' } } } }
    const { modifications } = await lab.hook('product:after_ai', { output: { table: '|a|\n|-|' }, tool })
    expect(modifications?.output).toEqual({ table: '| a   |\n| --- |' })
  })
})
