import { Type, type TSchema } from 'typebox'
import type { ErrorCode } from '../../bridge/errors.ts'
import { Label, Time } from '../../runtime/context.ts'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 200

const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT }))

/** What every list of records takes: those of a module, and nothing older. */
export const paging = { module: Type.Optional(Label), since: Type.Optional(Time) }

/**
 * What every list out of the database takes besides its own filters.
 *
 * @param sorts the fields that it is sorted by, the usual one first
 * @param searched what a search looks into
 * @example sortedPaging(LOG_SORTS, 'module, message, and data as JSON')
 */
export const sortedPaging = <const Sorts extends readonly [string, ...string[]]>(sorts: Sorts, searched: string) => ({
  limit,
  cursor: Type.Optional(Type.String({ maxLength: 5000, description: 'the nextCursor of the page before, of the same sort and order' })),
  search: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: `what one of ${searched} contains, in any case` })),
  sort: Type.Optional(Type.Enum([...sorts] as Array<Sorts[number]>, { noun: 'field', default: sorts[0] })),
  order: Type.Optional(Type.Enum(['asc', 'desc'], { noun: 'order', default: 'desc' })),
})

/** What a list that may read a lot fails with. */
export const WIDE: readonly ErrorCode[] = ['TIMEOUT', 'BUSY']

/** A page of records; the next one is asked for with `cursor`, and there is none where it is null. */
export const pageOf = <Item extends TSchema>(item: Item) =>
  Type.Object({ items: Type.Array(item), nextCursor: Type.Union([Type.String(), Type.Null()]) })

/** Null where there is none. */
export const Nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([Type.Null(), schema])

/** A moment that is a `Date` in the host and ISO 8601 text in the answer. */
export const Moment = Type.Unsafe<Date>({ type: 'string', format: 'date-time' })

/** The query as the store takes it. */
export function pageQuery<Query extends { since?: string }>({
  since,
  ...query
}: Query): Omit<Query, 'since'> & { since?: Date } {
  return { ...query, ...(since !== undefined && { since: new Date(since) }) }
}
