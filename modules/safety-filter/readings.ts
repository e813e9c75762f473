import { gapsOf, type Gap } from './gaps.ts'
import { glyphsOf, type Glyph } from './glyphs.ts'
import { STAND_INS, STROKES } from './lookalikes.ts'

/** A letter or digit, lower-case, as often as it stands there in a row: `count` is 2 for the l of "hello". */
export interface Run {
  char: string
  count: number
  start: number
  end: number
  gap: Gap
  /** Made of signs alone, which may as well be punctuation. */
  sign: boolean
}

/**
 * The ways in which a text may be read: as it stands, and where there is anything that stands for a letter, with that
 * letter in its place; where a stroke may be an i or an l, once with each. Each is made when it is asked for.
 *
 * Words such as the Russian "рот" would read as English ones. So a word all of whose letters look like ours is taken
 * for ours only where it is mixed with them, or nothing shows that the text `isForeign`.
 */
export function* readingsOf(text: string, isForeign: boolean): Generator<Run[]> {
  const glyphs = glyphsOf(text)
  yield plainReading(text, glyphs)
  const hasStroke = glyphs.some(({ char }) => STROKES.has(char))
  if (hasStroke || glyphs.some(({ char, resembles }) => resembles || STAND_INS.has(char))) {
    yield runsOf(text, glyphs, undisguise(glyphs, 'i', isForeign))
  }
  if (hasStroke) yield runsOf(text, glyphs, undisguise(glyphs, 'l', isForeign))
}

/** The text as it stands, but for case, accents and spaced-out words. */
export function plainReading(text: string, glyphs = glyphsOf(text)): Run[] {
  const letters = glyphs.filter(({ sign }) => !sign)
  return runsOf(text, letters, letters.map(({ char }) => char))
}

/** What each glyph may stand for. */
function undisguise(glyphs: Glyph[], stroke: 'i' | 'l', isForeign: boolean): string[] {
  const chars: string[] = []
  for (let first = 0, next = 0; first < glyphs.length; first = next) {
    let isOurs = !isForeign
    do {
      isOurs ||= isLatin(glyphs[next])
      next++
    } while (next < glyphs.length && !isApart(glyphs, next))
    for (let i = first; i < next; i++) {
      const { char = '', resembles } = glyphs[i] ?? {}
      if (STROKES.has(char)) chars.push(stroke)
      else chars.push((isOurs && resembles) || (STAND_INS.get(char) ?? char))
    }
  }
  return chars
}

function isLatin(glyph: Glyph | undefined): boolean {
  return glyph !== undefined && /[a-z]|\p{Script=Latin}/u.test(glyph.char)
}

/** Whether anything lies between a glyph and the one before it; those of one ligature share their place. */
function isApart(glyphs: Glyph[], i: number): boolean {
  return (glyphs[i]?.start ?? 0) > (glyphs[i - 1]?.end ?? 0)
}

function runsOf(text: string, glyphs: Glyph[], chars: string[]): Run[] {
  const gaps = gapsOf(text, glyphs, chars)
  const runs: Run[] = []
  let last: Run | undefined
  glyphs.forEach(({ start, end, sign }, i) => {
    const char = chars[i] ?? ''
    const gap = gaps[i] ?? 'break'
    if (last?.char === char && gap === 'none') {
      last.count++
      last.end = end
      last.sign &&= sign
    } else {
      last = { char, count: 1, start, end, gap, sign }
      runs.push(last)
    }
  })
  return runs
}
