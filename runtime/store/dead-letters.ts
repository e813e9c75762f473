import type { Sql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { asked } from './failures.ts'
import { type Page, readLimit } from './pages.ts'
import { storableText } from './storable.ts'

/** An event that a module could not be told of. */
export interface DeadLetter {
  event: string
  module: string
  hook: string
  attempts: number
  /** Why the last attempt failed. */
  code: string
  message: string
  createdAt: Date
  deadAt: Date
}

export interface DeadLetterQuery {
  module?: string | undefined
  hook?: string | undefined
  /** Dead since then. */
  since?: Date | undefined
  limit?: number | undefined
  cursor?: string | undefined
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The dead letters, newest first. @throws BAD_REQUEST for a malformed cursor or limit, STORE_FAILED */
export async function selectDead(sql: Sql, { module, hook, since, cursor, ...query }: DeadLetterQuery): Promise<Page<DeadLetter>> {
  const limit = readLimit(query.limit)
  const place = cursor === undefined ? undefined : readPlace(cursor)
  const rows = await asked('list the dead letters', () => sql<Array<DeadLetter & { place: string }>>`
    select d.event, d.module, d.hook, d.attempt as attempts, coalesce(d.code, '') as code, coalesce(d.message, '') as message,
      coalesce(e.created_at, d.dead_at) as "createdAt", d.dead_at as "deadAt", d.dead_at::text as place
    from bulkhead.deliveries d left join bulkhead.events e on e.id = d.event
    where d.dead_at is not null
      ${module === undefined ? sql`` : sql`and d.module = ${storableText(module)}`}
      ${hook === undefined ? sql`` : sql`and d.hook = ${storableText(hook)}`}
      ${since === undefined ? sql`` : sql`and d.dead_at >= ${since}`}
      ${place === undefined ? sql`` : sql`and (d.dead_at, d.event, d.module) < (${place[0]}::text::timestamptz, ${place[1]}::uuid, ${place[2]})`}
    order by d.dead_at desc, d.event desc, d.module desc limit ${limit + 1}`)
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const nextCursor = rows.length > limit && last ? writePlace([last.place, last.event, last.module]) : null
  return { items: items.map(({ place: _place, ...item }) => item), nextCursor }
}

/**
 * Has dead letters delivered again, from the first attempt: those of one event, one module or one hook, or all.
 *
 * @returns how many
 */
export async function retryDead(sql: Sql, { event, module, hook }: Pick<DeadLetterQuery, 'module' | 'hook'> & { event?: string | undefined }): Promise<number> {
  if (event !== undefined && !UUID.test(event)) return 0
  const rows = await asked('retry the events', () => sql`
    update bulkhead.deliveries set dead_at = null, attempt = 0, due_at = now(), code = null, message = null
    where dead_at is not null
      ${event === undefined ? sql`` : sql`and event = ${event}`}
      ${module === undefined ? sql`` : sql`and module = ${storableText(module)}`}
      ${hook === undefined ? sql`` : sql`and hook = ${storableText(hook)}`}
    returning true`)
  return rows.length
}

type DeadPlace = [deadAt: string, event: string, module: string]

function writePlace(place: DeadPlace): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url')
}

function readPlace(cursor: string): DeadPlace {
  let place: unknown
  try {
    place = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    place = undefined
  }
  const [deadAt, event, module, ...more] = Array.isArray(place) ? (place as unknown[]) : []
  const isTime = typeof deadAt === 'string' && /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$/.test(deadAt) && !Number.isNaN(Date.parse(deadAt))
  if (isTime && typeof event === 'string' && UUID.test(event) && typeof module === 'string' && more.length === 0) return [deadAt, event, storableText(module)]
  throw new BulkheadError('BAD_REQUEST', 'cannot read the cursor: it is not one that a page came with')
}
