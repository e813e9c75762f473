import { BulkheadError } from '../../bridge/errors.ts'
import { depthOf } from '../../bridge/json.ts'

/** Deeper JSON is refused: PostgreSQL and V8 parse by recursion and give up at a few thousand. */
const DEPTH = 512
/** Of one record's data, in UTF-16 units. The caps on what a module may send lie far below. */
const UNITS = 8 * 1024 * 1024
/** Of a text that an index holds; an index entry has to fit into a third of a page. */
const KEY_BYTES = 512

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const LATEST = Date.UTC(9999, 0)

const INVALID_IN_JSONB = /\\u0000|\\u[dD][89a-fA-F]|\0/
/** Numbers that `numeric` cannot hold, or that a few characters blow up to 131,072 digits when read back. The look-behind keeps it linear. */
const LARGE_NUMBER = /\d[eE][+-]?\d{3}|(?<!\d)\d{300}/

/** What text a PostgreSQL column can hold: NUL and halves of surrogate pairs become U+FFFD. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}

/** The same, for a column that is indexed. @throws INVALID past 512 bytes */
export function storableKey(name: string, text: string): string {
  if (Buffer.byteLength(text) <= KEY_BYTES) return storableText(text)
  throw new BulkheadError('INVALID', `cannot store the record: its ${name} is longer than ${KEY_BYTES} bytes`)
}

/** What the host itself sets in a record; wrong only by a mistake of ours. @throws INVALID */
export function checkPlace(row: { id: string; execution: string | null; seq: number; createdAt: Date }): void {
  const isSeq = Number.isInteger(row.seq) && Math.abs(row.seq) < 2 ** 31
  const time = row.createdAt.getTime()
  if (UUID.test(row.id) && UUID.test(row.execution ?? row.id) && isSeq && time >= 0 && time < LATEST) return
  throw new BulkheadError('INVALID', 'cannot store the record: its id, execution, number or time is none')
}

/**
 * JSON text as `jsonb` can hold it: NUL and halves of surrogate pairs become U+FFFD, numbers beyond what JavaScript
 * holds become null, as `JSON.stringify` would have them.
 *
 * @throws INVALID for what is no JSON, nested deeper than 512, or longer than 8 Mi UTF-16 units
 * @example storableJson('{"a":"\\u0000"}') // '{"a":"\uFFFD"}'
 */
export function storableJson(text: string): string {
  if (text.length > UNITS) throw refusal(`longer than ${UNITS} characters`)
  if (text.length > 2 * DEPTH && depthOf(text) > DEPTH) throw refusal(`nested deeper than ${DEPTH}`)
  if (text.isWellFormed() && !INVALID_IN_JSONB.test(text) && !LARGE_NUMBER.test(text)) return text
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw refusal('no JSON')
  }
  return JSON.stringify(clean(value))
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(clean)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storableText(key), clean(inner)]))
}

function refusal(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot store the record: its data is ${why}`)
}
