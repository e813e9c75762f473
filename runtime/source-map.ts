/** A source map for looking up. It takes 20 bytes a mapping; that of Node's own `SourceMap` takes 150. */
export interface Mappings {
  sources: readonly string[]
  /** In the order of the code: its line and column, the source's index or -1, and line and column there, from 0. */
  rows: Int32Array
}

/** Numbers of a row. */
export const FIELDS = 5
const DIGITS = new Int8Array(128).fill(-1)
for (const [value, digit] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  DIGITS[digit.charCodeAt(0)] = value
}
const [COMMA, SEMICOLON] = [44, 59]

/**
 * Reads a source map (ECMA-426) of one file. What is no source map maps nothing.
 *
 * @example decodeMappings('{"version":3,"sources":["a.ts"],"names":[],"mappings":"AAAA"}')
 */
export function decodeMappings(map: string): Mappings {
  try {
    const { sources, mappings } = JSON.parse(map) as { sources: string[]; mappings: string }
    return { sources, rows: rowsOf(mappings) }
  } catch {
    return { sources: [], rows: new Int32Array(0) }
  }
}

/** Where a position of the code, counted from 1, comes from; undefined where nothing of its line is mapped up to it. */
export function findOriginal(
  { sources, rows }: Mappings,
  line: number,
  column: number,
): { source: string; line: number; column: number } | undefined {
  let low = 0
  let high = rows.length / FIELDS
  while (low < high) {
    const middle = (low + high) >>> 1
    const at = middle * FIELDS
    const isBefore = rows[at]! < line - 1 || (rows[at] === line - 1 && rows[at + 1]! <= column - 1)
    if (isBefore) low = middle + 1
    else high = middle
  }
  const at = (low - 1) * FIELDS
  const source = sources[rows[at + 2] ?? -1]
  if (rows[at] !== line - 1 || source === undefined) return undefined
  return { source, line: rows[at + 3]! + 1, column: rows[at + 4]! + 1 }
}

function rowsOf(mappings: string): Int32Array {
  let separators = 0
  for (let index = 0; index < mappings.length; index++) {
    const code = mappings.charCodeAt(index)
    if (code === COMMA || code === SEMICOLON) separators++
  }
  const rows = new Int32Array((separators + 1) * FIELDS)
  // Of a segment: column, source, line, column, name. All but the column go on counting from line to line.
  const fields = [0, 0, 0, 0, 0]
  let [end, line, field, value, shift] = [0, 0, 0, 0, 0]
  for (let index = 0; index <= mappings.length; index++) {
    const code = index < mappings.length ? mappings.charCodeAt(index) : SEMICOLON
    if (code !== COMMA && code !== SEMICOLON) {
      const digit = DIGITS[code] ?? -1
      if (digit < 0) throw new TypeError('not a source map')
      value |= (digit & 31) << shift
      shift += 5
      if (digit & 32) continue
      if (field < FIELDS) fields[field] = fields[field]! + (value & 1 ? -(value >>> 1) : value >>> 1)
      field++
      value = shift = 0
      continue
    }
    if (field > 0) {
      rows.set([line, fields[0]!, field >= 4 ? fields[1]! : -1, fields[2]!, fields[3]!], end)
      end += FIELDS
    }
    field = value = shift = 0
    if (code === SEMICOLON) {
      line++
      fields[0] = 0
    }
  }
  return rows.subarray(0, end)
}
