import type { Category } from './categories.ts'
import { plainReading, type Run } from './readings.ts'

/** A term that was found, and where. */
export interface Hit {
  category: Category
  start: number
  end: number
}

/** A place in the tree of all terms: the categories of the term that ends here, and how terms go on. */
export interface Place {
  ends: Category[]
  /** By the next letter, and how often it stands there. */
  edges: Map<string, Place[]>
}

// English hardly ever doubles these, so two of them are as much of a disguise as three of any other.
const SELDOM_DOUBLED = 'ahijkquvwxy'
const SPACE = ' '

/** The terms of all categories as one tree, so that a text is read once, however many there are. */
export function plantTerms(categories: readonly Category[]): Place {
  const root: Place = { ends: [], edges: new Map() }
  for (const category of categories) {
    for (const term of category.terms) {
      // As it is; as typed in haste ("dont"); without its spaces, as it reads when all its letters are spaced out.
      const spellings = [term, term.replace(/['’]/g, ''), term.replace(/[^\p{L}\p{M}\p{N}]/gu, '')]
      for (const spelling of new Set(spellings)) plant(root, plainReading(spelling), category)
    }
  }
  return root
}

function plant(root: Place, runs: Run[], category: Category): void {
  if (runs.length === 0) return
  let place = root
  runs.forEach(({ char, count, gap }, i) => {
    if (i > 0 && (gap === 'space' || gap === 'break')) place = grow(place, SPACE, 1)
    place = grow(place, char, count)
  })
  if (!place.ends.includes(category)) place.ends.push(category)
}

function grow(place: Place, char: string, count: number): Place {
  const byCount = place.edges.get(char) ?? []
  place.edges.set(char, byCount)
  return (byCount[count] ??= { ends: [], edges: new Map() })
}

/** Every term in one reading of a text that begins and ends with a word. */
export function findTerms(runs: Run[], terms: Place): Hit[] {
  const hits: Hit[] = []
  for (let i = 0; i < runs.length; i++) {
    if (mayBegin(runs, i)) follow(runs, i, i, terms, hits)
  }
  return hits
}

function follow(runs: Run[], first: number, i: number, from: Place, hits: Hit[]): void {
  const [start, run, next] = [runs[first], runs[i], runs[i + 1]]
  if (!start || !run) return
  const byCount = from.edges.get(run.char)
  if (!byCount) return
  for (const count of countsOf(run)) {
    const place = byCount[count]
    if (!place) continue
    if (mayEnd(runs, i)) {
      for (const category of place.ends) hits.push({ category, start: start.start, end: run.end })
    }
    if (next?.gap === 'none' || next?.gap === 'soft') follow(runs, first, i + 1, place, hits)
    const spaced = next?.gap === 'space' ? place.edges.get(SPACE)?.[1] : undefined
    if (spaced) follow(runs, first, i + 1, spaced, hits)
  }
}

/** How many of a letter a term may have where the text has these: as many, or fewer if nobody would write so many. */
function countsOf({ char, count }: Run): number[] {
  if (count === 1) return [1]
  if (count === 2) return SELDOM_DOUBLED.includes(char) ? [2, 1] : [2]
  return count === 3 ? [3, 2, 1] : [count, 3, 2, 1]
}

// Scripts that put no spaces between words: in them a term may begin and end anywhere.
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u

function mayBegin(runs: Run[], i: number): boolean {
  return runs[i]?.gap !== 'none' || runs[i - 1]?.sign === true || isUnspaced(runs[i - 1]) || isUnspaced(runs[i])
}

function mayEnd(runs: Run[], i: number): boolean {
  const next = runs[i + 1]
  return !next || next.gap !== 'none' || next.sign || isUnspaced(runs[i]) || isUnspaced(next)
}

function isUnspaced(run: Run | undefined): boolean {
  return run !== undefined && run.char > '\u0e00' && UNSPACED.test(run.char)
}
