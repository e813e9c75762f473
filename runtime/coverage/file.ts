import { around, type FunctionCounts, innermost, type Range } from './counts.ts'
import { originOf, type Region } from './regions.ts'

/** How often each part of a file ran; 0 where it never did. */
export interface FileCoverage {
  /** By number, from 1. */
  lines: Map<number, number>
  /** Those that have a name, by line and name. */
  functions: Map<string, number>
  /** By the function and the line they are in, and their number there. */
  branches: Map<string, number>
}

// The rules are those of `deno coverage` (2.9), so that the figures are hers: cli/tools/coverage/mod.rs of denoland/deno.

/** What was counted in a region, in the lines of its file. */
export function coverageOf(region: Region, functions: readonly FunctionCounts[]): FileCoverage {
  const lines = new Map<number, number>()
  const ranges = functions.flatMap((one) => one.ranges)
  const never = (some: readonly Range[]) => some.filter(({ count }) => count === 0)
  const idle = { functions: never(functions.flatMap(({ ranges: [whole] }) => whole ?? [])), blocks: never(functions.flatMap((one) => one.ranges.slice(1))) }
  for (const { start, end, origins } of region.lines) {
    if (origins.length === 0) continue
    const count = lineCount(start, end, ranges, idle)
    for (const line of new Set(origins.map((origin) => origin.line))) lines.set(line, Math.max(lines.get(line) ?? 0, count))
  }
  const ofFile: FileCoverage = { lines, functions: new Map(), branches: new Map() }
  for (const { name, ranges: [whole, ...blocks] } of functions) {
    const line = whole && originOf(region, whole.start)
    if (!whole || (name !== '' && line === undefined)) continue
    const key = `${line ?? 0}:${name}`
    if (name !== '') ofFile.functions.set(unused(ofFile.functions, key), whole.count)
    for (const [place, counts] of branchesOf(region, whole, blocks)) {
      for (const [number, count] of counts.entries()) ofFile.branches.set(unused(ofFile.branches, `${key}:${place}:${number}`), count)
    }
  }
  return ofFile
}

/** As often as the smallest block around all of the line; not at all where its beginning or its end is of what never ran. */
function lineCount(start: number, end: number, ranges: readonly Range[], idle: { functions: readonly Range[]; blocks: readonly Range[] }): number {
  const reaches = (range: Range) => range.start < end && range.end > start && (range.start <= start || range.end >= end)
  // A block that goes on in other lines leaves the line of its braces to the condition in it.
  const isShort = (block: Range) => block.start >= start && block.end <= end
  const neverRan = idle.functions.some(reaches) || idle.blocks.some((block) => isShort(block) && reaches(block))
  return neverRan ? 0 : (innermost(ranges, start, end)?.count ?? 0)
}

/** V8 names one arm of a branch where the other may be told from what is around it. A block that repeats is no arm. */
function branchesOf(region: Region, whole: Range, blocks: readonly Range[]): Map<number, number[]> {
  const byLine = new Map<number, Range[]>()
  for (const block of blocks) {
    const line = originOf(region, block.start)
    if (line !== undefined) byLine.set(line, [...(byLine.get(line) ?? []), block])
  }
  const branches = new Map<number, number[]>()
  for (const [line, [first, ...more]] of byLine) {
    if (!first) continue
    const outer = around([whole, ...blocks], first)?.count ?? whole.count
    const isRepeated = first.count > outer
    branches.set(line, more.length > 0 || isRepeated ? [first, ...more].map(({ count }) => count) : [first.count, outer - first.count])
  }
  return branches
}

/** Two functions of one name may stand in one line. */
function unused(counts: ReadonlyMap<string, number>, key: string): string {
  return counts.has(key) ? unused(counts, `${key}'`) : key
}

function add<Key>(counts: Map<Key, number>, key: Key, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count)
}

/** The counts of a file that was bundled in more than one way. */
export function joinCoverage(ways: readonly FileCoverage[]): FileCoverage {
  const joined: FileCoverage = { lines: new Map(), functions: new Map(), branches: new Map() }
  for (const { lines, functions, branches } of ways) {
    for (const [line, count] of lines) add(joined.lines, line, count)
    for (const [key, count] of functions) add(joined.functions, key, count)
    for (const [key, count] of branches) add(joined.branches, key, count)
  }
  return joined
}
