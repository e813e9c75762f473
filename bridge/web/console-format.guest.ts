import { inspect, type InspectOptions } from './inspect.guest.ts'

// Console Standard, 2.2 and 2.3: the formatter and the printer, with the specifiers that Deno knows.

/** The line of a call of `console.log` and the like. */
export function formatLine(args: readonly unknown[], options: InspectOptions & { indentation?: number } = {}): string {
  const show = (value: unknown) => (typeof value === 'string' ? value : inspect(value, options))
  const [first, ...rest] = args
  if (typeof first !== 'string' || rest.length === 0) return args.map(show).join(' ')
  let next = 0
  const line = first.replace(/%([%sdifjoOc])/g, (specifier, kind: string) => {
    if (kind === '%') return '%'
    if (next >= rest.length) return specifier
    return convert(kind, rest[next++], options)
  })
  return [line, ...rest.slice(next).map(show)].join(' ')
}

function convert(kind: string, value: unknown, options: InspectOptions): string {
  if (kind === 's') return typeof value === 'string' ? value : typeof value === 'bigint' ? `${value}n` : Object.is(value, -0) ? '-0' : String(value)
  if (kind === 'd' || kind === 'i') return typeof value === 'bigint' ? `${value}n` : typeof value === 'symbol' ? 'NaN' : `${Number.parseInt(String(value), 10)}`
  if (kind === 'f') return typeof value === 'symbol' ? 'NaN' : `${Number.parseFloat(String(value))}`
  if (kind === 'j') return JSON.stringify(value) ?? 'undefined'
  return kind === 'c' ? '' : inspect(value, options)
}

type Row = Record<string, unknown>

/** The lines of `console.table`; undefined for what is no table. */
export function formatTable(data: unknown, columns?: readonly string[]): string | undefined {
  if (typeof data !== 'object' || data === null) return
  const show = (value: unknown) => inspect(value, { depth: 1, breakLength: Infinity })
  const [indexHead, rows] = rowsOf(data)
  const heads: string[] = []
  const cells: Row[] = []
  let hasValues = false
  const isMap = data instanceof Map
  for (const [, key, value] of rows) {
    const row: Row = {}
    if (isMap) row['Key'] = show(key)
    if (typeof value === 'object' && value !== null && !isMap) {
      for (const name of Object.keys(value)) {
        if (columns && !columns.includes(name)) continue
        row[` ${name}`] = show((value as Row)[name])
        if (!heads.includes(name)) heads.push(name)
      }
    } else {
      row['Values'] = show(value)
      hasValues = true
    }
    cells.push(row)
  }
  const names = columns ?? heads
  const table: string[][] = [[indexHead, ...rows.map(([index]) => index)]]
  if (isMap) table.push(['Key', ...cells.map((row) => (row['Key'] as string) ?? '')])
  for (const name of names) table.push([name, ...cells.map((row) => (row[` ${name}`] as string) ?? '')])
  if (hasValues) table.push(['Values', ...cells.map((row) => (row['Values'] as string) ?? '')])
  return drawn(table)
}

function rowsOf(data: object): [string, Array<[string, unknown, unknown]>] {
  if (data instanceof Map) return ['(iter idx)', Array.from(data as Map<unknown, unknown>, ([key, value], at) => [String(at), key, value])]
  if (data instanceof Set) return ['(iter idx)', Array.from(data as Set<unknown>, (value, at) => [String(at), at, value])]
  return ['(idx)', Object.keys(data).map((key) => [key, key, (data as Row)[key]])]
}

/** Columns of cells, the first of each its head; numbers stand to the right. */
function drawn(columns: string[][]): string {
  const widths = columns.map((cells) => Math.max(...cells.map(widthOf)) + 2)
  const rule = (left: string, middle: string, right: string) => left + widths.map((width) => '─'.repeat(width)).join(middle) + right
  const isNumeric = columns.map(([, ...cells]) => cells.every((cell) => /^(-?[\d.]+(e[+-]?\d+)?n?)?$/.test(cell)))
  const row = (at: number) =>
    `│${columns
      .map((cells, column) => {
        const cell = cells[at] as string
        const room = (widths[column] as number) - 2 - widthOf(cell)
        return at > 0 && isNumeric[column] ? ` ${' '.repeat(room)}${cell} ` : ` ${cell}${' '.repeat(room)} `
      })
      .join('│')}│`
  const [first = []] = columns
  const lines = [rule('┌', '┬', '┐'), row(0), rule('├', '┼', '┤')]
  for (let at = 1; at < first.length; at++) lines.push(row(at))
  return [...lines, rule('└', '┴', '┘')].join('\n')
}

/** Columns that a text takes in a terminal. */
function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(character) ? 2 : 1
  return width
}

export { inspect }
