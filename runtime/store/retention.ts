import type { Sql } from 'postgres'

/** How long records are kept, in days; undefined: for ever. */
export interface RetentionPolicy {
  logsDays: number | undefined
  extractionsDays: number | undefined
}

/** A partition that is gone, or with `dryRun` would be. */
export interface Dropped {
  table: 'logs' | 'extractions'
  /** The day whose records it had, or `rest` for older ones that no day took. */
  day: string
  bytes: number
}

export const RETENTION: RetentionPolicy = { logsDays: 7, extractionsDays: undefined }

const DAY_MS = 24 * 60 * 60 * 1000
const DELETE_ROWS = 5_000

/**
 * Drops the partitions of days that lie further back than the policy keeps. Records that no partition of a day took are
 * deleted, a few thousand at a time.
 *
 * @returns what was dropped, oldest first
 * @example await dropExpired(database.sql, { logsDays: 7, extractionsDays: undefined })
 */
export async function dropExpired(sql: Sql, policy: RetentionPolicy, { dryRun = false, now = new Date() } = {}): Promise<Dropped[]> {
  const dropped: Dropped[] = []
  for (const [table, days] of [['logs', policy.logsDays], ['extractions', policy.extractionsDays]] as const) {
    if (days === undefined) continue
    // The day that has begun is not counted: what is kept for a day is kept for a whole one.
    const before = new Date((Math.floor(now.getTime() / DAY_MS) - days) * DAY_MS)
    const partitions = await sql<Array<{ name: string; bytes: number }>>`
      select relname as name, pg_total_relation_size(oid)::float8 as bytes from pg_class
      where relnamespace = 'bulkhead'::regnamespace and relname ~ ${`^${table}_[0-9]{8}$`} and relkind = 'r'
        and relname < ${`${table}_${compact(before)}`} order by relname`
    for (const { name, bytes } of partitions) {
      if (!dryRun) await drop(sql, name)
      dropped.push({ table, day: name.slice(-8).replace(/^(....)(..)(..)$/, '$1-$2-$3'), bytes })
    }
    const rest = await clearRest(sql, table, before, dryRun)
    if (rest > 0) dropped.push({ table, day: 'rest', bytes: rest })
  }
  return dropped
}

function compact(day: Date): string {
  return day.toISOString().slice(0, 10).replaceAll('-', '')
}

/** It locks its table for a moment; behind a statement that runs for long it gives up, and comes again another time. */
async function drop(sql: Sql, partition: string): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(`set local lock_timeout = '500ms'; set local client_min_messages = warning`)
    await tx.unsafe(`drop table if exists bulkhead.${partition}`)
  })
}

/** @returns the bytes of the rows' data */
async function clearRest(sql: Sql, table: string, before: Date, dryRun: boolean): Promise<number> {
  const rest = sql(`bulkhead.${table}_rest`)
  if (dryRun) {
    const [row] = await sql<Array<{ bytes: number }>>`
      select coalesce(sum(pg_column_size(r)), 0)::float8 as bytes from ${rest} r where created_at < ${before}`
    return row?.bytes ?? 0
  }
  let bytes = 0
  for (let last = DELETE_ROWS; last === DELETE_ROWS; ) {
    const rows = await sql<Array<{ bytes: number }>>`
      delete from ${rest} r where ctid = any (array(select ctid from ${rest} where created_at < ${before} limit ${DELETE_ROWS}))
      returning pg_column_size(r) as bytes`
    bytes += rows.reduce((sum, row) => sum + row.bytes, 0)
    last = rows.length
  }
  return bytes
}

/**
 * Drops what has expired once a day, the first time a minute after the start.
 *
 * @returns a function that ends it and waits for what runs
 */
export function keepRetention(sql: Sql, policy: RetentionPolicy, tell: (dropped: Dropped[], error?: Error) => void): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  const run = () => {
    running = dropExpired(sql, policy).then((dropped) => tell(dropped), (error: unknown) => tell([], error as Error))
  }
  const first = setTimeout(run, 60_000).unref()
  const daily = setInterval(run, DAY_MS).unref()
  return () => {
    clearTimeout(first)
    clearInterval(daily)
    return running
  }
}
