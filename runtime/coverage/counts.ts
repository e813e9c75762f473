import { BulkheadError } from '../../bridge/errors.ts'

/** How often a stretch of a script ran, in characters from its start. */
export interface Range {
  start: number
  end: number
  count: number
}

/** What V8 counted of a function: the first range is the function itself, the others are blocks within. */
export interface FunctionCounts {
  name: string
  ranges: Range[]
}

/**
 * Reads what a cell says was counted. The module's code may have had its own way with the cell: what is not of this form
 * is refused, and what is may be untrue, which deceives nobody but the module's author.
 *
 * @throws MODULE_FAILED
 * @example readCounts('[["f",0,20,1,8,18,0]]') // [{ name: 'f', ranges: [{ start: 0, end: 20, count: 1 }, { start: 8, … }] }]
 */
export function readCounts(text: string): FunctionCounts[] {
  const functions = parsed(text)
  if (!Array.isArray(functions)) throw unreadable()
  return functions.map((one: unknown) => {
    if (!Array.isArray(one) || typeof one[0] !== 'string' || one.length < 4 || one.length % 3 !== 1) throw unreadable()
    const [name, ...numbers] = one as [string, ...number[]]
    if (!numbers.every((value) => Number.isSafeInteger(value) && value >= 0)) throw unreadable()
    const ranges: Range[] = []
    for (let at = 0; at < numbers.length; at += 3) ranges.push({ start: numbers[at]!, end: numbers[at + 1]!, count: numbers[at + 2]! })
    return { name, ranges }
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw unreadable()
  }
}

function unreadable(): BulkheadError {
  return new BulkheadError('MODULE_FAILED', 'the coverage cannot be read, its cell did not tell it in the form of coverage')
}

/**
 * The counts of several runs of the same text together. V8 names a block only where it ran as often as what is around it
 * did not; the others of that run count as what is around them.
 */
export function sumCounts(runs: ReadonlyArray<readonly FunctionCounts[]>): FunctionCounts[] {
  const byPlace = Map.groupBy(runs.flat(), ({ name, ranges: [whole] }) => `${whole?.start} ${whole?.end} ${name}`)
  return [...byPlace.values()].map((same) => {
    const places = new Map(same.flatMap(({ ranges }) => ranges.map(({ start, end }) => [`${start} ${end}`, { start, end }])))
    const ordered = [...places.values()].toSorted((a, b) => a.start - b.start || b.end - a.end)
    const sums = ordered.map(({ start, end }) => ({ start, end, count: same.reduce((sum, one) => sum + (innermost(one.ranges, start, end)?.count ?? 0), 0) }))
    return { name: same[0]!.name, ranges: joined(sums) }
  })
}

/** As Deno has them: no block that ran as often as what is around it, and one block where two that ran as often meet. */
function joined(ranges: readonly Range[]): Range[] {
  const kept = ranges.filter((range) => around(ranges, range)?.count !== range.count)
  const blocks: Range[] = []
  for (const block of kept) {
    const before = blocks.findLast(({ end }) => end === block.start)
    if (before?.count === block.count && around(kept, before) === around(kept, block)) before.end = block.end
    else blocks.push({ ...block })
  }
  return blocks
}

/** The smallest range around another one; none is around itself. */
export function around(ranges: readonly Range[], range: Range): Range | undefined {
  return innermost(ranges.filter((other) => other.start < range.start || other.end > range.end), range.start, range.end)
}

/** The smallest range around a stretch. */
export function innermost(ranges: readonly Range[], start: number, end: number): Range | undefined {
  let best: Range | undefined
  for (const range of ranges) {
    const isAround = range.start <= start && range.end >= end
    if (isAround && (!best || range.end - range.start < best.end - best.start)) best = range
  }
  return best
}
