import { refusal } from './errors.guest.ts'
import { DateOf, isArray, parse, slice, stringify, uncurry } from './primordials.guest.ts'

// PostgreSQL's text of values, and back. Types are known by the numbers that PostgreSQL gives its own.

const BytesOf = Uint8Array
const BigIntOf = BigInt
const isoOf = uncurry(Date.prototype.toISOString)
const codeAt = uncurry(String.prototype.charCodeAt)
const DIGITS = '0123456789abcdef'
const SAFE = 2 ** 53 - 1
const MAX_DEPTH = 16

/** Types whose text is not the value, by their numbers. */
const READERS: Record<number, (text: string) => unknown> = {
  16: (text) => text === 't',
  17: bytesOf,
  20: (text) => (+text <= SAFE && +text >= -SAFE ? +text : BigIntOf(text)),
  21: (text) => +text,
  23: (text) => +text,
  26: (text) => +text,
  114: (text) => parse(text),
  700: (text) => +text,
  701: (text) => +text,
  1184: dateOf,
  3802: (text) => parse(text),
}

/** Arrays, by the number of the array's type: that of its items. */
const ARRAYS: Record<number, number> = {
  199: 114, 1000: 16, 1001: 17, 1003: 19, 1005: 21, 1007: 23, 1009: 25, 1014: 1042, 1015: 1043, 1016: 20, 1021: 700, 1022: 701,
  1028: 26, 1041: 869, 1115: 1114, 1182: 1082, 1183: 1083, 1185: 1184, 1187: 1186, 1231: 1700, 2951: 2950, 3807: 3802,
}

/** A value as the server wrote it, as what it is to JavaScript. */
export function readSql(type: number, written: string | null): unknown {
  if (written === null) return null
  const items = ARRAYS[type]
  if (items !== undefined) return readArray(written, items)
  const read = READERS[type]
  return read === undefined ? written : read(written)
}

/** A parameter as JSON: null, text for the server to read, or a list. @throws InvalidData */
export function writeSql(value: unknown): string {
  if (isArray(value)) return listText(value, 0)
  const written = textOf(value)
  return written === null ? 'null' : stringify(written)
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return '' + value
  if (value instanceof DateOf) return isoOf(value)
  if (value instanceof BytesOf) return hexOf(value)
  const json = stringify(value) as string | undefined
  if (json === undefined) throw refusal('INVALID', `cannot send the parameter, it is a ${typeof value}`)
  // What JSON writes as a string (a Temporal.Instant) is meant as that string.
  return json[0] === '"' ? (parse(json) as string) : json
}

function listText(list: readonly unknown[], depth: number): string {
  if (depth >= MAX_DEPTH) throw refusal('INVALID', `cannot send the parameter, it is nested deeper than ${MAX_DEPTH}`)
  let items = ''
  for (let i = 0; i < list.length; i++) items += (i > 0 ? ',' : '') + itemText(list[i], depth)
  return '[' + items + ']'
}

function itemText(item: unknown, depth: number): string {
  if (isArray(item)) return listText(item, depth + 1)
  if (typeof item === 'boolean') return '' + item
  if (typeof item === 'number' && item - item === 0) return '' + item
  const plain = typeof item === 'object' && item !== null && !(item instanceof DateOf) && !(item instanceof BytesOf)
  if (plain) return stringify(item)
  const written = textOf(item)
  return written === null ? 'null' : stringify(written)
}

/** `2026-07-01 10:20:30.123456+00`; sessions are in UTC. What a Date cannot be stays text. */
function dateOf(written: string): Date | string {
  const { length } = written
  if (length < 22 || written[4] !== '-' || written[10] !== ' ' || slice(written, length - 3) !== '+00') return written
  return new DateOf(slice(written, 0, 10) + 'T' + slice(written, 11, length - 3) + 'Z')
}

function bytesOf(written: string): Uint8Array {
  const bytes = new BytesOf((written.length - 2) / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = digitAt(written, 2 + 2 * i) * 16 + digitAt(written, 3 + 2 * i)
  return bytes
}

function digitAt(hex: string, at: number): number {
  const code = codeAt(hex, at)
  return code < 58 ? code - 48 : code - 87
}

function hexOf(bytes: Uint8Array): string {
  let hex = '\\x'
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    hex += (DIGITS[byte >> 4] as string) + (DIGITS[byte & 15] as string)
  }
  return hex
}

/** `{1,NULL,"a \"b\"",{…}}`; where indexes do not begin at 1, `[0:1]={…}`. */
function readArray(written: string, type: number): unknown {
  let at = 0
  while (written[at] !== '{') at++
  const readList = (): unknown[] => {
    const list: unknown[] = []
    at++
    while (written[at] !== '}') {
      if (written[at] === ',') at++
      list[list.length] = written[at] === '{' ? readList() : readItem()
    }
    at++
    return list
  }
  const readItem = (): unknown => {
    if (written[at] === '"') return readSql(type, readQuoted())
    const from = at
    while (written[at] !== ',' && written[at] !== '}') at++
    const item = slice(written, from, at)
    return item === 'NULL' ? null : readSql(type, item)
  }
  const readQuoted = (): string => {
    let item = ''
    for (at++; written[at] !== '"'; at++) {
      if (written[at] === '\\') at++
      item += written[at]
    }
    at++
    return item
  }
  return readList()
}
