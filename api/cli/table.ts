import truncated from 'fast-string-truncated-width'

/** Where a table goes: `columns` is undefined where nothing has to fit, as in a file or a pipe. */
export interface Canvas {
  columns: number | undefined
  colours: boolean
}

type Row = Readonly<Record<string, unknown>>

const GAP = '  '
/** A column as narrow as this, such as one of times, is shown whole or not at all. */
const WHOLE = 20
/** A wider one tells nothing where it is narrower than this. */
const LEAST = 14
/** A text column as wide as this is read without effort; wider only where there is room. */
const AMPLE = 40

/**
 * A table without borders: a column for each field, those that hold nothing left out. Where a terminal is too narrow,
 * texts are shortened with …, and then the columns that are widest are left out and named in `hidden`; so are, anywhere,
 * those of things that have much in them.
 *
 * @example tableOf([{ name: 'a', size: 1 }], { columns: 80, colours: false }).text // 'NAME  SIZE\na        1\n'
 */
export function tableOf(rows: readonly Row[], canvas: Canvas): { text: string; hidden: string[] } {
  const all = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const fields = all
    .map((field) => columnOf(field, rows))
    .filter(({ cells, field }) => field === all[0] || cells.some((cell) => cell !== ''))
  const shown = fitting(fields.filter(({ deep, width }) => !deep || width <= AMPLE), canvas.columns)
  const hidden = fields.filter((column) => !shown.some(({ field }) => field === column.field)).map(({ field }) => field)
  const heading = shown.map(({ title, width, right }, index) => style(aligned(title, width, right, index === shown.length - 1), '1', canvas))
  const lines = rows.map((_, row) =>
    shown.map(({ cells, width, right }, index) => {
      const cell = cells[row] as string
      return style(aligned(cell, width, right, index === shown.length - 1), TONES[cell], canvas)
    }),
  )
  return { text: [heading, ...lines].map((cells) => `${cells.join(GAP).trimEnd()}\n`).join(''), hidden }
}

/** One thing: a line for each field, and a table below for each list of things in it. */
export function sheetOf(thing: Row, canvas: Canvas): string {
  const entries = Object.entries(flat(thing)).filter(([, value]) => value !== undefined)
  const lists = entries.filter((entry): entry is [string, Row[]] => isList(entry[1]) && entry[1].length > 0)
  // What a thing within does not have is not told of.
  const plain = entries.filter(([name, value]) => !lists.some(([list]) => list === name) && !(name.includes('.') && textOf(value) === ''))
  const width = Math.max(0, ...plain.map(([name]) => widthOf(name)))
  const lines = plain.map(([name, value]) => {
    const text = textOf(value).replaceAll('\n', `\n${' '.repeat(width)}${GAP}`)
    return `${style(padded(printable(name), width), '1', canvas)}${GAP}${style(text, TONES[text], canvas)}`.trimEnd()
  })
  const tables = lists.map(([name, rows]) => `\n${style(printable(name), '1', canvas)}\n${tableOf(rows, canvas).text}`)
  return lines.map((line) => `${line}\n`).join('') + tables.join('')
}

/** The words that tell at a glance how something is, as terminals colour them. */
const TONES: Readonly<Record<string, string>> = {
  ready: '32', ok: '32', healthy: '32', idle: '36', starting: '33', waiting: '33', stopping: '33', warn: '33', upgrade_pending: '33',
  error: '31', failed: '31', unhealthy: '31', disabled: '2', debug: '2',
}

interface Column {
  field: string
  title: string
  cells: string[]
  width: number
  right: boolean
  /** Whether there are things in it, other than errors. */
  deep: boolean
}

function columnOf(field: string, rows: readonly Row[]): Column {
  const values = rows.map((row) => row[field])
  const cells = values.map((value) => textOf(value).replaceAll('\n', ' '))
  const title = printable(field).replace(/([a-z0-9])([A-Z])/g, '$1 $2').toUpperCase()
  const right = values.some((value) => typeof value === 'number') && values.every((value) => typeof value === 'number' || value === null || value === undefined)
  const deep = values.some((value) => [value].flat().some((one) => isThing(one) && !('code' in one && 'message' in one)))
  return { field, title, cells, width: Math.max(widthOf(title), ...cells.map(widthOf)), right, deep }
}

/** The first column says what a row is about, and stays; of the others, the narrow ones stay longest. */
function fitting(columns: readonly Column[], room: number | undefined): Column[] {
  if (room === undefined) return [...columns]
  const [first, ...others] = columns
  if (!first) return []
  const least = (column: Column) => (column === first ? Math.min(column.width, AMPLE, room) : column.width <= WHOLE ? column.width : Math.max(LEAST, widthOf(column.title)))
  const wanted = (column: Column) => Math.min(column.width, AMPLE)
  const rank = (column: Column) => (column.cells.every((cell) => /^(true|false)?$/.test(cell)) ? WHOLE : wanted(column))
  const kept = new Set([first])
  let used = least(first)
  for (const column of others.toSorted((a, b) => rank(a) - rank(b))) {
    if (used + GAP.length + least(column) > room) continue
    kept.add(column)
    used += GAP.length + least(column)
  }
  const widths = new Map(columns.filter((column) => kept.has(column)).map((column) => [column, least(column)]))
  for (const most of [wanted, (column: Column) => column.width]) {
    for (const [column, width] of widths) {
      const more = Math.min(most(column) - width, room - used)
      if (more <= 0) continue
      widths.set(column, width + more)
      used += more
    }
  }
  return [...widths].map(([column, width]) => ({ ...column, width }))
}

function aligned(text: string, width: number, right: boolean, last: boolean): string {
  const cut = shortened(text, width)
  if (right) return ' '.repeat(width - widthOf(cut)) + cut
  return last ? cut : padded(cut, width)
}

export function widthOf(text: string): number {
  return truncated(text).width
}

function shortened(text: string, width: number): string {
  const { index, ellipsed, truncated: cut } = truncated(text, { limit: width, ellipsis: '…', ellipsisWidth: 1 })
  return ellipsed ? `${text.slice(0, index)}…` : cut ? text.slice(0, index) : text
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

function style(text: string, code: string | undefined, { colours }: Canvas): string {
  return colours && code !== undefined && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text
}

/** Things in things, as fields with dots. */
function flat(thing: Row, prefix = ''): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(thing).flatMap(([name, value]) => (isThing(value) && Object.keys(value).length > 0 ? Object.entries(flat(value, `${prefix}${name}.`)) : [[`${prefix}${name}`, value] as const])),
  )
}

function isThing(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: unknown): value is Row[] {
  return Array.isArray(value) && value.every(isThing)
}

/** A value in one cell. An error is its code and message; what else is nested is as in JSON, without its quotes. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return printable(MOMENT.test(value) ? `${value.slice(0, 19)}Z` : value)
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return value.map((one) => (isThing(one) ? `{${textOf(one)}}` : textOf(one))).join(', ')
  const { code, message } = value as Row
  if (typeof code === 'string' && typeof message === 'string') return printable(`${code}: ${message}`)
  return Object.entries(value).map(([name, inner]) => `${printable(name)}: ${isThing(inner) ? `{${textOf(inner)}}` : textOf(inner)}`).join(', ')
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

/** What modules write is shown, not obeyed: no control sequence reaches the terminal. Line ends stay. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    if (character === '\n' || character === '\u200d') return character // the latter joins emoji
    return character === '\t' ? ' ' : `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`
  })
}
