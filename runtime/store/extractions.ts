import type { Sql } from 'postgres'
import type { NewExtraction } from '../../bridge/emit.host.ts'
import type { Page } from './pages.ts'
import { RECORD, type RecordQuery, whereRecord } from './record-pages.ts'
import { selectSorted, type Sorts } from './sorted-pages.ts'
import { checkPlace, storableJson, storableKey, storableText } from './storable.ts'

export interface Extraction {
  id: string
  module: string
  version: string
  execution: string
  seq: number
  hook: string
  type: string
  data: unknown
  sessionId: string | null
  userId: string | null
  runId: string | null
  createdAt: Date
}

/** What extractions are sorted by; the indexes of their table carry each. */
export const EXTRACTION_SORTS = ['createdAt', 'module', 'type'] as const

export interface ExtractionQuery extends RecordQuery<(typeof EXTRACTION_SORTS)[number]> {
  type?: string | undefined
  session?: string | undefined
  user?: string | undefined
}

/** @throws INVALID for a record that the table cannot hold */
export function storableExtraction(row: NewExtraction): NewExtraction {
  checkPlace(row)
  return {
    ...row,
    module: storableKey('module', row.module),
    type: storableKey('type', row.type),
    version: storableText(row.version),
    hook: storableText(row.hook),
    data: storableJson(row.data),
    ...(row.sessionId !== undefined && { sessionId: storableKey('session', row.sessionId) }),
    ...(row.userId !== undefined && { userId: storableKey('user', row.userId) }),
    ...(row.runId !== undefined && { runId: storableText(row.runId) }),
    ...(row.classId !== undefined && { classId: storableText(row.classId) }),
  }
}

/** One statement for all rows, which may be repeated: what is there stays as it is. */
export function insertExtractions(sql: Sql, rows: NewExtraction[]) {
  return sql`
    insert into bulkhead.extractions (id, module, version, execution, seq, hook, type, data,
      session_id, user_id, run_id, class_id, created_at)
    select id, module, version, execution, seq, hook, type, data::jsonb, session_id, user_id, run_id,
      class_id, created_at
    from unnest(
      ${rows.map((row) => row.id)}::uuid[], ${rows.map((row) => row.module)}::text[],
      ${rows.map((row) => row.version)}::text[], ${rows.map((row) => row.execution)}::uuid[],
      ${rows.map((row) => row.seq)}::int[], ${rows.map((row) => row.hook)}::text[],
      ${rows.map((row) => row.type)}::text[], ${rows.map((row) => row.data)}::text[],
      ${rows.map((row) => row.sessionId ?? null)}::text[], ${rows.map((row) => row.userId ?? null)}::text[],
      ${rows.map((row) => row.runId ?? null)}::text[], ${rows.map((row) => row.classId ?? null)}::text[],
      ${rows.map((row) => row.createdAt.toISOString())}::timestamptz[]
    ) as new (id, module, version, execution, seq, hook, type, data, session_id, user_id, run_id, class_id, created_at)
    on conflict do nothing`
}

export async function selectExtractions(sql: Sql, query: ExtractionQuery): Promise<Page<Extraction>> {
  const { type, session, user } = query
  return selectSorted(sql, query, {
    ...RECORD,
    what: 'list the extractions',
    columns: { ...RECORD.columns, hook: 'hook', type: 'type', sessionId: 'session_id', userId: 'user_id', runId: 'run_id' },
    bytes: sql`octet_length(data::text)`,
    from: sql`bulkhead.extractions`,
    where: sql`${whereRecord(sql, query)}
      ${type === undefined ? sql`` : sql`and type = ${storableText(type)}`}
      ${session === undefined ? sql`` : sql`and session_id = ${storableText(session)}`}
      ${user === undefined ? sql`` : sql`and user_id = ${storableText(user)}`}`,
    searched: ['module', 'hook', 'type', 'session_id', 'user_id', 'run_id', sql`data::text`],
    sorts: { createdAt: null, module: ['module', 'text'], type: ['type', 'text'] } satisfies Sorts<(typeof EXTRACTION_SORTS)[number]>,
    narrowing: 'name a module, type, session or user, give a later "since", or leave the sort out',
  })
}
