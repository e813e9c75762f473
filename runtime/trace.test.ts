import { expect, test, vi } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { completeContext } from './context.ts'
import { runPipeline, type Step } from './pipeline.ts'
import { openTraces, type TracedStep } from './trace.ts'
import type { Verdict } from './verdict.ts'

const context = completeContext('chat:before_ai', { message: { content: 'secret', id: 'm1' }, input: { card: '4111', kept: 1 } }, 'r1')
const usage = { wallMs: 2, cpuMs: 1.5, calls: 3 }

function step(module: string, verdict: Verdict, more: Partial<Step> = {}): Step {
  return { module, version: '1.2.3', blocking: true, failure: 'open', run: async () => ({ verdict, extractions: [], usage, execution: `of-${module}` }), ...more }
}
const common = { version: '1.2.3', waited: true, wallMs: expect.any(Number), cpuMs: 1.5, calls: 3 }

test('each module is in the trace with its verdict, what it took and what it changed, and none of the text', async () => {
  const traces = openTraces()
  const { trace, steps } = traces.follow(context, [
    step('a', { action: 'continue', modifications: { message: { content: 'redacted!', tone: 'kind' } as { content: string }, input: { card: '', kept: 1 }, systemPromptAdditions: ['be kind'] } }),
    step('b', { action: 'skip', modifications: { response: 'unseen' } }),
    step('c', { action: 'continue' }, { run: () => Promise.reject(new BulkheadError('CPU_LIMIT', 'secret')) }),
    step('d', { action: 'block', reason: 'secret', directResponse: 'secret' }),
    step('e', { action: 'continue' }),
  ])
  await runPipeline(steps, context, () => {})
  expect(trace).toEqual({
    requestId: 'r1',
    hook: 'chat:before_ai',
    startedAt: expect.any(String),
    steps: [
      {
        ...common, module: 'a', outcome: 'continue', execution: 'of-a',
        changes: [
          { field: 'message.content', before: 6, after: 9 },
          { field: 'message.tone', before: 0, after: 4 },
          { field: 'input.card', before: 4, after: 0 },
          { field: 'systemPromptAdditions', before: 0, after: 11 },
        ],
      },
      { ...common, module: 'b', outcome: 'skip', execution: 'of-b', changes: [] },
      { module: 'c', version: '1.2.3', waited: true, outcome: 'failed', code: 'CPU_LIMIT', wallMs: expect.any(Number), changes: [] },
      { ...common, module: 'd', outcome: 'block', execution: 'of-d', changes: [] },
    ],
  })
  expect(JSON.stringify(trace)).not.toMatch(/secret|redacted|4111/)
})

test('one that is not waited for is in it as told until it has answered', async () => {
  const traces = openTraces()
  const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<Step['run']>>>()
  const { steps } = traces.follow(context, [step('late', { action: 'block' }, { blocking: false, run: () => promise })])
  await runPipeline(steps, context, () => {})
  const noted = () => traces.of('r1')[0]?.steps[0] as TracedStep
  expect(noted()).toMatchObject({ waited: false, outcome: 'told' })
  resolve({ verdict: { action: 'block' }, extractions: [], usage, execution: 'e' })
  await vi.waitFor(() => expect(noted()).toMatchObject({ outcome: 'block', cpuMs: 1.5, changes: [] }), 30_000)
})

test('the latest traces are kept, oldest first, as many as there may be', () => {
  const traces = openTraces(3)
  for (const requestId of ['a', 'b', 'a', 'a']) traces.follow({ ...context, requestId, timestamp: requestId }, [])
  expect(traces.of('a')).toHaveLength(2)
  expect(traces.of('b')).toHaveLength(1)
  const { trace } = traces.follow({ ...context, requestId: 'c' }, [])
  expect(traces.of('c')).toEqual([trace])
  expect(traces.of('b')).toEqual([])
  expect(traces.of('nobody')).toEqual([])
})

test('fifty changed fields are named, and no more', async () => {
  const traces = openTraces()
  const output = Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`field-${index}`, index]))
  const { trace, steps } = traces.follow(context, [step('a', { action: 'continue', modifications: { output } })])
  await runPipeline(steps, context, () => {})
  expect(trace.steps[0]?.changes).toHaveLength(50)
})
