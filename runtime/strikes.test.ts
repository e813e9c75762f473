import { expect, test } from 'vitest'
import { createStrikes } from './strikes.ts'

test('the first failure restarts at once, the next after 1 s·2ⁿ, the fifth within a minute disables', () => {
  const strikes = createStrikes()
  expect([0, 1_000, 3_000, 7_000, 15_000].map(strikes.note)).toEqual([0, 1_000, 2_000, 4_000, undefined])
})

test('failures older than a minute do not count', () => {
  const strikes = createStrikes()
  for (let at = 0; at < 10; at++) expect(strikes.note(at * 60_000)).toBe(0)
})

test('clearing them starts over', () => {
  const strikes = createStrikes()
  strikes.note(0)
  strikes.note(1)
  strikes.clear()
  expect([strikes.count, strikes.note(2)]).toEqual([0, 0])
})
