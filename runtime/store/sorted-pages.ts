import type { PendingQuery, Row, Sql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { type Page, readLimit } from './pages.ts'
import { type Kind, readSortedCursor, writeSortedCursor } from './sorted-cursors.ts'
import { storableText } from './storable.ts'
import { readWithin } from './wide-reads.ts'

/** What every list takes besides its own filters. */
export interface SortedQuery<Sort extends string = string> {
  /** What one of its texts contains, in any case. */
  search?: string | undefined
  /** The first sort of the list unless given. */
  sort?: Sort | undefined
  /** `desc`, newest first, unless given. */
  order?: 'asc' | 'desc' | undefined
  /** From 1 to 200, 50 if not given. */
  limit?: number | undefined
  cursor?: string | undefined
}

type Fragment = PendingQuery<Row[]>

/** A column, by its name or as an expression. */
type Column = string | Fragment

/** What comes before the key in each order of a list: a column that is never null, or nothing. The first is the usual order. */
export type Sorts<Sort extends string> = Readonly<Record<Sort, readonly [Column, Kind] | null>>

/** What of the store a list shows, and how it can be asked for. */
export interface Listing {
  /** As in "cannot list the logs". */
  what: string
  /** What an item has, by its name there. */
  columns: Readonly<Record<string, Column>>
  from: Fragment
  /** What else is asked for: `and …`, or nothing. */
  where: Fragment
  /** The texts that a search looks into. */
  searched: readonly Column[]
  /** The columns that tell one row from another, the first of which says what is newest. */
  key: ReadonlyArray<readonly [Column, Kind]>
  sorts: Sorts<string>
  /** The bytes of an item, of what `columns` names, where it may be large. */
  bytes?: Fragment
  /** How a list that takes too long can be asked for less. */
  narrowing: string
}

/** Bytes of a page; JSON as text may be up to sixty times what is stored (1e99 is a hundred digits). */
const BYTES = 4 * 1024 * 1024

/**
 * Selects one page in any order that the list has, from where the page before ended: rows that come and go meanwhile move
 * nothing. A page ends early past 4 MiB; one item it always has. A sort that no index carries, and a
 * search, read until the page is full, for 5 s at the most.
 *
 * @throws BAD_REQUEST for a cursor of no page, or of one in another order; TIMEOUT with how to ask for less; BUSY
 */
export async function selectSorted<Item>(sql: Sql, query: SortedQuery, listing: Listing): Promise<Page<Item>> {
  const { columns, key, sorts, searched, bytes = sql`0` } = listing
  const limit = readLimit(query.limit)
  const sort = query.sort ?? Object.keys(sorts)[0]!
  const order = query.order ?? 'desc'
  if (!Object.hasOwn(sorts, sort)) throw new BulkheadError('BAD_REQUEST', `cannot ${listing.what} by ${JSON.stringify(sort.slice(0, 100))}, but by ${Object.keys(sorts).join(', ')}`)
  const first = sorts[sort]
  const places = first ? [first, ...key] : key
  const after = query.cursor === undefined ? undefined : readSortedCursor(query.cursor, { sort, order, kinds: places.map(([, kind]) => kind) })

  const all = (parts: readonly Fragment[]) => parts.reduce((one, next) => sql`${one}, ${next}`)
  const of = (column: Column): Fragment => (typeof column === 'string' ? sql`${sql(column)}` : column)
  const direction = order === 'asc' ? sql`asc` : sql`desc`
  const named = places.map((_, index) => sql`${sql(`place${index}`)}`)
  const inOrder = all(named.map((name) => sql`${name} ${direction}`))
  // Nothing ends a statement within one text: of 1.3 MB, the most that a module emits, a pattern that nearly matches everywhere takes about a second.
  const pattern = sql`lower(${`%${storableText(query.search ?? '').replace(/[\\%_]/g, '\\$&')}%`}::text)`
  const matching = searched.map((column) => sql`lower(${of(column)}) like ${pattern}`).reduce((one, next) => sql`${one} or ${next}`)
  const later = after && sql`
    and (${all(places.map(([column]) => of(column)))}) ${order === 'asc' ? sql`>` : sql`<`} (${all(after.map((text, index) => typed(sql, text, places[index]![1])))})`

  const rows = await readWithin(sql, { ...listing, isWide: query.search !== undefined || sort !== Object.keys(sorts)[0] }, (tx) => tx<Array<Item & Placed>>`
    with found as (
      select ${all(Object.entries(columns).map(([name, column]) => sql`${of(column)} as ${sql(name)}`))},
        ${all(places.map(([column], index) => sql`${of(column)} as ${named[index]!}`))}
      from ${listing.from} where true ${listing.where}
        ${query.search === undefined ? sql`` : sql`and (${matching})`} ${later ?? sql``}
      order by ${all(places.map(([column]) => sql`${of(column)} ${direction}`))} limit ${limit + 1}
    ), sized as (
      select *, count(*) over () as items_found,
        coalesce(sum(${bytes}) over (order by ${inOrder} rows between unbounded preceding and 1 preceding), 0) as bytes_before
      from found
    )
    select ${sql(Object.keys(columns))}, array[${all(named.map((name) => sql`${name}::text`))}] as place, items_found::int as found
    from sized where bytes_before < ${BYTES} order by ${inOrder} limit ${limit}`)
  const last = rows.at(-1)
  const nextCursor = last && last.found > rows.length ? writeSortedCursor({ sort, order }, last.place) : null
  return { items: rows.map(({ place: _place, found: _found, ...item }) => item as Item), nextCursor }
}

interface Placed {
  place: string[]
  /** How many rows there are from here on, one more than fit onto a page at the most. */
  found: number
}

function typed(sql: Sql, text: string, kind: Kind): Fragment {
  if (kind === 'text') return sql`${text}::text`
  if (kind === 'integer') return sql`${text}::text::bigint`
  return kind === 'uuid' ? sql`${text}::text::uuid` : sql`${text}::text::timestamptz`
}
