import { expect, test, vi } from 'vitest'
import type { Caller } from './capabilities.ts'
import { callCapability, publishCapability, topicFits } from './messages.host.ts'

const caller = (more: Partial<Caller> = {}): Caller => ({
  module: 'asker',
  version: '1.0.0',
  execution: 'e1',
  hook: 'chat:before_ai',
  permissions: new Set(['module:greeter', 'topic:news.*']),
  hide: (value) => value,
  violated: vi.fn(),
  chain: [],
  deadline: performance.now() + 1_000,
  asked: new Map(),
  extractions: [],
  atEnd: [],
  nextSeq: () => 0,
  ...more,
})
const calls = callCapability({ call: async (_caller, module, method, args) => JSON.stringify([module, method, args]) })
const publishes = publishCapability({ publish: () => 3 })
const envelope = (more: object = {}) => JSON.stringify({ v: 1, module: 'greeter', method: 'greet', args: ['Ann'], ...more })
const news = (topic: unknown) => JSON.stringify({ v: 1, topic, data: {} })

test.each([
  ['news.today', 'news.today', true],
  ['news.*', 'news.today', true],
  ['news.*', 'news', false],
  ['news.*', 'news.today.late', false],
  ['news.**', 'news.today.late', true],
  ['news.**', 'news', false],
  ['*.today', 'news.today', true],
  ['**', 'anything.at.all', true],
  ['news', 'newspaper', false],
])('the pattern %s and the topic %s fit: %s', (pattern, topic, fits) => {
  expect(topicFits(pattern, topic)).toBe(fits)
})

test('a call is carried with its arguments', async () => {
  expect(await calls.run(caller(), envelope())).toBe('["greeter","greet",["Ann"]]')
})

test.each([
  ['another version', { v: 2 }],
  ['no method', { method: undefined }],
  ['arguments that are no list', { args: {} }],
])('an envelope of %s is refused', async (_, more) => {
  await expect(calls.run(caller(), envelope(more))).rejects.toMatchObject({ code: 'INVALID' })
})

test('a module that was not granted is refused, and that it asked is noted', async () => {
  const asking = caller()
  await expect(calls.run(asking, envelope({ module: 'bank' }))).rejects.toMatchObject({ code: 'CAPABILITY_DENIED' })
  expect(asking.violated).toHaveBeenCalledWith('module:bank')
})

test('a call back to a module that waits is refused with the way it took', async () => {
  await expect(calls.run(caller({ chain: ['greeter', 'helper'] }), envelope())).rejects.toMatchObject({
    code: 'CALL_LIMIT',
    message: expect.stringContaining('greeter → helper → asker → greeter'),
  })
})

test('calls lead to calls seven deep, not eight', async () => {
  const chain = (length: number) => Array.from({ length }, (_, n) => `m${n}`)
  await expect(calls.run(caller({ chain: chain(6) }), envelope())).resolves.toBeTypeOf('string')
  await expect(calls.run(caller({ chain: chain(7) }), envelope())).rejects.toMatchObject({ code: 'CALL_LIMIT', details: { limit: 'chain', value: 8, used: 9 } })
})

test.each([['news.today', '3'], ['news.2026-11-21', '3']])('the topic %s is told', async (topic, told) => {
  expect(await publishes.run(caller(), news(topic))).toBe(told)
})

test.each(['', 'news..today', 'news today', 'a.b.c.d.e.f.g.h.i', 7, null])('the topic %j is refused', async (topic) => {
  await expect(publishes.run(caller(), news(topic))).rejects.toMatchObject({ code: 'INVALID' })
})

test('a topic outside what was granted is refused', async () => {
  await expect(publishes.run(caller(), news('secrets.today'))).rejects.toMatchObject({ code: 'CAPABILITY_DENIED' })
})
