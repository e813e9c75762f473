import { describe, expect, test } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { BUILT_IN, type HookDeclaration, openCatalogue } from './catalogue.ts'
import { HOOKS } from './hooks.ts'
import { hookSettings, parseManifest } from './manifest.ts'

function refusal(work: () => unknown): Record<string, string> {
  try {
    work()
  } catch (thrown) {
    if (!(thrown instanceof BulkheadError)) throw thrown
    const faults = (thrown.details as { faults: Array<{ path: string; message: string }> } | undefined)?.faults ?? []
    return { code: thrown.code, message: thrown.message, ...Object.fromEntries(faults.map(({ path, message }) => [path, message])) }
  }
  throw new Error('nothing was refused')
}

const thing = { id: 'x1', name: 'anything else' }
const EXAMPLES: Record<string, object> = {
  'server:started': { port: 7700 },
  'agent:created': { agent: thing },
  'agent:updated': { agent: thing, changes: { name: 'new' } },
  'agent:deleted': { agent: thing },
  'agent:heartbeat': { agentId: 'x1', meta: { tokensUsed: 12 } },
  'agent:status_changed': { agent: thing, from: 'idle', to: 'active' },
  'issue:created': { issue: thing },
  'issue:status_changed': { issue: thing, from: 'todo', to: 'done' },
  'issue:assigned': { issue: thing, agent: thing },
  'goal:created': { goal: thing },
  'goal:completed': { goal: thing },
  'budget:spend_recorded': { agentId: 'x1', amount: 1.5, total: 80 },
  'budget:threshold_crossed': { agentId: 'x1', budget: 100, spent: 80, percent: 80 },
}

describe('the context of a call', () => {
  test.each(Object.entries(EXAMPLES))('of %s is what was said, and who and when', (hook, said) => {
    expect(BUILT_IN.read(hook, said, 'r1')).toMatchObject({ ...said, requestId: 'r1', hook, user: { id: 'anonymous' }, timestamp: expect.any(String) })
  })

  test.each(Object.entries(EXAMPLES))('of %s may leave out nothing and add nothing', (hook, said) => {
    for (const field of Object.keys(said).filter((field) => field !== 'meta')) {
      const { [field as never]: _left, ...rest } = said
      expect(refusal(() => BUILT_IN.read(hook, rest, 'r1'))).toMatchObject({ code: 'INVALID', [field]: 'is missing' })
    }
    expect(refusal(() => BUILT_IN.read(hook, { ...said, response: 'x' }, 'r1'))).toMatchObject({ code: 'INVALID', response: 'unknown field' })
  })

  test('of a chat or a product tool may leave out everything', () => {
    for (const [hook, { mode }] of Object.entries(HOOKS)) if (mode === 'pipeline') expect(BUILT_IN.read(hook, {}, 'r1').hook).toBe(hook)
  })

  test('is refused with the nearest hook where there is none of that name, also of a name that every object has', () => {
    expect(refusal(() => BUILT_IN.read('agent:craeted', {}, 'r'))).toMatchObject({ code: 'NOT_FOUND', message: 'no hook named "agent:craeted", did you mean "agent:created"?' })
    for (const name of ['constructor', '__proto__', 'toString', '']) expect(refusal(() => BUILT_IN.find(name))).toMatchObject({ code: 'NOT_FOUND' })
  })

  test.each([undefined, null, 3, 'text', []])('is refused where it is %o', (body) => {
    expect(refusal(() => BUILT_IN.read('chat:before_ai', body, 'r'))).toMatchObject({ code: 'INVALID', '': expect.stringContaining('must be an object') })
  })
})

