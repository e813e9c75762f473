import type { Glyph } from './glyphs.ts'

/**
 * What lies before a glyph: nothing, so that it continues a word; a space or the like, which the words of a phrase may
 * have between them; more, which parts phrases; or the closed space of a spaced-out word beside a letter that may be a
 * word of its own, as in "I d.a.m.n".
 */
export type Gap = 'none' | 'space' | 'break' | 'soft'

const MAX_GAP = 4 // characters, spaces in a row counting as one
const MIN_SPACED_LETTERS = 3
const WORDS_OF_ONE_LETTER = 'aiury'

/** What lies before each glyph, read as `chars`, the gaps between the letters of spaced-out words closed. */
export function gapsOf(text: string, glyphs: Glyph[], chars: string[]): Gap[] {
  const between = glyphs.map(({ start }, i) => betweenOf(text, glyphs[i - 1]?.end ?? 0, start))
  const gaps = between.map((gap): Gap => (gap === '' ? 'none' : gap === undefined ? 'break' : 'space'))
  gaps[0] = 'break'

  // Single letters only, and the same between all of them: "I am", "he'll" and "to.do" are words as they stand.
  const isSingle = (i: number) => gaps[i] !== 'none' && gaps[i + 1] !== 'none'
  const reach = (first: number) => {
    let last = first
    if (!isSingle(first)) return last
    while (gaps[last + 1] === 'space' && between[last + 1] === between[first + 1] && isSingle(last + 1)) last++
    return last
  }
  for (let first = 0; first < glyphs.length; ) {
    let last = reach(first)
    // In "u r d.a.m.n" the d belongs to what follows it more closely.
    const isTighter = between[last]?.includes(' ') && !between[last + 1]?.includes(' ')
    if (last > first && isTighter && reach(last) - last + 1 >= MIN_SPACED_LETTERS) last--
    if (last - first + 1 >= MIN_SPACED_LETTERS) closeGaps(chars, gaps, first, last)
    // The second of two may be the first of more.
    first = last - first === 1 ? last : last + 1
  }
  return gaps
}

/** What is written between two places; undefined if that is too much for one phrase. */
function betweenOf(text: string, from: number, to: number): string | undefined {
  if (to <= from) return ''
  if (to - from > 4 * MAX_GAP) return undefined
  const gap = text.slice(from, to).replace(/\p{Cf}/gu, '').replace(/\s+/g, ' ')
  return gap.length <= MAX_GAP ? gap || ' ' : undefined
}

function closeGaps(chars: string[], gaps: Gap[], first: number, last: number): void {
  const isWord = (i: number) => WORDS_OF_ONE_LETTER.includes(chars[i] ?? ' ')
  gaps.fill('none', first + 1, last + 1)
  for (let i = first; i < last && isWord(i); i++) gaps[i + 1] = 'soft'
  for (let i = last; i > first && isWord(i); i--) gaps[i] = 'soft'
}
