import { BulkheadError } from '../bridge/errors.ts'
import { depthOf, endOfString, MAX_DEPTH } from '../bridge/json.ts'

/** A whole escape, or one character that may not be in a JSON text as it is. */
const ESCAPE_OR_FAULT = /\\(?:["\\\/bfnrt]|u[\dA-Fa-f]{4})|[\p{Cc}--[\x7f-\x9f]]|\\/gv

/** A letter of `__proto__` that is written as an escape. */
const ESCAPED_LETTER = /\\u00(?:5f|6f|7[024])/i

/**
 * Parses the JSON text of a request.
 *
 * @throws BulkheadError `BAD_REQUEST`: the text is no JSON (with line, column and offset of the first fault, in UTF-16
 * units), is nested deeper than 64, or has a key `__proto__`, which would reach a prototype if it were ever assigned
 * @example parseJson('{"a": }') // throws: the body is no JSON: a value is expected at line 1, column 7, found "}"
 */
export function parseJson(text: string): unknown {
  if (depthOf(text) > MAX_DEPTH) {
    throw new BulkheadError('BAD_REQUEST', `the body is nested deeper than ${MAX_DEPTH} objects and arrays`)
  }
  try {
    return mayNamePrototype(text) ? JSON.parse(text, refusePrototype) : JSON.parse(text)
  } catch (thrown) {
    throw thrown instanceof BulkheadError ? thrown : notJson(text)
  }
}

/** The reviver is slow, and only a text with these characters can have the key. */
function mayNamePrototype(text: string): boolean {
  return text.includes('__proto__') || (text.includes('\\u00') && ESCAPED_LETTER.test(text))
}

function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new BulkheadError('BAD_REQUEST', 'the body has a key "__proto__", which is refused')
  return value
}

function notJson(text: string): BulkheadError {
  const fault = firstFault(text)
  if (!fault) return new BulkheadError('BAD_REQUEST', 'the body is no JSON')
  const { at, expected } = fault
  const before = text.slice(0, at)
  const line = before.split('\n').length
  const column = at - before.lastIndexOf('\n')
  const found = at < text.length ? JSON.stringify(String.fromCodePoint(text.codePointAt(at)!)) : 'the end'
  const message = `the body is no JSON: ${expected} is expected at line ${line}, column ${column}, found ${found}`
  return new BulkheadError('BAD_REQUEST', message, { line, column, offset: at })
}

/** Where a text stops being JSON. V8 says so in some of its messages only. */
function firstFault(text: string): { at: number; expected: string } | undefined {
  let at = 0
  let fault: { at: number; expected: string } | undefined
  const expect = (ok: boolean, expected: string): boolean => {
    if (!ok) fault ??= { at, expected }
    return ok
  }
  const space = () => {
    while (/[ \t\n\r]/.test(text.charAt(at))) at++
  }
  const skip = (character: string, expected: string): boolean => {
    space()
    const ok = expect(text[at] === character, expected)
    if (ok) at++
    return ok
  }
  const literal = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
  const value = (): boolean => {
    space()
    if (text[at] === '{') return list('}', () => string('a key in double quotes') && skip(':', '":"') && value())
    if (text[at] === '[') return list(']', value)
    if (text[at] === '"') return string('a text')
    literal.lastIndex = at
    const ok = expect(literal.test(text), 'a value')
    if (ok) at = literal.lastIndex
    return ok
  }
  const list = (closer: string, item: () => boolean): boolean => {
    at++
    space()
    if (text[at] === closer) return skip(closer, '')
    for (;;) {
      if (!item()) return false
      space()
      if (text[at] === closer) return skip(closer, '')
      if (!skip(',', `"," or "${closer}"`)) return false
    }
  }
  const string = (expected: string): boolean => {
    space()
    if (!expect(text[at] === '"', expected)) return false
    const end = endOfString(text, at)
    for (const { index, 0: part } of text.slice(at, end).matchAll(ESCAPE_OR_FAULT)) {
      if (part.length > 1) continue
      at += index
      return expect(false, part === '\\' ? 'a known escape such as \\n' : 'an escape in place of the control character')
    }
    at = end
    return skip('"', 'the quote that ends the text')
  }
  if (value()) {
    space()
    expect(at === text.length, 'nothing more')
  }
  return fault
}
