import { expect, test } from 'vitest'
import { didYouMean, nearest } from './nearest.ts'

const hooks = ['chat:before_ai', 'chat:after_ai', 'session:start']

test.each([
  ['chat:befor_ai', 'chat:before_ai'],
  ['chat:beofre_ai', 'chat:before_ai'],
  ['Chat:After_AI', 'chat:after_ai'],
  ['session:strat', 'session:start'],
  ['session:start', 'session:start'],
  ['sesion-strt', 'session:start'],
  ['sesion-st', undefined],
  ['run', undefined],
  ['x', undefined],
  ['', undefined],
])('the word nearest to %j is %j', (word, expected) => {
  expect(nearest(word, hooks)).toBe(expected)
})

test('a single letter allows no mistake, a short word one, a long one three', () => {
  expect(nearest('b', ['a'])).toBeUndefined()
  expect(nearest('A', ['a'])).toBe('a')
  expect(nearest('emt', ['emit'])).toBe('emit')
  expect(nearest('et', ['emit'])).toBeUndefined()
  expect(nearest('abcdefghixxx', ['abcdefghijkl'])).toBe('abcdefghijkl')
  expect(nearest('abcdefghxxxx', ['abcdefghijkl'])).toBeUndefined()
})

test('words of more than 64 characters are not compared', () => {
  expect(nearest('x'.repeat(64), ['x'.repeat(63)])).toBe('x'.repeat(63))
  expect(nearest('x'.repeat(65), ['x'.repeat(64)])).toBeUndefined()
  expect(nearest('x'.repeat(64), ['x'.repeat(65)])).toBeUndefined()
})

test('the end of a message is empty where nothing is near', () => {
  expect(didYouMean('chat:befor_ai', hooks)).toBe(', did you mean "chat:before_ai"?')
  expect(didYouMean('nothing', hooks)).toBe('')
})
