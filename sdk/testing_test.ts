import { defineModule } from '@bulkhead/sdk'
import { assert, assertEquals, assertRejects, assertThrows, createMockContext, testModule } from '@bulkhead/sdk/testing'

const module = defineModule({
  config: { enabled: true, word: 'please' },
  hooks: {
    'chat:before_ai'(ctx) {
      ctx.log.info('asked', { length: ctx.message.content.length })
      if (ctx.message.content.includes(this.config.word)) return
      ctx.emit('rude', { by: ctx.user.id })
      return { action: 'block', extractions: [{ type: 'blocked', data: {} }] }
    },
  },
  handle: (hook) => ({ action: 'skip', reason: hook }),
})

Deno.test('a hook is called with a context of its name', async () => {
  const { result, extractions, logs } = await testModule(module, 'chat:before_ai')
  assertEquals(result.action, 'block')
  assertEquals(extractions, [{ type: 'rude', data: { by: 'user-1' } }, { type: 'blocked', data: {} }])
  assertEquals(logs, [{ level: 'info', message: 'asked', data: { length: 5 } }])
})

Deno.test('a handler that returns nothing lets the call go on', async () => {
  const message = { id: 'm', role: 'user' as const, content: 'please', seq: 1 }
  assertEquals(await testModule(module, 'chat:before_ai', { message }), {
    result: { action: 'continue' },
    extractions: [],
    logs: [{ level: 'info', message: 'asked', data: { length: 6 } }],
  })
})

Deno.test('a hook without a function of its own goes to handle()', async () => {
  const { result } = await testModule(module, 'session:end')
  assertEquals(result, { action: 'skip', reason: 'session:end' })
})

Deno.test('a configuration given for one call is gone after it, also when the call fails', async () => {
  const { result } = await testModule(module, 'chat:before_ai', {}, { word: 'Hello' })
  assertEquals(result, { action: 'continue' })
  assertEquals(module.config, { enabled: true, word: 'please' })
  await assertRejects(() => testModule(module, 'chat:before_ai', {}, { word: Symbol() as unknown as string }))
  assertEquals(module.config.word, 'please')
})

Deno.test('a mock context keeps what was emitted and logged, and takes overrides', () => {
  const context = createMockContext({ response: 'hi', user: { id: 'u', email: '', name: '', role: 'teacher' } })
  context.emit('seen', { n: 1 })
  context.log.warn('careful')
  assertEquals([context.response, context.user.role], ['hi', 'teacher'])
  assertEquals(context._extractions, [{ type: 'seen', data: { n: 1 } }])
  assertEquals(context._logs, [{ level: 'warn', message: 'careful' }])
})

Deno.test('a test brings along what it needs of the host', async () => {
  const context = createMockContext({ env: { get: (name) => `the ${name}` }, config: { word: 'x' } })
  assertEquals([context.env.get('REGION'), context.config.word], ['the REGION', 'x'])
  await assertRejects(() => Promise.resolve(context.kv.get(['a'])), 'the mock context has no host')
})

Deno.test('ctx.config is that of the call', async () => {
  const asked = defineModule({ config: { word: 'a' }, handle: (_hook, { config }) => ({ action: 'skip', reason: config.word }) })
  assertEquals((await testModule(asked, 'session:end', {}, { word: 'b' })).result.reason, 'b')
})

Deno.test('assertEquals compares content', async (t) => {
  const equal: Array<[unknown, unknown]> = [
    [NaN, NaN],
    [{ a: [1, { b: undefined }] }, { a: [1, { b: undefined }] }],
    [new Date(5), new Date(5)],
    [new Map([['a', [1]]]), new Map([['a', [1]]])],
    [new Set([{ a: 1 }]), new Set([{ a: 1 }])],
  ]
  for (const [a, b] of equal) assertEquals(a, b)
  const different: Array<[unknown, unknown]> = [
    [0, -0],
    [{ a: undefined }, {}],
    [[], {}],
    [new Date(5), new Date(6)],
    [new Map([['a', 1]]), new Map([['a', 2]])],
    [null, {}],
  ]
  for (const [a, b] of different) await t.step(`not ${String(a)}`, () => void assertThrows(() => assertEquals(a, b), 'not equal'))
})

Deno.test('an assertion says what it wanted', async () => {
  assertEquals(assertThrows(() => assertEquals({ a: 1n }, { a: 2n })).message, 'the values are not equal\n  actual:   {"a":"1n"}\n  expected: {"a":"2n"}')
  assertEquals(assertThrows(() => assert(0, 'zero')).message, 'zero')
  assertThrows(() => assertThrows(() => {}), 'did not throw')
  assertThrows(() => assertThrows(() => assert(0, 'zero'), 'one'), 'does not include')
  await assertRejects(() => assertRejects(() => Promise.resolve()), 'did not reject')
})
