import type { Sql } from 'postgres'
import type { Page } from './pages.ts'
import { RECORD, type RecordQuery, whereRecord } from './record-pages.ts'
import { selectSorted, type Sorts } from './sorted-pages.ts'
import { checkPlace, storableJson, storableKey, storableText } from './storable.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface NewLog {
  id?: string | undefined
  module: string
  version: string
  /** Null for what is said outside of an execution. */
  execution: string | null
  seq: number
  level: LogLevel
  message: string
  /** JSON text. */
  data?: string | undefined
  createdAt: Date
}

/** A log line as it is kept. */
export interface LogLine {
  id: string
  module: string
  version: string
  execution: string | null
  seq: number
  level: LogLevel
  message: string
  data: unknown
  createdAt: Date
}

/** What log lines are sorted by; the indexes of their table carry both. */
export const LOG_SORTS = ['createdAt', 'module'] as const

export interface LogQuery extends RecordQuery<(typeof LOG_SORTS)[number]> {
  /** The least level. */
  level?: LogLevel | undefined
}

export const LEVELS: LogLevel[] = ['debug', 'info', 'warn', 'error']

/** @throws INVALID for a line that the table cannot hold */
export function storableLog(row: NewLog & { id: string }): NewLog & { id: string } {
  checkPlace(row)
  return {
    ...row,
    module: storableKey('module', row.module),
    version: storableText(row.version),
    message: storableText(row.message),
    ...(row.data !== undefined && { data: storableJson(row.data) }),
  }
}

/** One statement for all rows, which may be repeated: what is there stays as it is. */
export function insertLogs(sql: Sql, rows: NewLog[]) {
  return sql`
    insert into bulkhead.logs (id, module, version, execution, seq, level, message, data, created_at)
    select id, module, version, execution, seq, level, message, data::jsonb, created_at
    from unnest(
      ${rows.map((row) => row.id ?? null)}::uuid[], ${rows.map((row) => row.module)}::text[],
      ${rows.map((row) => row.version)}::text[], ${rows.map((row) => row.execution)}::uuid[],
      ${rows.map((row) => row.seq)}::int[], ${rows.map((row) => row.level)}::text[],
      ${rows.map((row) => row.message)}::text[], ${rows.map((row) => row.data ?? null)}::text[],
      ${rows.map((row) => row.createdAt.toISOString())}::timestamptz[]
    ) as new (id, module, version, execution, seq, level, message, data, created_at)
    on conflict do nothing`
}

export async function selectLogs(sql: Sql, query: LogQuery): Promise<Page<LogLine>> {
  const { level } = query
  return selectSorted(sql, query, {
    ...RECORD,
    what: 'list the logs',
    columns: { ...RECORD.columns, level: 'level', message: 'message' },
    bytes: sql`octet_length(data::text)`,
    from: sql`bulkhead.logs`,
    where: sql`${whereRecord(sql, query)}
      ${level === undefined ? sql`` : sql`and level = any (${LEVELS.slice(LEVELS.indexOf(level))}::text[])`}`,
    searched: ['module', 'message', sql`data::text`],
    sorts: { createdAt: null, module: ['module', 'text'] } satisfies Sorts<(typeof LOG_SORTS)[number]>,
    narrowing: 'name a module, give a later "since", or leave the sort out',
  })
}
