import type { PendingQuery, Row, Sql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { answered } from './failures.ts'
import { storableText } from './storable.ts'

export interface Page<Item> {
  /** Newest first. */
  items: Item[]
  /** Where the next page begins, or null at the end. */
  nextCursor: string | null
}

export interface PageQuery {
  module?: string | undefined
  /** Nothing older than this. */
  since?: Date | undefined
  /** From 1 to 200, 50 if not given. */
  limit?: number | undefined
  cursor?: string | undefined
}

/** The place of a record in the order of all. */
export interface Place {
  createdAt: Date
  seq: number
  id: string
}

type Fragment = PendingQuery<Row[]>

const LIMIT = 200
const DEFAULT = 50
const BYTES = 4 * 1024 * 1024
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

/**
 * Selects one page, newest first, of a table of records that has `data`. It ends early where the data of its records
 * exceeds 4 MiB as text, which is up to sixty times what is stored (1e99 is a hundred digits); one record it always has.
 */
export async function selectPage<Item extends Place>(
  sql: Sql,
  query: PageQuery,
  { columns, table, where }: { columns: Fragment; table: Fragment; where: Fragment },
): Promise<Page<Item>> {
  const { module, since, cursor } = query
  const limit = readLimit(query.limit)
  const place = cursor === undefined ? undefined : readCursor(cursor)
  if (since !== undefined && Number.isNaN(since.getTime())) {
    throw new BulkheadError('BAD_REQUEST', 'cannot list the records since then: it is no date')
  }
  const rows = await answered(sql<Array<Item & { found: number }>>`
    with found as (
      select * from ${table} where true ${where}
        ${module === undefined ? sql`` : sql`and module = ${storableText(module)}`}
        ${since === undefined ? sql`` : sql`and created_at >= ${since}`}
        ${place === undefined ? sql`` : sql`and (created_at, seq, id) < (${place.createdAt}, ${place.seq}, ${place.id})`}
      order by created_at desc, seq desc, id desc limit ${limit + 1}
    ), sized as (
      select *, count(*) over () as found, coalesce(sum(octet_length(data::text)) over (
        order by created_at desc, seq desc, id desc rows between unbounded preceding and 1 preceding), 0) as before
      from found
    )
    select ${columns}, id, module, version, execution, seq, data, created_at as "createdAt", found::int
    from sized where before < ${BYTES} order by created_at desc, seq desc, id desc limit ${limit}`)
  const more = rows[0] !== undefined && rows[0].found > rows.length
  const items = rows.map(({ found: _found, ...item }) => item as unknown as Item)
  const last = items.at(-1)
  return { items, nextCursor: more && last !== undefined ? writeCursor(last) : null }
}
