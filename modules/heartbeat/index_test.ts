import { assertEquals } from '@bulkhead/sdk/testing'
import module from './index.ts'

/** What a beat may do with the host: write, unless the store is away. */
function powers(isAway: boolean, told: unknown[]) {
  return {
    kv: { set: () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve()) },
    publish: async (_topic: string, data: unknown) => told.push(data),
    emit: async () => {},
  } as never
}

Deno.test('beats are recorded while it runs, and a change is told once', async () => {
  const { status, reset } = module.getService()
  const told: unknown[] = []
  const beat = (isAway: boolean) => module.jobs.beat(powers(isAway, told))
  await beat(false)
  assertEquals(status().beats, 0, 'it does not beat before it was started')
  module.start()
  for (const isAway of [false, false, true, true, false]) await beat(isAway)
  assertEquals(told, [{ healthy: false, reason: 'cannot write: away' }, { healthy: true, reason: null }])
  const { running, healthy, beats, unhealthy, history } = status({ limit: 2 })
  assertEquals([running, healthy, beats, unhealthy, history.length], [true, true, 5, 2, 2])
  reset()
  assertEquals([status().beats, status().healthy], [0, null])
  module.stop()
  assertEquals(module.healthCheck().healthy, false)
})
