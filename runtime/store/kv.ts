import { setTimeout as delay } from 'node:timers/promises'
import type { Sql, TransactionSql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import type { KvCommit, KvEntry, KvRange, KvStore, KvValue } from '../../bridge/kv.host.ts'
import { answered, asked, kindOf, storeFailed } from './failures.ts'
import { openFlights, type Outcome } from './flights.ts'
import { type Change, decideCommits, type Kept, type KvUsage } from './kv-batch.ts'
import type { StoreLog } from './server.ts'

/** Keys and values of all modules, in the table `bulkhead.kv`. */
export interface KeyValues extends KvStore {
  usage(module: string): Promise<KvUsage>
  /** Removes what has expired and is out of sight already. @returns how many rows */
  sweep(): Promise<number>
  /** Settles when what was taken is written or refused. */
  close(): Promise<void>
}

/** What one module may keep; a key counts with its own bytes and its value's. */
export const KV_LIMITS: KvUsage = { keys: 100_000, bytes: 128 * 1024 * 1024 }

const SWEEP_MS = 60_000
const SWEEP_ROWS = 5_000
const STATEMENT_MS = 10_000
const TRANSACTION_MS = 15_000
const RETRY_MS = 10_000
const BYTEA_ARRAY = 1001
/** Versions of one batch, which draws once: more than it has commits. */
export const BATCH_VERSIONS = 1_024n
const PAGE_BYTES = 1024 * 1024
const QUEUE = { queueItems: 2_000, queueBytes: 8 * 1024 * 1024 }

type Row = { key: Buffer; kind: KvValue['kind']; value: Buffer; version: string }

/**
 * Opens the keys and values of a migrated database. Writes of one module are gathered while the one before is on its
 * way, and made in the order they came, in one transaction that holds the module's row in `kv_usage`: other hosts wait.
 *
 * @example const kv = openKeyValues(database.sql)
 */
export function openKeyValues(sql: Sql, { limits = KV_LIMITS, log }: { limits?: KvUsage; log?: StoreLog } = {}): KeyValues {
  const reads = openFlights<Buffer[], Array<KvEntry | undefined>>(
    { flights: 2, batchItems: 32, batchBytes: 64, ...QUEUE },
    async (module, wanted) => {
      const found = await asked('read keys', () => answered(selectKeys(sql, module, wanted.flat())))
      const entries = new Map(found.map((row) => [nameOf(row.key), entryOf(row)]))
      return wanted.map((keys) => ({ result: keys.map((key) => entries.get(nameOf(key))) }))
    },
  )
  const pages = openFlights<KvRange, Awaited<ReturnType<KvStore['list']>>>(
    { flights: 2, batchItems: 1, batchBytes: Infinity, ...QUEUE },
    async (module, [range]) => [{ result: await asked('list keys', () => selectRange(sql, module, range as KvRange)) }],
  )
  const writes = openFlights<KvCommit, bigint | undefined>(
    { flights: 3, batchItems: 200, batchBytes: 1024 * 1024, ...QUEUE },
    (module, commits) => write(sql, module, commits, limits),
  )
  let sweeping: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    sweeping = sweep(sql).catch((error: unknown) => log?.warn({ error: (error as Error).message }, 'cannot remove expired keys, trying again in a minute'))
  }, SWEEP_MS).unref()

  return {
    // the weight of a read is the number of its keys
    read: (module, keys) => reads.add(module, keys, keys.length),
    list: (module, range) => pages.add(module, range, range.from.length + range.to.length),
    commit: (module, commit) => writes.add(module, commit, weightOf(commit)),
    async usage(module) {
      const [row] = await sql<KvUsage[]>`select keys::float8, bytes::float8 from bulkhead.kv_usage where module = ${module}`
      return row ? { keys: row.keys, bytes: row.bytes } : { keys: 0, bytes: 0 }
    },
    sweep: () => sweep(sql),
    async close() {
      clearInterval(timer)
      await Promise.all([reads.idle(), pages.idle(), writes.idle(), sweeping])
    },
  }
}

