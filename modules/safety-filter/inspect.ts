import type { Category } from './categories.ts'
import { GENUINE } from './lookalikes.ts'
import { readingsOf } from './readings.ts'
import { findTerms, type Hit, type Place } from './terms.ts'

export type Mask = 'asterisks' | 'removed'

// In characters. A long text is read in pieces, so that its length costs time but no memory. They overlap, and of each
// what touches its edges is left to the other one: a term is missed there only if it is disguised beyond the overlap.
const PIECE = 50_000
const OVERLAP = 2_000
const EDGE = 20

/** What a text holds of the terms, in the order of the text; those of one category never overlap. */
export function inspect(text: string, terms: Place): Hit[] {
  const isForeign = GENUINE.test(text)
  const hits: Hit[] = []
  for (let from = 0; from === 0 || from + OVERLAP < text.length; from += PIECE - OVERLAP) {
    const to = from + PIECE
    for (const hit of inspectPiece(text.slice(from, to), terms, isForeign)) {
      const [start, end] = [hit.start + from, hit.end + from]
      const isWhole = (from === 0 || hit.start >= EDGE) && (to >= text.length || end <= to - EDGE)
      if (isWhole) hits.push({ ...hit, start, end })
    }
  }
  hits.sort((a, b) => a.start - b.start || b.end - a.end)

  const ends = new Map<Category, number>()
  return hits.filter(({ category, start, end }) => {
    const isApart = start >= (ends.get(category) ?? 0)
    if (isApart) ends.set(category, end)
    return isApart
  })
}

function inspectPiece(text: string, terms: Place, isForeign: boolean): Hit[] {
  const [plain = [], ...disguised] = readingsOf(text, isForeign).map((runs) => findTerms(runs, terms))
  const words = disguised.flat().filter((hit) => isWord(text, hit))
  return [...plain, ...words.map((hit) => withoutExclamation(text, hit))]
}

/** The text with something else in place of each hit. */
export function maskHits(text: string, hits: Hit[], mask: Mask): string {
  const parts: string[] = []
  let kept = 0
  for (const { start, end } of hits) {
    if (end <= kept) continue
    const from = Math.max(start, kept)
    parts.push(text.slice(kept, from), mask === 'removed' ? '[removed]' : '*'.repeat([...text.slice(from, end)].length))
    kept = end
  }
  return [...parts, text.slice(kept)].join('')
}

/** What reads as a word only because digits stand for letters must have as many letters as digits: 455 is a number. */
function isWord(text: string, { start, end }: Hit): boolean {
  const found = text.slice(start, end)
  const letters = found.match(/\p{L}/gu)?.length ?? 0
  return letters > 0 && letters >= (found.match(/\p{Nd}/gu)?.length ?? 0)
}

function withoutExclamation(text: string, hit: Hit): Hit {
  let end = hit.end
  while (text.charAt(end - 1) === '!') end--
  return { ...hit, end }
}
