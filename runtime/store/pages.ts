import { BulkheadError } from '../../bridge/errors.ts'

export interface Page<Item> {
  items: Item[]
  /** Where the next page begins, or null at the end. */
  nextCursor: string | null
}

/** The place of a record in the order of all. */
export interface Place {
  createdAt: Date
  seq: number
  id: string
}

const LIMIT = 200
const DEFAULT = 50
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** A place as the opaque text that callers hand back. */
export function writeCursor({ createdAt, seq, id }: Place): string {
  return Buffer.from(JSON.stringify([createdAt.getTime(), seq, id])).toString('base64url')
}

/** @throws BAD_REQUEST for what `writeCursor` cannot have made */
export function readCursor(cursor: string): Place {
  const [time, seq, id] = parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  const isTime = Number.isInteger(time) && Math.abs(time as number) < 1e14
  const isSeq = Number.isInteger(seq) && Math.abs(seq as number) < 2 ** 31
  if (!isTime || !isSeq || typeof id !== 'string' || !UUID.test(id)) {
    throw new BulkheadError('BAD_REQUEST', 'cannot read the cursor: it is not one that a page came with')
  }
  return { createdAt: new Date(time as number), seq: seq as number, id }
}

function parse(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

/** @throws BAD_REQUEST unless it is a whole number from 1 to 200 */
export function readLimit(limit: number = DEFAULT): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT) return limit
  throw new BulkheadError('BAD_REQUEST', `cannot list ${limit} records at once: the limit is from 1 to ${LIMIT}`)
}
