import { assertEquals } from '@bulkhead/sdk/testing'
import { find, keep, openBook } from './book.ts'
import module from './index.ts'

Deno.test('what others publish is found in the history', () => {
  module.topics['bus.**']({ v: 1, id: 'm1', at: '2026-01-01T10:00:00.000Z', topic: 'bus.orders.created', from: 'shop', data: { id: 'o1' } })
  const { history, topics } = module.getService()
  const [event] = history({ topic: 'bus.orders.*' })
  assertEquals([event?.from, event?.data], ['shop', { id: 'o1' }])
  assertEquals(topics(), { 'bus.orders.created': 1 })
})

Deno.test('the oldest events are forgotten first', () => {
  const book = openBook()
  for (const data of [1, 2, 3]) keep(book, { topic: 'bus.a', from: 'a', data }, 0, 2)
  assertEquals(find(book, {}).map(({ data }) => data), [2, 3])
})
