import type { Sql } from 'postgres'

/** How long records are kept, in days; undefined: for ever. */
export interface RetentionPolicy {
  logsDays: number | undefined
  extractionsDays: number | undefined
  /** Who did what; 30 at least, which the table itself sees to. */
  auditDays: number | undefined
}

/** A partition or old rows that are gone, or with `dryRun` would be. */
export interface Dropped {
  table: 'logs' | 'extractions' | 'audit'
  /** The day whose records it had, or `rest` for older ones that no day took. */
  day: string
  bytes: number
}

export const RETENTION: RetentionPolicy = { logsDays: 7, extractionsDays: undefined, auditDays: 365 }
/** What is kept of who did what, whatever else is asked for, in days: as migration 0013 has it. */
export const LEAST_AUDIT_DAYS = 30
/** A hundred years. */
export const LONGEST_DAYS = 36_500

const DAY_MS = 24 * 60 * 60 * 1000
const DELETE_ROWS = 5_000

/**
 * Drops the partitions of days that lie further back than the policy keeps. Records that no partition of a day took are
 * deleted, a few thousand at a time, as are records of who did what.
 *
 * @returns what was dropped, oldest first
 * @example await dropExpired(database.sql, { logsDays: 7, extractionsDays: undefined, auditDays: 365 })
 */
export async function dropExpired(sql: Sql, policy: RetentionPolicy, { dryRun = false, now = new Date() } = {}): Promise<Dropped[]> {
  const dropped: Dropped[] = []
  for (const [table, days] of [['logs', policy.logsDays], ['extractions', policy.extractionsDays]] as const) {
    if (days === undefined) continue
    const before = startOf(now, days)
    const partitions = await sql<Array<{ name: string; bytes: number }>>`
      select relname as name, pg_total_relation_size(oid)::float8 as bytes from pg_class
      where relnamespace = 'bulkhead'::regnamespace and relname ~ ${`^${table}_[0-9]{8}$`} and relkind = 'r'
        and relname < ${`${table}_${compact(before)}`} order by relname`
    for (const { name, bytes } of partitions) {
      if (!dryRun) await drop(sql, name)
      dropped.push({ table, day: name.slice(-8).replace(/^(....)(..)(..)$/, '$1-$2-$3'), bytes })
    }
    const rest = await clear(sql, { rows: `${table}_rest`, at: 'created_at', before, dryRun })
    if (rest > 0) dropped.push({ table, day: 'rest', bytes: rest })
  }
  if (policy.auditDays === undefined) return dropped
  const before = startOf(now, Math.max(policy.auditDays, LEAST_AUDIT_DAYS))
  const audit = await clear(sql, { rows: 'audit', at: 'at', before, dryRun })
  return audit > 0 ? [...dropped, { table: 'audit', day: 'rest', bytes: audit }] : dropped
}

/** The day that has begun is not counted: what is kept for a day is kept for a whole one. */
function startOf(now: Date, daysBack: number): Date {
  return new Date((Math.floor(now.getTime() / DAY_MS) - daysBack) * DAY_MS)
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

interface Old {
  rows: string
  /** The column by which they are old. */
  at: string
  before: Date
  dryRun: boolean
}

/** @returns the bytes of the rows' data */
async function clear(sql: Sql, { rows, at, before, dryRun }: Old): Promise<number> {
  const [table, column] = [sql(`bulkhead.${rows}`), sql(at)]
  if (dryRun) {
    const [row] = await sql<Array<{ bytes: number }>>`
      select coalesce(sum(pg_column_size(r)), 0)::float8 as bytes from ${table} r where ${column} < ${before}`
    return row?.bytes ?? 0
  }
  let bytes = 0
  for (let last = DELETE_ROWS; last === DELETE_ROWS; ) {
    const deleted = await sql.begin(async (tx) => {
      // What nobody may delete lets itself be deleted by who says so.
      await tx`select set_config('bulkhead.expired', ${rows}, true)`
      return tx<Array<{ bytes: number }>>`
        delete from ${table} r where ctid = any (array(select ctid from ${table} where ${column} < ${before} limit ${DELETE_ROWS}))
        returning pg_column_size(r) as bytes`
    })
    bytes += deleted.reduce((sum, row) => sum + row.bytes, 0)
    last = deleted.length
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
