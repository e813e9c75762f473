import type { Sql } from 'postgres'
import { asked } from './failures.ts'
import { LEVELS, type LogLevel, type LogLine } from './logs.ts'
import type { Place } from './pages.ts'

/** Reads what was logged since it was read last, over all hosts. */
export type LogTail = () => Promise<LogLine[]>

/** Lines are kept in batches, each some time after it was said: as long as this is looked for late ones. */
const LATE_MS = 5_000
const ROWS = 500

/**
 * Follows the log from a place on: from the next line where none is given. A line that comes late is told late, none twice.
 *
 * @example const read = tailLogs(sql, { module: 'pii-filter', level: 'warn' })
 */
export function tailLogs(
  sql: Sql,
  { module, level, after }: { module?: string | undefined; level?: LogLevel | undefined; after?: Place | undefined },
): LogTail {
  const floor = after ?? { createdAt: new Date(), seq: -1, id: '00000000-0000-0000-0000-000000000000' }
  const seen = new Map<string, number>()
  let newest = floor.createdAt.getTime()

  return async () => {
    for (const [id, time] of seen) if (time < newest - LATE_MS) seen.delete(id)
    const rows = await asked('follow the log', () => sql<LogLine[]>`
      select id, module, version, execution, seq, level, message, data, created_at as "createdAt" from bulkhead.logs
      where created_at >= ${new Date(Math.max(newest - LATE_MS, floor.createdAt.getTime()))}
        and (created_at, seq, id) > (${floor.createdAt}, ${floor.seq}, ${floor.id}) and id <> all (${[...seen.keys()]}::uuid[])
        ${module === undefined ? sql`` : sql`and module = ${module}`}
        ${level === undefined ? sql`` : sql`and level = any (${LEVELS.slice(LEVELS.indexOf(level))}::text[])`}
      order by created_at, seq, id limit ${ROWS}`)
    for (const { id, createdAt } of rows) {
      seen.set(id, createdAt.getTime())
      newest = Math.max(newest, createdAt.getTime())
    }
    return rows
  }
}