function selectKeys(sql: Sql, module: string, keys: Buffer[]) {
  return sql<Row[]>`
    select key, kind, value, version::text from bulkhead.kv
    where module = ${module} and key = any (${byteas(sql, keys)}) and (expires_at is null or expires_at > clock_timestamp())`
}

/** Ends a page early where its values exceed 1 MiB; one entry it always has. */
async function selectRange(sql: Sql, module: string, { from, to, reverse, limit }: KvRange): ReturnType<KvStore['list']> {
  const order = reverse ? sql`desc` : sql`asc`
  const rows = await answered(sql<Array<Row & { found: number }>>`
    with found as (
      select key, kind, value, version from bulkhead.kv
      where module = ${module} and key >= ${from} and key < ${to} and (expires_at is null or expires_at > clock_timestamp())
      order by key ${order} limit ${limit + 1}
    ), sized as (
      select *, count(*) over () as found, coalesce(sum(octet_length(value) + octet_length(key)) over (
        order by key ${order} rows between unbounded preceding and 1 preceding), 0) as before
      from found
    )
    select key, kind, value, version::text, found::int from sized where before < ${PAGE_BYTES} order by key ${order} limit ${limit}`)
  return { entries: rows.map(entryOf), more: rows[0] !== undefined && rows[0].found > rows.length }
}

/**
 * Makes the commits of one module. What fails before the end was not written, and is tried again while the trouble is
 * the connection's; a connection lost at the very end leaves open whether it was, and that is said.
 */
async function write(sql: Sql, module: string, commits: KvCommit[], limits: KvUsage): Promise<Outcome<bigint | undefined>[]> {
  const until = Date.now() + RETRY_MS
  for (let wait = 20; ; wait = Math.min(wait * 2, 1_000)) {
    let ending = false
    const made = sql.begin(async (tx) => {
      const outcomes = await makeCommits(tx, module, commits, limits)
      ending = true
      return outcomes
    })
    try {
      return (await answered(made, TRANSACTION_MS)) as Outcome<bigint | undefined>[]
    } catch (error) {
      // A transaction that does not answer may still come to its end, so that it must not be made again.
      const open = ending || (error as { code?: unknown }).code === 'ETIMEDOUT'
      if (open) throw new BulkheadError('STORE_FAILED', 'cannot tell whether the keys were written, the database did not confirm it', undefined, error)
      if (kindOf(error) !== 'again' || Date.now() + wait > until) throw storeFailed('write keys', error)
      await delay(wait)
    }
  }
}

async function makeCommits(tx: TransactionSql, module: string, commits: KvCommit[], limits: KvUsage): Promise<Outcome<bigint | undefined>[]> {
  const [usage] = await lockUsage(tx, module)
  if (!usage) {
    await tx`insert into bulkhead.kv_usage (module) values (${module}) on conflict do nothing`
    return makeCommits(tx, module, commits, limits)
  }
  // A statement of its own: what it reads is what is there once the lock is held.
  const keys = new Map(commits.flatMap(({ checks, mutations }) => [...checks, ...mutations].map(({ key }) => [nameOf(key), key])))
  const rows = await selectKept(tx, module, [...keys.values()])
  const drawn = BigInt(rows[0]?.drawn ?? 0) * BATCH_VERSIONS
  const kept = new Map(rows.flatMap(({ key, bytes, version, expired, counter }): Array<[string, Kept]> =>
    key ? [[nameOf(key), { bytes, expired, version: BigInt(version), counter: counter?.readBigUInt64LE() }]] : []))
  const given = { kept, usage, limits, versions: commits.map((_, index) => drawn + BigInt(index)) }
  let decided = decideCommits(commits, given)
  if (decided.outcomes.some((outcome) => 'error' in outcome && outcome.error.code === 'QUOTA')) {
    const freed = await removeExpired(tx, module)
    for (const name of freed.names) kept.delete(name)
    decided = decideCommits(commits, { ...given, usage: { keys: usage.keys - freed.keys, bytes: usage.bytes - freed.bytes } })
  }
  if (decided.changes.length > 0) await writeChanges(tx, module, decided.changes, decided.usage)
  return decided.outcomes
}

function lockUsage(tx: TransactionSql, module: string) {
  return tx<KvUsage[]>`
    select keys::float8, bytes::float8, set_config('statement_timeout', ${String(STATEMENT_MS)}, true)
    from bulkhead.kv_usage where module = ${module} for update`
}

