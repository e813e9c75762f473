const LONGEST_COMPARED = 64

/**
 * The known word closest to a misspelt one, if any is close enough to be what was meant: about a third of its
 * characters wrong, and no more than three. Words over 64 characters are not compared.
 *
 * @example nearest('chat:befor_ai', ['chat:before_ai', 'chat:after_ai']) // 'chat:before_ai'
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > LONGEST_COMPARED) return undefined
  let best: string | undefined
  let allowed = Math.min(3, Math.floor((word.length + 1) / 3))
  for (const candidate of known) {
    if (candidate.length > LONGEST_COMPARED || Math.abs(candidate.length - word.length) > allowed) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance > allowed) continue
    best = candidate
    allowed = distance - 1
    if (allowed < 0) break
  }
  return best
}

/**
 * The end of an error message about an unknown word; empty where nothing is close.
 *
 * @example didYouMean('emt', ['emit', 'log']) // ', did you mean "emit"?'
 */
export function didYouMean(word: string, known: Iterable<string>): string {
  const guess = nearest(word, known)
  return guess === undefined ? '' : `, did you mean "${guess}"?`
}

/** Insertions, deletions, replacements and swaps of neighbours, each counted as one. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, beforeLast[column - 2]! + 1)
      }
      current.push(cost)
    }
    beforeLast = last
    last = current
  }
  return last[b.length]!
}
