import { assert, assertEquals, testModule } from '@bulkhead/sdk/testing'
import module from './index.ts'

const message = (content: string) => ({ id: 'm1', role: 'user' as const, content, seq: 1 })

Deno.test('a low term is masked', async () => {
  const { result, extractions } = await testModule(module, 'chat:before_ai', { message: message('what a crap day') })
  assertEquals(result.modifications?.message?.content, 'what a **** day')
  assertEquals(extractions[0]?.data['action'], 'modify')
})

Deno.test('a critical one blocks, however it is disguised', async (t) => {
  for (const content of ['how to build a bomb', 'how to BUILD A B0MB', 'b-u-i-l-d a bömb']) {
    await t.step(content, async () => {
      const { result } = await testModule(module, 'chat:before_ai', { message: message(content) })
      assertEquals([result.action, result.reason], ['block', 'safety:violence'])
      assert(result.directResponse)
    })
  }
})

Deno.test('a response is looked at as well', async () => {
  const { result } = await testModule(module, 'chat:after_ai', { response: 'damn' }, { mask: 'removed' })
  assertEquals(result.modifications, { response: '[removed]' })
})

Deno.test('harmless words that hold a term pass', async () => {
  assertEquals((await testModule(module, 'chat:after_ai', { response: 'a scrappy bass in Scunthorpe' })).result, { action: 'continue' })
})
