import { expect, test, vi } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { completeContext } from './context.ts'
import { type Context, runPipeline, type Step } from './pipeline.ts'
import type { Verdict } from './verdict.ts'

const context = completeContext('chat:before_ai', { message: { content: 'one', id: 'm1' }, input: { a: 1 } }, 'r1')

function step(module: string, say: Verdict | ((given: Context) => Verdict), more: Partial<Step> = {}): Step {
  return {
    module,
    version: '1.0.0',
    blocking: true,
    failure: 'open',
    run: async (given) => ({
      verdict: typeof say === 'function' ? say(given) : say,
      extractions: [{ type: `of-${module}`, data: {} }],
      usage: { wallMs: 1, cpuMs: 1, calls: 0 },
      execution: 'e1',
    }),
    ...more,
  }
}
const failing = (module: string, failure: Step['failure']): Step =>
  step(module, () => {
    throw new BulkheadError('CPU_LIMIT', 'too much')
  }, { failure })
const run = (steps: Step[]) => runPipeline(steps, context, () => {})

test('no module means that the call continues', async () => {
  expect(await run([])).toEqual({ action: 'continue', extractions: [], failures: [] })
})

test('modifications accumulate over message, input, response, output and system prompt additions', async () => {
  const outcome = await run([
    step('a', { action: 'continue', modifications: { message: { content: 'two' }, systemPromptAdditions: ['x'], input: { b: 2 } } }),
    step('b', (given) => ({
      action: 'continue',
      modifications: { message: { content: `${given.message?.content} three`, tone: 'kind' }, systemPromptAdditions: ['y'], input: { a: 3 } },
    })),
    step('c', { action: 'continue', modifications: { response: 'r', output: { done: true } } }),
  ])
  expect(outcome.modifications).toEqual({
    message: { id: 'm1', role: 'user', seq: 1, content: 'two three', tone: 'kind' },
    input: { a: 3, b: 2 },
    response: 'r',
    output: { done: true },
    systemPromptAdditions: ['x', 'y'],
  })
  expect(outcome.extractions.map(({ module, type }) => [module, type])).toEqual([['a', 'of-a'], ['b', 'of-b'], ['c', 'of-c']])
})

test('what a module returns does not change what was given to it', async () => {
  await run([step('a', { action: 'continue', modifications: { message: { content: 'changed' } } })])
  expect(context.message?.content).toBe('one')
})

test('the first block ends the pipeline, and the records so far are kept', async () => {
  const later = vi.fn()
  const outcome = await run([
    step('a', { action: 'continue', modifications: { response: 'lost' } }),
    step('b', { action: 'block', reason: 'why', directResponse: 'no' }),
    step('c', later),
  ])
  expect(outcome).toEqual({
    action: 'block', reason: 'why', directResponse: 'no', blockedBy: 'b', failures: [],
    extractions: [{ module: 'a', type: 'of-a', data: {} }, { module: 'b', type: 'of-b', data: {} }],
  })
  expect(later).not.toHaveBeenCalled()
})

test('a skip leaves the modifications of its verdict without effect', async () => {
  const outcome = await run([step('a', { action: 'skip', modifications: { response: 'unseen' } }), step('b', { action: 'continue' })])
  expect(outcome.modifications).toBeUndefined()
})

test('a failure under the open policy is recorded and the others go on', async () => {
  const outcome = await run([failing('a', 'open'), step('b', { action: 'continue', modifications: { response: 'r' } })])
  expect(outcome).toMatchObject({
    action: 'continue', modifications: { response: 'r' }, failures: [{ module: 'a', code: 'CPU_LIMIT', message: 'too much' }],
  })
})

test('a failure under the closed policy blocks', async () => {
  expect(await run([failing('a', 'closed'), step('b', { action: 'continue' })])).toMatchObject({
    action: 'block', reason: 'module_failed', blockedBy: 'a', failures: [{ module: 'a', code: 'CPU_LIMIT' }],
  })
})

test('a module that does not block is not waited for, and its late failure is told', async () => {
  const late = vi.fn()
  const { promise, reject } = Promise.withResolvers<never>()
  const outcome = await runPipeline([step('a', { action: 'block' }, { blocking: false, run: () => promise })], context, late)
  expect(outcome.action).toBe('continue')
  reject(new BulkheadError('TIMEOUT', 'late'))
  await vi.waitFor(() => expect(late).toHaveBeenCalledWith('a', expect.objectContaining({ code: 'TIMEOUT' })))
})
