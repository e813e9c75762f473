import type { Span } from './search.ts'

export interface Folded {
  text: string
  /** Where a piece of the folded text lies in the original. */
  original(span: Span): Span
}

/**
 * The text in the one form that the searches know: digits of any script as 0 to 9, full-width forms, dashes and
 * spaces as their ASCII twins, invisible characters (zero-width, direction marks, soft hyphens) left out.
 */
export function fold(text: string): Folded {
  if (!/[^\0-\x7f]/.test(text)) return { text, original: (span) => span }
  const known = new Map<string, string>()
  const parts: string[] = []
  const offsets: number[] = []
  let at = 0
  for (const char of text) {
    const folded = known.get(char) ?? foldChar(char)
    known.set(char, folded)
    parts.push(folded)
    for (let i = 0; i < folded.length; i++) offsets.push(at + Math.min(i, char.length - 1))
    at += char.length
  }
  return {
    text: parts.join(''),
    original({ start, end }) {
      const last = offsets[end - 1] ?? 0
      return { start: offsets[start] ?? 0, end: last + ((text.codePointAt(last) ?? 0) > 0xffff ? 2 : 1) }
    },
  }
}

function foldChar(char: string): string {
  const code = char.codePointAt(0) ?? 0
  if (code < 0x80) return char
  if (code >= 0xff01 && code <= 0xff5e) return String.fromCharCode(code - 0xfee0)
  if (/\p{Nd}/u.test(char)) return digitOf(code)
  if (/[\p{Pd}\u2212]/u.test(char)) return '-'
  if (/\p{Zs}/u.test(char)) return ' '
  return /\p{Cf}/u.test(char) ? '' : char
}

/** Unicode lists decimal digits from 0 to 9 in unbroken tens, so those before a digit tell its value. */
function digitOf(code: number): string {
  let before = 0
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before++
  return String(before % 10)
}