/** At least one row, as the version comes with each. */
function selectKept(tx: TransactionSql, module: string, keys: Buffer[]) {
  return tx<Array<{ drawn: string; key: Buffer | null; bytes: number; version: string; expired: boolean; counter: Buffer | null }>>`
    select drawn::text, key, octet_length(key) + octet_length(value) as bytes, version::text,
      coalesce(expires_at <= clock_timestamp(), false) as expired, case when kind = 'u' then value end as counter
    from (select nextval('bulkhead.kv_version') as drawn) as versions
    left join bulkhead.kv on module = ${module} and key = any (${byteas(tx, keys)})`
}

/** At once: each of them takes another row. */
async function writeChanges(tx: TransactionSql, module: string, changes: Change[], usage: KvUsage): Promise<void> {
  const gone = changes.flatMap(({ key, value }) => (value ? [] : [key]))
  const set = changes.filter((change): change is Change & { value: KvValue } => change.value !== undefined)
  await tx`
    with removed as (
      delete from bulkhead.kv where module = ${module} and key = any (${byteas(tx, gone)})
    ), written as (
      insert into bulkhead.kv (module, key, kind, value, version, expires_at)
      select ${module}, key, kind::"char", value, version, clock_timestamp() + ms * interval '1 millisecond'
      from unnest(
        ${byteas(tx, set.map(({ key }) => key))}, ${set.map(({ value }) => value.kind)}::text[],
        ${byteas(tx, set.map(({ value }) => value.bytes))}, ${set.map(({ version }) => String(version))}::int8[],
        ${set.map(({ expireInMs }) => expireInMs ?? null)}::float8[]
      ) as new (key, kind, value, version, ms)
      on conflict (module, key) do update
      set kind = excluded.kind, value = excluded.value, version = excluded.version, expires_at = excluded.expires_at
    )
    update bulkhead.kv_usage set keys = ${usage.keys}, bytes = ${usage.bytes} where module = ${module}`
}

async function removeExpired(tx: TransactionSql, module: string): Promise<KvUsage & { names: Set<string> }> {
  const rows = await tx<Array<{ key: Buffer; bytes: number }>>`
    delete from bulkhead.kv where module = ${module} and key in (
      select key from bulkhead.kv where module = ${module} and expires_at <= clock_timestamp() limit ${SWEEP_ROWS})
    returning key, octet_length(key) + octet_length(value) as bytes`
  const names = new Set(rows.map(({ key }) => nameOf(key)))
  return { names, keys: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) }
}

/** The module's row first, then the keys': in this order writers lock as well. */
async function sweep(sql: Sql): Promise<number> {
  const modules = await sql<Array<{ module: string }>>`select distinct module from bulkhead.kv where expires_at <= clock_timestamp()`
  let removed = 0
  for (const { module } of modules) {
    for (let last = SWEEP_ROWS; last === SWEEP_ROWS; removed += last) {
      last = await sql.begin(async (tx) => {
        await lockUsage(tx, module)
        const { keys, bytes } = await removeExpired(tx, module)
        await tx`update bulkhead.kv_usage set keys = keys - ${keys}, bytes = bytes - ${bytes} where module = ${module}`
        return keys
      })
    }
  }
  return removed
}

/** The driver takes an array for one of what its first element is, and bytes for a bytea. */
function byteas(sql: Sql | TransactionSql, buffers: Buffer[]) {
  return sql.typed(buffers as never, BYTEA_ARRAY)
}

function weightOf({ checks, mutations }: KvCommit): number {
  const size = (mutation: KvCommit['mutations'][number]) => mutation.key.length + (mutation.type === 'set' ? mutation.value.bytes.length : 8)
  return checks.reduce((sum, { key }) => sum + key.length, 0) + mutations.reduce((sum, mutation) => sum + size(mutation), 0)
}

function entryOf({ key, kind, value, version }: Row): KvEntry {
  return { key, value: { kind, bytes: value }, version: BigInt(version) }
}

function nameOf(key: Buffer): string {
  return key.toString('latin1')
}
