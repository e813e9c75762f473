import type { Sql, TransactionSql } from 'postgres'

const DAY = 24 * 60 * 60 * 1000
const AHEAD = 7
const LOCK = 0x62756c6b_0003
/** What PostgreSQL says when a lock is not to be had in time. */
const LOCKED = '55P03'
const TABLES = ['extractions', 'logs'] as const

/**
 * Makes the partitions from yesterday to a week from now (UTC). Making one locks its table for a moment; behind a
 * statement that runs for long it gives up after half a second, in which others wait: there is a week to try again.
 *
 * @throws the first failure, after having tried the others
 */
export async function makePartitions(sql: Sql, now = new Date()): Promise<void> {
  const first = Math.floor(now.getTime() / DAY) - 1
  const days = Array.from({ length: AHEAD + 2 }, (_, index) => new Date((first + index) * DAY))
  const wanted = days.flatMap((day) => TABLES.map((table) => ({ table, day, name: partitionName(table, day) })))
  const names = wanted.map(({ name }) => name)
  const rows = await sql<{ name: string }[]>`
    select name from unnest(${names}::text[]) name where to_regclass('bulkhead.' || name) is null`
  const missing = new Set(rows.map(({ name }) => name))
  const failures: unknown[] = []
  const locked = new Set<string>()
  for (const { table, day, name } of wanted) {
    if (!missing.has(name) || locked.has(table)) continue
    // one by one: a day whose rows are in the partition for the rest cannot have its own any more, the others can
    await sql.begin((tx) => make(tx, table, day, name)).catch((error: unknown) => {
      failures.push(error)
      if ((error as { code?: string }).code === LOCKED) locked.add(table)
    })
  }
  if (failures.length > 0) throw failures[0]
}

async function make(tx: TransactionSql, table: string, day: Date, name: string): Promise<void> {
  const next = new Date(day.getTime() + DAY)
  await tx.unsafe(`set local lock_timeout = '500ms'; set local client_min_messages = warning`)
  await tx`select pg_advisory_xact_lock(${LOCK})`
  await tx.unsafe(`create table if not exists bulkhead.${name}
    partition of bulkhead.${table} for values from ('${day.toISOString()}') to ('${next.toISOString()}')`)
}

function partitionName(table: string, day: Date): string {
  return `${table}_${day.toISOString().slice(0, 10).replaceAll('-', '')}`
}
