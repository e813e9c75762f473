import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { depthOf, MAX_DEPTH } from '../bridge/json.ts'
import { parseJson } from './json.ts'

function refusal(text: string): BulkheadError {
  try {
    parseJson(text)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(BulkheadError)
    return thrown as BulkheadError
  }
  throw new Error(`accepted ${text}`)
}

describe('parsing the JSON of a request', () => {
  it.each([
    ['', 'a value is expected at line 1, column 1, found the end'],
    ['{"a": }', 'a value is expected at line 1, column 7, found "}"'],
    ['{"a": 1,}', 'a key in double quotes is expected at line 1, column 9, found "}"'],
    ['{\n  "a": 1\n  "b": 2\n}', '"," or "}" is expected at line 3, column 3, found "\\""'],
    ["{'a': 1}", 'a key in double quotes is expected at line 1, column 2, found "\'"'],
    ['{"a" 1}', '":" is expected at line 1, column 6, found "1"'],
    ['[1, 2', '"," or "]" is expected at line 1, column 6, found the end'],
    ['{} {}', 'nothing more is expected at line 1, column 4, found "{"'],
    ['[01]', '"," or "]" is expected at line 1, column 3, found "1"'],
    ['["a\\x"]', 'a known escape such as \\n is expected at line 1, column 4, found "\\\\"'],
    ['["a\nb"]', 'an escape in place of the control character is expected at line 1, column 4, found "\\n"'],
    ['["abc', 'the quote that ends the text is expected at line 1, column 6, found the end'],
    ['[😀]', 'a value is expected at line 1, column 2, found "😀"'],
  ])('says where %j stops being JSON', (text, why) => {
    expect(refusal(text).message).toBe(`the body is no JSON: ${why}`)
    expect(refusal(text).code).toBe('BAD_REQUEST')
  })

  it('agrees with JSON.parse on what is JSON, and always has a place for what is not', () => {
    const characters = fc.string({ unit: fc.constantFrom(...'{}[]",:\\u0015e+-.tfn \n\t\u0001é'), maxLength: 12 })
    const broken = fc.tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.nat(3), characters)
    const texts = broken.map(([text, at, length, put]) => {
      const start = at % (text.length + 1)
      return text.slice(0, start) + put + text.slice(start + length)
    })
    fc.assert(
      fc.property(fc.oneof(fc.json(), characters, texts), (text) => {
        let expected: unknown
        try {
          expected = JSON.parse(text)
        } catch {
          const { line, column, offset } = refusal(text).details as Record<string, number>
          expect(text.split('\n')[line! - 1]!.length).toBeGreaterThanOrEqual(column! - 1)
          expect(offset).toBeLessThanOrEqual(text.length)
          return
        }
        if (!text.includes('__proto__')) expect(parseJson(text)).toEqual(expected)
      }),
      { numRuns: 3000 },
    )
  })

  it('takes the deepest nesting allowed and refuses one more, brackets in texts not counted', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    expect(() => parseJson(nested(MAX_DEPTH))).not.toThrow()
    expect(refusal(nested(MAX_DEPTH + 1)).message).toBe('the body is nested deeper than 64 objects and arrays')
    expect(refusal('['.repeat(1_000_000)).code).toBe('BAD_REQUEST')
    expect(parseJson(JSON.stringify(['\\"'.repeat(500), '[{'.repeat(500)]))).toHaveLength(2)
  })

  it('refuses the key __proto__ however it is written, and only as a key', () => {
    expect(refusal('{"a": {"__proto__": {"polluted": true}}}').code).toBe('BAD_REQUEST')
    for (const escaped of ['\\u005f_proto__', '_\\u005Fproto__', '__\\u0070roto__', '__p\\u0072oto__', '__pr\\u006Fto__', '__pro\\u0074o__']) {
      expect(refusal(`{"${escaped}": 1}`).code).toBe('BAD_REQUEST')
    }
    expect(parseJson('{"a": "__proto__"}')).toEqual({ a: '__proto__' })
  })
})

it('a text is as deep as its brackets outside of strings say, whatever it is', () => {
  const stepByStep = (text: string): number => {
    let depth = 0
    let deepest = 0
    let inString = false
    for (let at = 0; at < text.length; at++) {
      if (text[at] === '"') inString = !inString
      else if (inString && text[at] === '\\') at++
      else if (!inString && '{['.includes(text[at]!)) deepest = Math.max(deepest, ++depth)
      else if (!inString && '}]'.includes(text[at]!)) depth--
    }
    return deepest
  }
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'{}[]"\\a'), maxLength: 60 }), (text) => void expect(depthOf(text)).toBe(stepByStep(text))), { numRuns: 3000 })
  expect(depthOf('"\\'.repeat(500_000))).toBe(0)
})
