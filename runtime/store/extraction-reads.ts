import type { Sql } from 'postgres'
import type { ReadQuery, ReadRecord, ReadRecords } from '../../bridge/extractions.host.ts'
import { answered, asked } from './failures.ts'
import { openFlights } from './flights.ts'
import { storableText } from './storable.ts'

const ANSWER_MS = 5_000
const DATA_BYTES = 1024 * 1024
const FLIGHTS = { flights: 2, batchItems: 1, batchBytes: Infinity, queueItems: 256, queueBytes: Infinity }

type Ask = () => Promise<unknown>

/** Reads records for modules, each in its turn, so that one that asks a lot waits for itself. */
export function openExtractionReads(sql: Sql): ReadRecords & { close(): Promise<void> } {
  const flights = openFlights<Ask, unknown>(FLIGHTS, async (_module, [ask]) => [{ result: await asked('read extractions', ask as Ask) }])
  return {
    list: (query, limit) => flights.add(query.module, () => answered(selectNewest(sql, query, limit), ANSWER_MS), 1) as Promise<ReadRecord[]>,
    async count(query, most) {
      const ask = () => answered(selectCount(sql, query, most), ANSWER_MS)
      const [row] = (await flights.add(query.module, ask, 1)) as Array<{ count: number }>
      return row?.count ?? 0
    },
    close: () => flights.idle(),
  }
}

/** The data of records as text may be up to sixty times what is stored, and ends the list. */
function selectNewest(sql: Sql, query: ReadQuery, limit: number) {
  return sql<ReadRecord[]>`
    with found as (
      select * from bulkhead.extractions where ${visible(sql, query)} order by created_at desc, seq desc, id desc limit ${limit}
    ), sized as (
      select *, sum(octet_length(data::text)) over (order by created_at desc, seq desc, id desc) as size from found
    )
    select id, module, type, data, session_id as "sessionId", user_id as "userId", run_id as "runId", created_at as "createdAt"
    from sized where size <= ${DATA_BYTES} order by created_at, seq, id`
}

function selectCount(sql: Sql, query: ReadQuery, most: number) {
  return sql<Array<{ count: number }>>`
    select count(*)::int from (select from bulkhead.extractions where ${visible(sql, query)} limit ${most}) as found`
}

function visible(sql: Sql, { module, others, type, session, user, class: learners, since }: ReadQuery) {
  const about = (column: 'session_id' | 'user_id', value: string | undefined) =>
    value === undefined ? sql`` : sql`or ${sql(column)} = ${storableText(value)}`
  return sql`
    (module = ${module} ${others ? sql`${about('session_id', others.session)} ${about('user_id', others.user)}` : sql``})
    ${type === undefined ? sql`` : sql`and type = ${storableText(type)}`}
    ${session === undefined ? sql`` : sql`and session_id = ${storableText(session)}`}
    ${user === undefined ? sql`` : sql`and user_id = ${storableText(user)}`}
    ${learners === undefined ? sql`` : sql`and class_id = ${storableText(learners)}`}
    ${since === undefined ? sql`` : sql`and created_at >= ${since}`}`
}
