import { expect, test } from 'vitest'
import { storableJson, storableKey, storableText } from './storable.ts'

test.each([
  ['plain data', '{"a":[1,2.5,-3e10,"ü",true,null]}', '{"a":[1,2.5,-3e10,"ü",true,null]}'],
  ['a pair of escaped surrogates', String.raw`{"a":"\ud83d\ude00"}`, '{"a":"😀"}'],
  ['an escaped NUL', String.raw`{"a":"x\u0000y"}`, '{"a":"x\uFFFDy"}'],
  ['a NUL in a key', String.raw`{"\u0000":1}`, '{"\uFFFD":1}'],
  ['an escaped backslash before u0000', String.raw`{"a":"\\u0000"}`, String.raw`{"a":"\\u0000"}`],
  ['an escaped half of a pair', String.raw`{"a":"\ud800"}`, '{"a":"\uFFFD"}'],
  ['a raw half of a pair', '{"a":"\ud800"}', '{"a":"\uFFFD"}'],
  ['a number past every double', '{"a":1e400,"b":-1E+99999}', '{"a":null,"b":null}'],
  ['a number too small', '{"a":1e-99999}', '{"a":0}'],
  ['the largest double', '{"a":1.7976931348623157e308}', '{"a":1.7976931348623157e+308}'],
  ['a number of 300 digits and more', `{"a":${'9'.repeat(400)}}`, '{"a":null}'],
  ['a key __proto__', String.raw`{"__proto__":{"a":"\u0000"}}`, '{"__proto__":{"a":"\uFFFD"}}'],
])('%s is stored as PostgreSQL can hold it', (_what, text, stored) => {
  expect(storableJson(text)).toBe(stored)
})

test('data nested 512 deep is stored, one level more is refused', () => {
  const nested = (levels: number) => '['.repeat(levels) + `"${'['.repeat(2000)}"` + ']'.repeat(levels)
  expect(storableJson(nested(512))).toBe(nested(512))
  expect(() => storableJson(nested(513))).toThrow(expect.objectContaining({ code: 'INVALID' }))
})

test('data of 8 Mi characters is stored, one more is refused', () => {
  const long = (length: number) => `"${'x'.repeat(length - 2)}"`
  expect(storableJson(long(8 * 1024 * 1024))).toHaveLength(8 * 1024 * 1024)
  expect(() => storableJson(long(8 * 1024 * 1024 + 1))).toThrow(expect.objectContaining({ code: 'INVALID' }))
})

test('what is suspicious and no JSON is refused', () => {
  expect(() => storableJson(String.raw`{"a":"\u0000`)).toThrow(expect.objectContaining({ code: 'INVALID' }))
})

test('long runs of digits take no time that grows with their square', () => {
  const digits = `"${`${'1'.repeat(299)} `.repeat(20_000)}"`
  expect(storableJson(digits)).toBe(digits)
})

test('text loses NUL and halves of pairs, and nothing else', () => {
  expect(storableText('a\0b\ud800c😀')).toBe('a\uFFFDb\uFFFDc😀')
})

test('an indexed text of 512 bytes is stored, one byte more is refused', () => {
  expect(storableKey('type', 'ü'.repeat(256))).toHaveLength(256)
  expect(() => storableKey('type', `${'ü'.repeat(256)}x`)).toThrow('its type is longer than 512 bytes')
})
