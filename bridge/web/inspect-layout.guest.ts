import type { InspectContext } from './inspect.guest.ts'
import { removeColors } from './inspect-text.guest.ts'

// How Deno, as Node before it, lays the parts of an object out over lines.

/** Between two entries: ', '. */
const SEPARATOR = 2
const HEIGHT_OF_A_CHARACTER = 2.5
const MOST_COLUMNS = 15
const FEWEST_GROUPED = 7

export interface Parts {
  output: string[]
  base: string
  braces: [string, string]
  isArray: boolean
  value: object
  level: number
}

/** The parts of an object on one line where they fit and it is not too deep, else on a line each. */
export function layOut(context: InspectContext, { output, base, braces, isArray, value, level }: Parts): string {
  const lead = base === '' ? '' : `${base} `
  const { compact } = context
  let lines = output
  if (typeof compact === 'number' && compact >= 1) {
    if (isArray && output.length >= FEWEST_GROUPED) lines = group(context, output, value)
    if (context.currentDepth - level < compact && lines.length === output.length) {
      const start = output.length + context.indentation + braces[0].length + base.length + 10
      const joined = output.join(', ')
      if (fits(context, output, start, base) && !joined.includes('\n')) return `${lead}${braces[0]} ${joined} ${braces[1]}`
    }
  }
  const indentation = `\n${' '.repeat(context.indentation)}`
  const comma = context.trailingComma && compact !== true ? ',' : ''
  return `${lead}${braces[0]}${indentation}  ${lines.join(`,${indentation}  `)}${comma}${indentation}${braces[1]}`
}

function fits(context: InspectContext, output: string[], start: number, base: string): boolean {
  let total = output.length + start
  if (total + output.length > context.breakLength) return false
  for (const part of output) {
    total += (context.colors ? removeColors(part) : part).length
    if (total > context.breakLength) return false
  }
  return base === '' || !base.includes('\n')
}

/** More than six entries of an array, in columns. */
function group(context: InspectContext, output: string[], value: object): string[] {
  const hasMore = output.length > context.iterableLimit
  const count = hasMore ? output.length - 1 : output.length
  const lengths = output.slice(0, count).map((part) => (context.colors ? removeColors(part) : part).length)
  const longest = Math.max(...lengths)
  const total = lengths.reduce((sum, length) => sum + length + SEPARATOR, 0)
  const widest = longest + SEPARATOR
  if (widest * 3 + context.indentation >= context.breakLength || (total / widest <= 5 && longest > 6)) return output
  const bias = Math.max(widest - 3 - Math.sqrt(widest - total / output.length), 1)
  const columns = Math.min(
    Math.round(Math.sqrt(HEIGHT_OF_A_CHARACTER * bias * count) / bias),
    Math.floor((context.breakLength - context.indentation) / widest),
    (context.compact as number) * 4,
    MOST_COLUMNS,
  )
  if (columns <= 1) return output
  const widths: number[] = []
  for (let column = 0; column < columns; column++) {
    let width = 0
    for (let at = column; at < count; at += columns) width = Math.max(width, lengths[at] as number)
    widths.push(width + SEPARATOR)
  }
  const isNumeric = output.every((_, at) => at >= count || ['number', 'bigint'].includes(typeof (value as unknown[])[at]))
  const rows: string[] = []
  for (let from = 0; from < count; from += columns) {
    const to = Math.min(from + columns, count)
    let row = ''
    for (let at = from; at < to; at++) {
      const part = output[at] as string
      const isLast = at === to - 1
      const width = (widths[at - from] as number) + part.length - (lengths[at] as number)
      if (isNumeric) row += isLast ? part.padStart(width - SEPARATOR) : `${part}, `.padStart(width)
      else row += isLast ? part : `${part}, `.padEnd(width)
    }
    rows.push(row)
  }
  if (hasMore) rows.push(output[count] as string)
  return rows
}
