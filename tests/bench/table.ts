/** One line of a table: what was measured, and its figures by name; the name ends in the unit, as in `p50 µs`. */
export interface Row {
  what: string
  figures: Record<string, number>
}

/** A figure that the project has promised to keep below a bound. */
export interface Promised {
  what: string
  value: number
  atMost: number
  unit: string
}

/** Prints a table for people, what became of the promises, and one line of JSON for every figure. */
export function report(bench: string, title: string, rows: readonly Row[], promises: readonly Promised[] = []): void {
  const columns = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))]
  const lines = [
    ['', ...columns],
    ...rows.map(({ what, figures }) => [what, ...columns.map((column) => shown(figures[column]))]),
  ]
  const widths = ['', ...columns].map((_, index) => Math.max(...lines.map((line) => (line[index] as string).length)))
  const aligned = lines.map((line) =>
    line.map((cell, index) => (index === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[index] as number))).join('  '),
  )
  const kept = promises.map(
    ({ what, value, atMost, unit }) => `${value <= atMost ? 'kept  ' : 'MISSED'}  ${what}: ${shown(value)} ${unit}, at most ${atMost} expected`,
  )
  const figures = rows.flatMap(({ what, figures }) =>
    Object.entries(figures).map(([figure, value]) => JSON.stringify({ bench, what, figure, value: rounded(value) })),
  )
  const promised = promises.map(({ what, value, atMost, unit }) =>
    JSON.stringify({ bench, what, figure: unit, value: rounded(value), atMost, kept: value <= atMost }),
  )
  process.stdout.write(`\n## ${title}\n\n${[...aligned, '', ...kept, '', ...figures, ...promised].join('\n')}\n`)
}

/** @param share between 0 and 1: 0.5 is the median; NaN where there are no values */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

function shown(value: number | undefined): string {
  if (value === undefined) return ''
  if (Number.isNaN(value)) return 'none'
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(rounded(value))
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
