import { Type, type TSchema } from 'typebox'
import { Label, Time } from '../../runtime/context.ts'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 200

/** What every list of records takes besides its own filters. */
export const paging = {
  module: Type.Optional(Label),
  since: Type.Optional(Time),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT })),
  cursor: Type.Optional(Type.String({ maxLength: 500 })),
}

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

/** What a list of numbered changes takes; they have no time to begin at, but a number. */
export const numberPaging = {
  limit: paging.limit,
  cursor: Type.Optional(Type.String({ pattern: '^[1-9]\\d{0,14}$', expects: 'the nextCursor of a page' })),
}
