import { assertEquals, testModule } from '@bulkhead/sdk/testing'
import module from './index.ts'

const startedAt = new Date('2026-01-01T10:00:00Z')

function say(content: string, minute: number, id: string, config = {}) {
  const context = {
    timestamp: new Date(startedAt.getTime() + minute * 60_000),
    session: { id, state: 'active' as const, startedAt, messageCount: 1 },
    message: { id: 'm1', role: 'user' as const, content, seq: 1 },
  }
  return testModule(module, 'chat:on_message', context, config)
}

Deno.test('three indicators within five minutes are an episode, which is told once', async () => {
  const told = []
  for (const minute of [1, 2, 3, 4]) told.push((await say('I am stuck', minute, 'once')).extractions.length)
  assertEquals(told, [0, 0, 1, 0])
})

Deno.test('those of a longer time are none', async () => {
  for (const minute of [1, 4, 7, 10]) assertEquals((await say('I am stuck', minute, 'slow')).extractions, [])
})

Deno.test('the threshold is the configuration’s', async () => {
  assertEquals((await say('I am stuck', 1, 'eager', { threshold: 1 })).extractions.length, 1)
})

Deno.test('ordinary talk is no indicator', async () => {
  for (const content of ['hello', 'thank you', 'what is the capital of France?']) {
    assertEquals((await say(content, 1, 'calm', { threshold: 1 })).extractions, [])
  }
})
