import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeKey, encodeKey, KEY_BYTES, type WirePart } from './kv-key.host.ts'

const bytes = (...values: number[]): WirePart => ({ b: Buffer.from(values).toString('base64') })
const big = (value: bigint): WirePart => ({ n: String(value) })

// In the order that Deno KV has them.
const ORDERED: WirePart[][] = [
  [bytes()],
  [bytes(0)],
  [bytes(0, 0)],
  [bytes(0, 1)],
  [bytes(1)],
  [bytes(255)],
  [''],
  ['\0'],
  ['\0a'],
  ['a'],
  ['a', 'a'],
  ['a', true],
  ['a\0'],
  ['aa'],
  ['b'],
  ['é'],
  ['\u{1f600}'],
  ...[-(2n ** 2039n), -(2n ** 64n), -(2n ** 64n) + 1n, -256n, -255n, -2n, -1n, 0n, 1n, 255n, 256n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 2039n].map((n) => [big(n)]),
  [{ d: '-NaN' }],
  [{ d: '-Infinity' }],
  [-1e300],
  [-1],
  [-5e-324],
  [{ d: '-0' }],
  [0],
  [5e-324],
  [0.5],
  [1],
  [2 ** 53],
  [{ d: 'Infinity' }],
  [{ d: 'NaN' }],
  [false],
  [true],
]

const anyPart = fc.oneof(
  fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0)),
  fc.boolean(),
  fc.bigInt().map(big),
  fc.uint8Array({ maxLength: 40 }).map((array) => bytes(...array)),
)

describe('an encoded key', () => {
  it('sorts as Deno KV sorts', () => {
    const encoded = ORDERED.map(encodeKey)
    expect(encoded.toSorted(Buffer.compare).map((key) => key.toString('hex'))).toEqual(encoded.map((key) => key.toString('hex')))
    expect(new Set(encoded.map((key) => key.toString('hex'))).size).toBe(ORDERED.length)
  })

  it('reads back as what it was', () => {
    fc.assert(fc.property(fc.array(anyPart, { minLength: 1, maxLength: 6 }), (key) => {
      expect(decodeKey(encodeKey(key))).toEqual(key)
    }))
    for (const key of ORDERED) expect(decodeKey(encodeKey(key))).toEqual(key)
  })

  it('has up to 2,048 bytes', () => {
    expect(encodeKey(['a'.repeat(KEY_BYTES - 2)])).toHaveLength(KEY_BYTES)
    expect(() => encodeKey(['a'.repeat(KEY_BYTES - 1)])).toThrow(expect.objectContaining({ code: 'SIZE_LIMIT' }))
    expect(() => encodeKey(['\0'.repeat(KEY_BYTES / 2)])).toThrow(expect.objectContaining({ code: 'SIZE_LIMIT' }))
  })

  it.each([[null], ['a'], [{}], [[null]], [[undefined]], [[{}]], [[[]]], [[{ n: '1e9' }]], [[{ n: '9'.repeat(700) }]], [[{ d: 'x' }]], [[{ d: 'constructor' }]]])(
    'is not made of %j',
    (key) => expect(() => encodeKey(key)).toThrow(expect.objectContaining({ code: 'INVALID' })),
  )
})
