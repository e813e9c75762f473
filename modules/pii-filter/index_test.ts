import { assertEquals, testModule } from '@bulkhead/sdk/testing'
import module from './index.ts'

const message = (content: string) => ({ id: 'm1', role: 'user' as const, content, seq: 1 })

Deno.test('an address in the message is replaced, and only its kind and number are kept', async () => {
  const { result, extractions } = await testModule(module, 'chat:before_ai', { message: message('I am ann@example.org') })
  assertEquals(result.modifications?.message, message('I am [EMAIL]'))
  assertEquals(extractions, [{ type: 'pii_detected', data: { location: 'message', counts: { email: 1 } } }])
})

Deno.test('so is one in the response', async () => {
  const { result } = await testModule(module, 'chat:after_ai', { response: 'Write to 10.0.0.1' })
  assertEquals(result.modifications, { response: 'Write to [IP]' })
})

Deno.test('what holds none passes', async (t) => {
  for (const content of ['version 10.0.1', '2026-01-31', '12,345.00 EUR', '550e8400-e29b-41d4-a716-446655440000']) {
    await t.step(content, async () => {
      assertEquals((await testModule(module, 'chat:before_ai', { message: message(content) })).result, { action: 'continue' })
    })
  }
})

Deno.test('kinds that the configuration leaves out pass', async () => {
  const { result } = await testModule(module, 'chat:after_ai', { response: 'a@example.org' }, { kinds: ['ip'] })
  assertEquals(result, { action: 'continue' })
})
