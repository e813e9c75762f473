/** A piece of a text: from `start`, up to and without `end`. */
export interface Span {
  start: number
  end: number
}

/** How many of a match's characters count, seen with a little of what comes after it; 0 for none. */
export type Accept = (match: string, after: string) => number

/**
 * The pattern's matches, none overlapping another. After one that is not accepted the search goes on one character
 * further, so a pattern that comes with an `accept` must match bounded lengths only.
 */
export function* search(
  text: string,
  pattern: RegExp,
  accept: Accept = (match) => match.length,
): Generator<Span> {
  const cursor = new RegExp(pattern)
  for (let found = cursor.exec(text); found; found = cursor.exec(text)) {
    const start = found.index
    const end = start + found[0].length
    const length = accept(found[0], text.slice(end, end + 20))
    if (length > 0) yield { start, end: start + length }
    cursor.lastIndex = start + (length || 1)
  }
}

/** The digits of a text. @example digitsOf('(415) 555') // '415555' */
export function digitsOf(text: string): string {
  return text.replace(/\D/g, '')
}
