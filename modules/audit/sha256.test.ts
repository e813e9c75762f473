import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { sha256 } from './sha256.ts'

it.each<[what: string, text: string]>([
  ['nothing', ''],
  ['three letters', 'abc'],
  ['a letter of two bytes', 'ä'],
  ['a letter of three bytes', '€'],
  ['a letter of four bytes', '𝐝'],
  ['half a letter', '\ud800'],
  ['half a letter between others', 'a\udc00b'],
  ['a zero', '\0'],
  // One byte less, as many and one more than what the padding of a block leaves room for.
  ...[54, 55, 56, 57, 63, 64, 65, 119, 120, 1000].map((length): [string, string] => [`${length} letters`, 'x'.repeat(length)]),
  ['60 KB', '€'.repeat(20_000)],
])('has the digest of %s that Node has', (_what, text) => {
  expect(sha256(text)).toBe(createHash('sha256').update(text).digest('hex'))
})
