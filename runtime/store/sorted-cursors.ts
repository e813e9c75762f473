import { BulkheadError } from '../../bridge/errors.ts'
import { storableText } from './storable.ts'

/** What a column holds that a list is sorted by. */
export type Kind = 'text' | 'integer' | 'uuid' | 'time'

export interface Sorting {
  sort: string
  order: 'asc' | 'desc'
}

/** The texts that PostgreSQL writes of each kind, and reads again. */
const IS: Readonly<Record<Kind, (text: string) => boolean>> = {
  text: (text) => text === storableText(text),
  integer: (text) => /^-?\d{1,18}$/.test(text),
  uuid: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text),
  time: isTime,
}

const TIME = /^(\d{4}-\d\d-\d\d) ([01]\d|2[0-3])(:[0-5]\d){2}(\.\d{1,6})?[+-](0\d|1[0-5])(:[0-5]\d)?$/

/** PostgreSQL has no day such as February 30, and no year 0. */
function isTime(text: string): boolean {
  const day = TIME.exec(text)?.[1] ?? ''
  const date = new Date(`${day}T00:00:00Z`)
  return !day.startsWith('0000') && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day)
}

/** The place of a page's last item, and the order that it is a place in, as the opaque text that callers hand back. */
export function writeSortedCursor({ sort, order }: Sorting, place: readonly string[]): string {
  return Buffer.from(JSON.stringify([sort, order, ...place])).toString('base64url')
}

/**
 * The place that a page is to begin after.
 *
 * @param kinds of the columns that a place in this order consists of
 * @throws BAD_REQUEST for what no page came with, and for a cursor of a page in another order
 */
export function readSortedCursor(cursor: string, { sort, order, kinds }: Sorting & { kinds: readonly Kind[] }): string[] {
  const [sortedBy, ordered, ...place] = textsIn(cursor)
  if (sortedBy === undefined || (ordered !== 'asc' && ordered !== 'desc')) throw unreadable()
  if (sortedBy !== sort || ordered !== order) {
    const asked = `its page was sorted by ${JSON.stringify(sortedBy.slice(0, 100))} ${ordered}, and this one is by "${sort}" ${order}`
    throw new BulkheadError('BAD_REQUEST', `cannot go on from the cursor: ${asked}; send the sort and order that it came with, or no cursor`)
  }
  if (place.length !== kinds.length || !place.every((text, index) => IS[kinds[index]!](text))) throw unreadable()
  return place
}

const unreadable = () => new BulkheadError('BAD_REQUEST', 'cannot read the cursor: it is not one that a page came with')

function textsIn(cursor: string): string[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : []
  } catch {
    return []
  }
}
