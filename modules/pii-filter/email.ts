import { search, type Span } from './search.ts'

const LETTERS = '[\\p{L}\\p{M}\\p{N}]'
// Without the scripts that put no spaces between words: there a word beside an address is no part of it.
const SPACED_LETTERS = `[${LETTERS}--[${['Han', 'Hiragana', 'Katakana', 'Hangul', 'Thai', 'Lao', 'Khmer', 'Myanmar']
  .map((script) => `\\p{Script=${script}}`)
  .join('')}]]`

const QUOTED = new RegExp(`"[^"\\n]{1,64}"@${domainOf(LETTERS)}`, 'gv')
const SPACED = new RegExp(`${localPartOf(SPACED_LETTERS)}${domainOf(SPACED_LETTERS)}`, 'gv')
const OTHER = new RegExp(`${localPartOf(LETTERS)}${domainOf(LETTERS)}`, 'gv')

/** E-mail addresses, in three searches of which each takes up what the one before it has left. */
export const EMAIL_SEARCHES: ReadonlyArray<(text: string) => Iterable<Span>> = [QUOTED, SPACED, OTHER].map(
  (pattern) => (text: string) => (/@|%40/.test(text) ? search(text, pattern) : []),
)

/**
 * What stands before the domain, the `@` included, which in a link is `%40`. It begins at the first letter of a run
 * and nowhere else: each run is read once, however long it is.
 */
function localPartOf(letters: string): string {
  const marks = "._%+'\\-"
  return `(?=${letters})(?<=(?<![${letters}${marks}])[${marks}]*)[${letters}${marks}]+(?:@|%40)`
}

/** A domain of two labels or more; not `2x.png` of a picture's name, nor the version in `package@1.2.3-rc.one`. */
function domainOf(letters: string): string {
  return `(?!\\d+(?:x\\.|\\.\\d+\\.))(?:[${letters}\\-]+\\.)+(?:xn--[a-z0-9\\-]+|[${letters}--\\p{N}]{2,})`
}
