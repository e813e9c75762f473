import { assertEquals, assertThrows } from '@bulkhead/sdk/testing'
import module from './index.ts'

const { csv } = module.getService()

Deno.test('rows become objects named by the header', () => {
  assertEquals(csv({ text: 'name,born\n"Lovelace, Ada",1815' }), [{ name: 'Lovelace, Ada', born: '1815' }])
})

Deno.test('what cannot be read is refused with its line', () => {
  assertThrows(() => csv({ text: 'a\n"b' }), 'line 2')
})
