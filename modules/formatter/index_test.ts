import { assertEquals, assertThrows, testModule } from '@bulkhead/sdk/testing'
import module from './index.ts'

const tool = (format?: object) => ({
  id: 't', name: 'Tool', type: 'product' as const, definition: { behavior: '', model: '', ...(format ? { meta: { format } } : {}) },
})
const output = { table: '|a|\n|-|', data: '{"a":1}', count: 1 }

Deno.test('the fields that the tool names are formatted', async () => {
  const { result } = await testModule(module, 'product:after_ai', { output, tool: tool({ table: 'markdown', data: 'json', count: 'json' }) })
  assertEquals(result.modifications?.output, { table: '| a   |\n| --- |', data: '{\n  "a": 1\n}', count: 1 })
})

Deno.test('nothing is changed of a tool that names none, nor what cannot be read', async () => {
  for (const format of [undefined, { data: 'yaml' }, { missing: 'json' }, { table: 'json' }]) {
    assertEquals((await testModule(module, 'product:after_ai', { output, tool: tool(format) })).result, { action: 'continue' })
  }
})

Deno.test('other modules may ask for a layout', () => {
  const { format } = module.getService()
  assertEquals(format({ text: '[1]', kind: 'json', indent: 4 }), '[\n    1\n]')
  assertThrows(() => format({ text: '{', kind: 'json' }))
  assertThrows(() => format({ text: '', kind: 'xml' as 'json' }), 'json, markdown')
})
