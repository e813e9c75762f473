import { assertEquals, testModule } from '@bulkhead/sdk/testing'
import module from './index.ts'

const { snapshot, reset } = module.getService()
const at = new Date('2026-01-01T10:00:00Z')

const tell = (hook: string, said: object, event: string, config = {}) =>
  testModule(module, hook, { ...said, timestamp: at, event: { id: event, attempt: 1 } } as object, config)

Deno.test('heartbeats add up per agent, an event told twice once', async () => {
  reset()
  const meta = { tokensUsed: 100, costCents: 2, latencyMs: 80 }
  await tell('agent:heartbeat', { agentId: 'ann', meta }, 'e1')
  await tell('agent:heartbeat', { agentId: 'ann', meta }, 'e2')
  await tell('agent:heartbeat', { agentId: 'ann', meta }, 'e2')
  await tell('agent:heartbeat', { agentId: 'bob' }, 'e3')
  const { agents, hooks } = snapshot()
  assertEquals([agents['ann']?.count, agents['ann']?.tokens, agents['ann']?.costCents, agents['ann']?.durationMs?.mean], [2, 200, 4, 80])
  assertEquals([agents['bob']?.count, agents['bob']?.tokens, hooks['agent:heartbeat']?.count], [1, 0, 3])
})

Deno.test('what modules publish counts under the name that the host gives them', () => {
  reset()
  module.topics['metrics.*']({ v: 1, id: 'm1', at: '2026-01-01T10:00:00.000Z', topic: 'metrics.jobs', from: 'worker', data: { durationMs: 5, error: true } })
  module.topics['metrics.*']({ v: 1, id: 'm1', at: '2026-01-01T10:00:00.000Z', topic: 'metrics.jobs', from: 'worker', data: 'nonsense' })
  const { worker } = snapshot().modules
  assertEquals([worker?.count, worker?.errors, worker?.durationMs?.count], [2, 1, 1])
})

Deno.test('what it knows is handed on', async () => {
  reset()
  await tell('budget:spend_recorded', { agentId: 'ann', amount: 3, total: 3 }, 'e4')
  const carried = JSON.parse(JSON.stringify(module.getState()))
  module.state.clear()
  module.restoreState(carried)
  assertEquals(snapshot().agents['ann']?.spent, 3)
})

Deno.test('nothing is counted when it is switched off', async () => {
  reset()
  await tell('goal:created', { goal: { id: 'g' } }, 'e5', { enabled: false })
  assertEquals(snapshot().hooks, {})
})
