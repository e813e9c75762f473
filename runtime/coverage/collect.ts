import type { Artifact } from '../bundle.ts'
import { type FunctionCounts, readCounts, sumCounts } from './counts.ts'
import { coverageOf, type FileCoverage, joinCoverage } from './file.ts'
import { countsWithin, formOf, type Region, regionsOf, sameIn } from './regions.ts'

/** How much of a file ran. */
export interface FileSummary {
  /** Relative to the module's folder. */
  file: string
  lines: Share
  functions: Share
  branches: Share
}

export interface Share {
  hit: number
  found: number
}

/** Gathers what ran of a folder's files in several bundles. */
export interface Collection {
  /**
   * @param counts what a cell told of the bundle
   * @throws MODULE_FAILED where it cannot be read
   */
  add(artifact: Artifact, counts: string): void
  /** By name. */
  files(): FileSummary[]
}

/** @example const coverage = collectCoverage(); coverage.add(artifact, await cell.coverage('test~1')); coverage.files() */
export function collectCoverage(): Collection {
  /** By file and form: one that is imported at run time is wrapped, and its places are not those of another bundle. */
  const regions = new Map<string, { region: Region; runs: FunctionCounts[][] }>()
  return {
    add(artifact, counts) {
      const functions = readCounts(counts)
      for (const region of regionsOf(artifact)) {
        const key = `${region.file}\n${formOf(region)}`
        const known = regions.get(key) ?? { region, runs: [] }
        known.runs.push(moved(countsWithin(region, functions), (offset) => sameIn(known.region, region, offset)))
        regions.set(key, known)
      }
    },
    files() {
      const byFile = Map.groupBy(regions.values(), ({ region }) => region.file)
      const summaries = [...byFile].map(([file, ways]) => summaryOf(file, joinCoverage(ways.map(({ region, runs }) => coverageOf(region, sumCounts(runs))))))
      return summaries.toSorted((a, b) => (a.file < b.file ? -1 : 1))
    },
  }
}

function moved(functions: readonly FunctionCounts[], to: (offset: number) => number): FunctionCounts[] {
  return functions.map(({ name, ranges }) => ({ name, ranges: ranges.map(({ start, end, count }) => ({ start: to(start), end: to(end), count })) }))
}

function summaryOf(file: string, { lines, functions, branches }: FileCoverage): FileSummary {
  return { file, lines: shareOf(lines), functions: shareOf(functions), branches: shareOf(branches) }
}

function shareOf(counts: ReadonlyMap<unknown, number>): Share {
  return { hit: [...counts.values()].filter((count) => count > 0).length, found: counts.size }
}
