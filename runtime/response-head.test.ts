import { expect, test } from 'vitest'
import { checkResponseHead, endToEnd } from './response-head.ts'

const head = (headers: unknown, status: unknown = 200) => ({ status, statusText: 'OK', headers })

test('a head of one response is passed on, without what is said of the connection', () => {
  const given = head([['Content-Type', 'text/plain'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['Connection', 'close, X-Own'], ['x-own', '1'], ['content-length', '5'], ['transfer-encoding', 'chunked']])
  expect(checkResponseHead(given).headers).toEqual([['content-type', 'text/plain'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']])
})

test('nothing in a head begins another header or another response', () => {
  for (const [name, value] of [['x', 'a\r\nset-cookie: b'], ['x', 'a\nb'], ['x', 'a\0'], ['x\r\ny', 'a'], ['x y', 'a'], ['', 'a'], ['x:', 'a'], ['x', 'ā']]) {
    expect(() => checkResponseHead(head([[name, value]])), `${name} ${value}`).toThrow(/cannot send the response of the module/)
  }
  expect(checkResponseHead({ ...head([]), statusText: 'OK\r\nx: y' }).statusText).toBe('')
})

test('a hostile cell sends no head that is none', () => {
  for (const given of [null, 'text', {}, head('x'), head([null]), head([['a']]), head([['a', 1]]), head([], 101), head([], 99), head([], 600), head([], '200'), head([], 200.5)]) {
    expect(() => checkResponseHead(given)).toThrow(/cannot send the response/)
  }
})

test('a head has up to 100 headers and 16 KiB', () => {
  const many = (count: number) => head(Array.from({ length: count }, (_, n) => [`x-${n}`, 'v']))
  expect(checkResponseHead(many(100)).headers).toHaveLength(100)
  expect(() => checkResponseHead(many(101))).toThrow('may have 100')
  expect(checkResponseHead(head([['x', 'v'.repeat(16 * 1024 - 1)]])).headers).toHaveLength(1)
  expect(() => checkResponseHead(head([['x', 'v'.repeat(16 * 1024)]]))).toThrow('may have 16384')
})

test('what a request says of its connection is not passed on either', () => {
  expect(endToEnd([['Host', 'a'], ['TE', 'trailers'], ['Upgrade', 'h2c'], ['Connection', 'upgrade, x-secret'], ['X-Secret', '1']])).toEqual([['host', 'a']])
})
