import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres, { type Sql, type TransactionSql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'

interface Migration {
  number: number
  name: string
  text: string
  checksum: string
}

const FOLDER = join(import.meta.dirname, 'migrations')
const LOCK = 0x62756c6b_0002

/**
 * Brings the schema `bulkhead` up to date: runs the files `0001_name.sql`, `0002_name.sql`, … that have not been run,
 * each in a transaction of its own. Hosts that start at the same time wait for each other.
 *
 * @returns the names of the files that were run now
 * @throws CONFLICT when a file that was run is changed or missing, or the numbers have gaps; nothing is run then.
 * STORE_FAILED when a statement fails, with file and line; the files before it stay applied
 * @example await migrate(database.sql)
 */
export async function migrate(sql: Sql, { folder = FOLDER }: { folder?: string } = {}): Promise<string[]> {
  const files = await readMigrations(folder)
  const applied: string[] = []
  for (let done = await prepare(sql, files); done < files.length; done++) {
    const file = files[done] as Migration
    const ran = await sql.begin((tx) => apply(tx, file)).catch((error: unknown) => { throw explain(file, error) })
    if (ran) applied.push(file.name)
  }
  return applied
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted()
  return Promise.all(names.map(async (name, index) => {
    const number = Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1])
    if (number !== index + 1) {
      const expected = `${String(index + 1).padStart(4, '0')}_name.sql`
      throw refusal(`${name} stands where ${expected} is expected, numbers have no gaps and no doubles`)
    }
    const text = (await readFile(join(folder, name), 'utf8')).replaceAll('\r\n', '\n')
    return { number, name, text, checksum: createHash('sha256').update(text).digest('hex') }
  }))
}

/** Makes the schema and the list of what was run, compares that list with the files, and tells its length. */
async function prepare(sql: Sql, files: Migration[]): Promise<number> {
  return sql.begin(async (tx) => {
    await lock(tx)
    const [found] = await tx`select to_regclass('bulkhead.migrations') is not null as made`
    if (found?.['made'] !== true) {
      await tx.unsafe(`
        create schema if not exists bulkhead;
        revoke all on schema bulkhead from public;
        create table bulkhead.migrations (
          number integer primary key,
          name text not null,
          checksum text not null,
          duration_ms integer not null,
          applied_at timestamptz not null default now()
        )`)
    }
    const rows = await tx<Migration[]>`select number, name, checksum from bulkhead.migrations order by number`
    for (const [index, row] of rows.entries()) {
      const file = files[index]
      if (file === undefined) throw refusal(`${row.name} was run but is missing: this version is older than the database`)
      if (file.name !== row.name) throw refusal(`${row.name} was run but is missing, ${file.name} stands in its place`)
      if (file.checksum !== row.checksum) throw refusal(`${row.name} was changed after it was run`)
    }
    return rows.length
  }).catch((error: unknown) => {
    if (error instanceof BulkheadError) throw error
    const { database, user } = sql.options
    const isGrant = error instanceof postgres.PostgresError && error.code === '42501'
    const remedy = isGrant ? `, it needs: grant create on database ${database} to ${user}` : ''
    const message = `cannot prepare the database: ${(error as Error).message}${remedy}`
    throw new BulkheadError('STORE_FAILED', message, undefined, error)
  })
}

async function apply(tx: TransactionSql, file: Migration): Promise<boolean> {
  await lock(tx)
  const [done] = await tx`select from bulkhead.migrations where number = ${file.number}`
  if (done !== undefined) return false // another host was faster
  const start = performance.now()
  await tx.unsafe(file.text)
  const duration = Math.round(performance.now() - start)
  await tx`insert into bulkhead.migrations (number, name, checksum, duration_ms)
    values (${file.number}, ${file.name}, ${file.checksum}, ${duration})`
  return true
}

/** Until the transaction's end, so that it also holds behind a pooler that hands out connections by transaction. */
async function lock(tx: TransactionSql): Promise<void> {
  await tx`select pg_advisory_xact_lock(${LOCK})`
}

function explain(file: Migration, error: unknown): unknown {
  if (!(error instanceof postgres.PostgresError)) return error
  const line = error.position === undefined ? '' : ` line ${file.text.slice(0, Number(error.position)).split('\n').length}`
  const message = `cannot run the migration ${file.name}${line}: ${error.message}`
  return new BulkheadError('STORE_FAILED', message, undefined, error)
}

function refusal(why: string): BulkheadError {
  return new BulkheadError('CONFLICT', `cannot migrate the database: ${why}`)
}
