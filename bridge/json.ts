/** Objects and arrays within each other that text from outside may hold: printing V8's way overflows at some thousands. */
export const MAX_DEPTH = 64

const [QUOTE, BACKSLASH, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [...'"\\[]{}'].map((character) =>
  character.charCodeAt(0),
)

/** How deep a text would be nested, were it JSON. Asked before parsing, as neither parsing nor printing is safe at any depth. */
export function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit === QUOTE) at = endOfString(text, at)
    else if (unit === OPEN_OBJECT || unit === OPEN_ARRAY) deepest = Math.max(deepest, ++depth)
    else if (unit === CLOSE_OBJECT || unit === CLOSE_ARRAY) depth--
  }
  return deepest
}

/**
 * The place of the quote that ends a string, or the text's end where none does. Searching is many times as fast as looking
 * at each character, and no character is looked at twice.
 */
export function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let before = at - 1
    while (text.charCodeAt(before) === BACKSLASH) before--
    if ((at - before) % 2 === 1) return at
  }
  return text.length
}

/**
 * The value of a JSON text from outside, which the host may print again.
 *
 * @throws SyntaxError where it is no JSON, RangeError where it is nested deeper than 64
 */
export function parseBounded(text: string): unknown {
  if (text.length > 2 * MAX_DEPTH && depthOf(text) > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH} objects and arrays`)
  return JSON.parse(text)
}