describe('a hook of the application', () => {
  const declared: Record<string, HookDeclaration> = {
    'order:placed': { mode: 'event', about: 'an order was placed', context: { properties: { order: { type: 'string' } }, required: ['order'] } },
    'order:check': { context: { properties: { total: { type: 'number', minimum: 0 } }, required: ['total'] } },
    'order:watch': { blocking: false },
    'session:end': { mode: 'event' },
  }
  const catalogue = openCatalogue(declared)

  test('stands beside the built-in ones', () => {
    expect([...catalogue.hooks.keys()]).toEqual([...Object.keys(HOOKS), 'order:placed', 'order:check', 'order:watch'])
    expect(catalogue.find('order:placed')).toMatchObject({ mode: 'event', blocking: false })
    expect(catalogue.find('order:check')).toMatchObject({ mode: 'pipeline', blocking: true })
    expect(catalogue.find('order:watch')).toMatchObject({ mode: 'pipeline', blocking: false })
    expect(catalogue.find('session:end').mode).toBe('event')
    expect(BUILT_IN.find('session:end').mode).toBe('pipeline')
  })

  test('has the context of its schema; of a pipeline, with what verdicts can change', () => {
    expect(catalogue.read('order:check', { total: 5, input: { a: 1 } }, 'r')).toMatchObject({ total: 5, input: { a: 1 }, hook: 'order:check' })
    expect(refusal(() => catalogue.read('order:check', { total: -1, tatal: 2 }, 'r'))).toMatchObject({
      total: 'must be at least 0, not -1',
      tatal: 'unknown field, did you mean "total"?',
    })
    expect(refusal(() => catalogue.read('order:placed', { order: 'o1', input: {} }, 'r'))).toMatchObject({ input: 'unknown field' })
    expect(catalogue.read('session:end', { session: { id: 's1' } }, 'r').session?.state).toBe('active')
  })

  test('may be named by a manifest, with nothing that an event has no use for', () => {
    const manifest = parseManifest('name: a\nversion: 1.0.0\ndescription: A\nhooks: [order:check, order:placed]\ntimeouts: { order:placed: 100 }', 'f', catalogue)
    expect(hookSettings(manifest, 'order:check', catalogue)).toMatchObject({ blocking: true, priority: 50 })
    expect(hookSettings(manifest, 'order:placed', catalogue)).toMatchObject({ blocking: false, timeoutMs: 100 })
    const wrong = 'name: a\nversion: 1.0.0\ndescription: A\nhooks: [order:placed, order:chek, order:check]\nfailure: { order:placed: closed }\nblocking: { order:placed: true }\npriorities: { order:placed: 1 }'
    const { message } = refusal(() => parseManifest(wrong, 'f', catalogue))
    expect(message?.match(/is an event/g)).toHaveLength(3)
    expect(message).toContain('hooks[1]: unknown hook "order:chek", did you mean "order:check"?')
    expect(refusal(() => parseManifest('name: a\nversion: 1.0.0\ndescription: A\nhooks: [order:check]', 'f'))['message']).toContain('unknown hook "order:check"')
  })

  test('is refused with every fault of all of them', () => {
    const wrong = {
      Order: {},
      'a:b': { mode: 'evnt' },
      'c:d': { mode: 'event', blocking: true, context: { properties: { user: {}, emit: {}, total: {} } } },
      'chat:before_ai': { mode: 'event', about: 'x' },
      'issue:created': { mode: 'pipeline' },
      'e:f': { context: { type: 'array' } },
      'g:h': { context: { properties: { a: { type: 'strin' } } } },
      'i:j': { context: { prperties: {} } },
      'k:l': 3,
      [`m:${'x'.repeat(63)}`]: {},
    } as unknown as Record<string, HookDeclaration>
    expect(refusal(() => openCatalogue(wrong))).toMatchObject({
      code: 'INVALID',
      Order: expect.stringContaining('lower-case'),
      '["a:b"].mode': 'unknown mode "evnt", did you mean "event"?',
      '["c:d"].blocking': expect.stringContaining('cannot be true'),
      '["c:d"].context.properties.user': expect.stringContaining('cannot be declared'),
      '["c:d"].context.properties.emit': expect.stringContaining('cannot be declared'),
      '["chat:before_ai"].mode': expect.stringContaining('cannot be "event"'),
      '["chat:before_ai"].about': expect.stringContaining('built in'),
      '["issue:created"].mode': expect.stringContaining('must be "event"'),
      '["e:f"].context.type': expect.stringContaining('must be "object"'),
      '["g:h"].context': expect.stringContaining('is no JSON Schema'),
      '["i:j"].context': expect.stringContaining('prperties'),
      '["k:l"]': expect.stringContaining('must be a mapping'),
      [`["m:${'x'.repeat(63)}"]`]: expect.stringContaining('at most 64'),
    })
    expect(openCatalogue({ [`m:${'x'.repeat(62)}`]: {} }).hooks.size).toBe(Object.keys(HOOKS).length + 1)
  })

  test('has a schema that may be declared again, its id and all', () => {
    const own = { 'a:b': { context: { $id: 'https://example.org/a', properties: { a: { type: 'string' } } } } } as const
    expect(openCatalogue(own).read('a:b', { a: 'x' }, 'r')).toMatchObject({ a: 'x' })
    expect(openCatalogue(own).read('a:b', { a: 'x' }, 'r')).toMatchObject({ a: 'x' })
  })
})
