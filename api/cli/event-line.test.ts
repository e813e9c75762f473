import { expect, test } from 'vitest'
import { lineOf } from './event-line.ts'

test.each([
  ['log', { id: '5', createdAt: '2026-01-31T09:30:00.000Z', level: 'warn', module: 'a', message: 'hot', data: { at: 5 } }, '2026-01-31T09:30:00Z warn a: hot {"at":5}'],
  ['module.ready', { at: '2026-01-31T09:30:00.000Z', module: 'a', version: '1.0.0' }, '2026-01-31T09:30:00Z module.ready a:'],
  ['module.status', { type: 'module.status', module: 'a', status: 'error', code: 'BUSY' }, 'module.status a: status=error code=BUSY'],
  [undefined, 'plain\u001b[2Jtext\nmore', 'plain\\u001b[2Jtext more'],
])('%s is one line to read', (event, data, line) => {
  expect(lineOf(event, data, false)).toBe(`${line}\n`)
})

test('a level has its colour, and what a module wrote has none', () => {
  expect(lineOf('log', { level: 'error', module: 'a', message: '\u001b[32mred\u0000warn\u0001' }, true)).toBe('\u001b[31merror\u001b[0m a: \\u001b[32mred\\u0000warn\\u0001\n')
})
