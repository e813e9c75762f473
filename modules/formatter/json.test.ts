import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatJson } from './json.ts'

describe('formatJson', () => {
  it.each<[text: string, formatted: string]>([
    ['1', '1'],
    ['{}', '{}'],
    ['[ ]', '[]'],
    ['{"a":1}', '{\n  "a": 1\n}'],
    ['[1,[],{"b":null}]', '[\n  1,\n  [],\n  {\n    "b": null\n  }\n]'],
    ['{"a":1,"a":2}', '{\n  "a": 1,\n  "a": 2\n}'],
    ['[1.0, 1e400, 12345678901234567890]', '[\n  1.0,\n  1e400,\n  12345678901234567890\n]'],
    ['"a{,}:[\\"]\\\\"', '"a{,}:[\\"]\\\\"'],
    [' \n{ "a" :\ttrue }\r\n', '{\n  "a": true\n}'],
  ])('lays %j out', (text, formatted) => {
    expect(formatJson(text, 2)).toBe(formatted)
  })

  it.each(['', '{', "{'a':1}", '[1,]', 'NaN', '1 2'])('refuses %j', (text) => {
    expect(() => formatJson(text, 2)).toThrow(SyntaxError)
  })

  it('writes what JSON.stringify would, whatever the value and the indent', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 1, max: 8 }), (value, indent) => {
        const text = JSON.stringify(value)
        expect(formatJson(text, indent)).toBe(JSON.stringify(JSON.parse(text), null, indent))
      }),
    )
  })
})
