import { LETTERS, SIGNS } from './lookalikes.ts'

/** One letter, digit or sign that may stand for a letter, and where it lies in the text. */
export interface Glyph {
  /** Lower-case. */
  char: string
  /** The letter of a to z that it looks like without being it. */
  resembles: string | undefined
  start: number
  /** Includes the accents and invisible characters that follow. */
  end: number
  sign: boolean
}

const MAX_PARTS = 3 // of one character, as in "ﬃ"; some characters stand for a whole sentence

/**
 * The glyphs of a text, in compatibility form: ligatures taken apart, full-width, circled and mathematical letters
 * made plain, accents and invisible characters dropped. What lies between two glyphs is what keeps words apart.
 */
export function glyphsOf(text: string): Glyph[] {
  const glyphs: Glyph[] = []
  const known = new Map<string, Part[]>()
  let at = 0
  for (const original of text) {
    const start = at
    at += original.length
    let parts = known.get(original)
    if (!parts) {
      parts = partsOf(original)
      known.set(original, parts)
    }
    for (const part of parts) {
      if (part === 'nothing') {
        const last = glyphs.at(-1)
        if (last?.end === start) last.end = at
      } else {
        glyphs.push({ ...part, start, end: at })
      }
    }
  }
  return glyphs
}

/** What a character adds to the glyphs; `nothing` leaves no gap, while no part at all is a gap. */
type Part = Pick<Glyph, 'char' | 'resembles' | 'sign'> | 'nothing'

function partsOf(original: string): Part[] {
  if (/[\p{M}\p{Cf}]/u.test(original)) return ['nothing']
  const plain = original.normalize('NFKD').replace(/\p{M}/gu, '')
  // Hangul would come apart into the strokes of its syllables.
  const isWhole = /\p{Script=Hangul}/u.test(original) || plain.length > MAX_PARTS * original.length
  return [...(isWhole ? original : plain)]
    .filter((char) => SIGNS.has(char) || /[\p{L}\p{Nd}]/u.test(char))
    .map((char) => ({
      char: char.toLowerCase(),
      resembles: LETTERS.get(char),
      sign: SIGNS.has(char),
    }))
}
