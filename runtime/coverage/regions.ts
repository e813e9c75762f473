import type { Artifact } from '../bundle.ts'
import { decodeMappings, FIELDS } from '../source-map.ts'
import { type FunctionCounts, innermost, type Range } from './counts.ts'

/** What of a bundle comes from one file of the module's author. */
export interface Region {
  /** Relative to the module's folder. */
  file: string
  /** Where it begins in the bundle, in characters. */
  start: number
  text: string
  lines: RegionLine[]
}

/** A line of the region: where it is in the text, and where its parts come from. */
export interface RegionLine {
  start: number
  end: number
  /** In the order of the columns. */
  origins: readonly Origin[]
}

interface Origin {
  /** Of the bundle's line, from 0. */
  column: number
  /** Of the file, from 1. */
  line: number
}

const CODE_FILE = /\.[cm]?[jt]sx?$/
/** As `deno coverage` leaves them out by default. */
const TEST_FILE = /test\.(js|mjs|ts|jsx|tsx)$/

/** The files of the author's own in a bundle, without tests and what holds no code. */
export function regionsOf({ code, map, inputs }: Artifact): Region[] {
  const own = new Set(inputs.filter((file) => CODE_FILE.test(file) && !TEST_FILE.test(file)))
  const { sources, rows } = decodeMappings(map)
  const codeLines = code.split('\n')
  const origins = new Map<string, Map<number, Origin[]>>()
  for (let at = 0; at < rows.length; at += FIELDS) {
    const [codeLine, column, source, line] = rows.subarray(at, at + FIELDS) as unknown as [number, number, number, number]
    const file = sources[source]
    if (file === undefined || !own.has(file)) continue
    const ofFile = origins.get(file) ?? new Map<number, Origin[]>()
    origins.set(file, ofFile)
    const ofLine = ofFile.get(codeLine) ?? []
    ofFile.set(codeLine, ofLine)
    ofLine.push({ column, line: line + 1 })
  }
  const starts = [0]
  for (const line of codeLines) starts.push(starts.at(-1)! + line.length + 1)
  return [...origins].map(([file, ofFile]) => {
    const [first, last] = [Math.min(...ofFile.keys()), Math.max(...ofFile.keys())]
    const start = starts[first]!
    const lines: RegionLine[] = []
    for (let index = first; index <= last; index++) {
      const lineStart = starts[index]! - start
      lines.push({ start: lineStart, end: lineStart + codeLines[index]!.length, origins: writtenOrigins(codeLines[index]!, ofFile.get(index) ?? []) })
    }
    return { file, start, text: codeLines.slice(first, last + 1).join('\n'), lines }
  })
}

/** esbuild begins each line with where the last one ended, unless something begins there: then it says so in front of the indentation. */
function writtenOrigins(line: string, origins: readonly Origin[]): readonly Origin[] {
  const indent = line.search(/\S/)
  const isCarried = indent > 0 && origins.some(({ column }) => column === indent)
  return isCarried ? origins.filter(({ column }) => column > 0) : origins
}

/** The line of the file that a place of the region comes from; undefined for what the author did not write. */
export function originOf({ lines }: Region, offset: number): number | undefined {
  const line = lines.find(({ start, end }) => start <= offset && offset <= end)
  return line?.origins.findLast(({ column }) => column <= offset - line.start)?.line
}

/** What two regions share whose places can be compared: they were made of the same, and may call it by other names. */
export function formOf({ lines }: Region): string {
  return lines.map(({ origins }) => origins.map(({ line }) => line).join(' ')).join('\n')
}

/** Where a place of a region is in another one of the same form, in which names may be longer or shorter. */
export function sameIn(other: Region, region: Region, offset: number): number {
  if (other.text === region.text) return offset
  const index = region.lines.findLastIndex(({ start }) => start <= offset)
  const [line, otherLine] = [region.lines[index], other.lines[index]]
  if (!line || !otherLine) return offset
  const next = line.origins.findIndex(({ column }) => column >= offset - line.start)
  // Names end where something begins, so that places are compared by what is behind them.
  const [from, to] = next < 0 ? [line.end, otherLine.end] : [line.start + line.origins[next]!.column, otherLine.start + otherLine.origins[next]!.column]
  return to - (from - offset)
}

/** What was counted in a region, its places in characters from the region's start; what is around it comes first, by no name. */
export function countsWithin({ start, text }: Region, functions: readonly FunctionCounts[]): FunctionCounts[] {
  const end = start + text.length
  const ranges = functions.flatMap((one) => one.ranges)
  const relative = (range: Range): Range => ({ start: range.start - start, end: range.end - start, count: range.count })
  const isWithin = (range: Range) => range.start >= start && range.end <= end
  const around = functions.filter(({ ranges: [whole] }) => whole !== undefined && !isWithin(whole))
  const blocks = around.flatMap((one) => one.ranges.filter(isWithin)).map(relative)
  const top = { name: '', ranges: [{ start: 0, end: text.length, count: innermost(ranges, start, end)?.count ?? 0 }, ...blocks] }
  const own = functions.filter(({ ranges: [whole] }) => whole !== undefined && isWithin(whole))
  return [top, ...own.map(({ name, ranges: ofOwn }) => ({ name, ranges: ofOwn.map(relative) }))]
}
