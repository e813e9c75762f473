import { fieldsOf } from './scanner.ts'

export interface CsvOptions {
  /** One character; a comma unless given. */
  delimiter?: string
  /** Whether the first row names the columns, and the others are objects; so unless given. */
  header?: boolean
}

/** Characters of a text; what is made of it has to fit into the module's memory. */
export const MAX_LENGTH = 500_000

/**
 * Reads comma-separated values as RFC 4180 has them: fields in quotes may hold delimiters, line ends and doubled quotes.
 * Lines end in CR, LF or both; empty ones are passed over.
 *
 * @throws SyntaxError naming the line or the row; TypeError, RangeError for wrong arguments
 */
export function parseCsv(text: string, { delimiter = ',', header = true }: CsvOptions = {}): string[][] | Array<Record<string, string>> {
  if (typeof text !== 'string') throw new TypeError('cannot parse, the text is no string')
  if (text.length > MAX_LENGTH) throw new RangeError(`cannot parse, the text has ${text.length} characters and may have ${MAX_LENGTH}`)
  if (typeof delimiter !== 'string' || delimiter.length !== 1 || '"\r\n'.includes(delimiter)) {
    throw new TypeError('cannot parse, the delimiter is one character and neither a quote nor a line end')
  }
  const rows = rowsOf(text, delimiter)
  return header ? recordsOf(rows) : rows
}

function rowsOf(text: string, delimiter: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let begin = 0
  for (const field of fieldsOf(text, delimiter)) {
    const content = text.slice(field.begin, field.end)
    if (row.length === 0) begin = field.begin
    row.push(field.doubled ? content.replaceAll('""', '"') : content)
    if (!field.endsRow) continue
    // A quoted field that is empty begins behind its quote: such a line is not empty.
    const isEmpty = row.length === 1 && content === '' && text[begin - 1] !== '"'
    if (!isEmpty) rows.push(row)
    row = []
  }
  return rows
}

function recordsOf([names = [], ...rows]: string[][]): Array<Record<string, string>> {
  const twice = names.find((name, place) => names.indexOf(name) !== place)
  if (twice !== undefined) throw new SyntaxError(`cannot parse, two columns are named ${JSON.stringify(twice)}`)
  return rows.map((row, place) => {
    if (row.length === names.length) return Object.fromEntries(names.map((name, column) => [name, row[column] as string]))
    throw new SyntaxError(`cannot parse row ${place + 1}, it has ${row.length} fields and the header has ${names.length}`)
  })
}
