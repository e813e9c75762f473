import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import postgres, { type Sql, type TransactionSql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { type ImportReport, type Line, openModuleLines, sumUp } from '../data/import.ts'
import type { ModuleMigrations } from '../lend/module-migrations.ts'
import { identifier, literal, schemaOf } from '../lend/names.ts'
import { lockChanges } from '../store/change-lock.ts'
import type { Database } from '../store/database.ts'
import { storeFailed } from '../store/failures.ts'
import { purgeModule } from '../store/purge.ts'
import { type BackedMigration, OWN_KEYS, type PlatformTable, PLATFORM_TABLES, refusal } from './format.ts'
import type { Spooled } from './spool.ts'

export interface RestoreParts {
  database: Database
  tables: Pick<ModuleMigrations, 'migrate'>
  /** Makes a module's role and schema. */
  prepare(module: string): Promise<unknown>
  /** For what is laid out meanwhile. */
  folder: string
}

const BATCH_LINES = 200
const BATCH_BYTES = 1024 * 1024
const STATEMENT_MS = 60_000
const LOCK_MS = 5_000
/** The comment of a schema whose tables belong to a restoring that has not ended: a host that dies leaves them behind. */
const MARK = 'bulkhead: being restored'

/**
 * Puts a backup into a database that holds nothing of its own but what a first start makes: all of it, or nothing.
 * Tables of modules are made first, by their migrations; everything else is one transaction.
 *
 * @throws BulkheadError `INVALID` for what the database does not take, `STORE_FAILED`; what migrations of modules throw
 */
export async function restoreInto({ database, tables, prepare, folder }: RestoreParts, backup: Spooled): Promise<void> {
  const made: string[] = []
  try {
    for (const module of await halfDone(database.sql)) await purgeModule(database, module, ['tables'])
    for (const [module, migrations] of backup.migrations) {
      made.push(module)
      await prepare(module)
      await mark(database.sql, module, MARK)
      await makeTables(tables, join(folder, 'restore-'), module, migrations)
    }
    await database.sql.begin(async (tx) => {
      await tx.unsafe(`set local statement_timeout = ${STATEMENT_MS}; set local idle_in_transaction_session_timeout = ${STATEMENT_MS}; set local lock_timeout = ${LOCK_MS}`)
      await lockChanges(tx)
      // What modules of the host's folder write meanwhile would meet what is restored.
      await tx`lock table bulkhead.kv, bulkhead.kv_usage in exclusive mode`
      await clear(tx)
      for (const module of made) await emptyTables(tx, module)
      await putAll(tx, backup)
      await setSequences(tx)
      for (const module of made) await mark(tx, module, null)
    })
  } catch (thrown) {
    for (const module of made) await purgeModule(database, module, ['tables']).catch(() => {})
    throw storeFailed('restore the backup', thrown)
  }
}

/** Modules whose tables were made by a restoring that has not ended. */
export async function halfDone(sql: Sql): Promise<string[]> {
  const rows = await sql<Array<{ module: string }>>`select distinct module from bulkhead.mod_migrations order by 1`
  const marked = await sql<Array<{ name: string }>>`select nspname as name from pg_namespace where obj_description(oid, 'pg_namespace') = ${MARK}`
  return rows.map(({ module }) => module).filter((module) => marked.some(({ name }) => name === schemaOf(module)))
}

async function mark(sql: Sql | TransactionSql, module: string, comment: string | null): Promise<void> {
  await sql.unsafe(`comment on schema ${identifier(schemaOf(module))} is ${comment === null ? 'null' : literal(comment)}`)
}

/** By the files that its tables were made by, laid out as a module has them. */
async function makeTables(tables: RestoreParts['tables'], prefix: string, module: string, migrations: readonly BackedMigration[]): Promise<void> {
  await mkdir(dirname(prefix), { recursive: true })
  const folder = await mkdtemp(prefix)
  try {
    await mkdir(join(folder, 'database/migrations'), { recursive: true })
    for (const { number, name, text, down } of migrations) {
      const place = join(folder, number === 0 ? 'database' : 'database/migrations', name)
      await writeFile(place, text)
      if (down !== null) await writeFile(place.replace(/\.sql$/, '.down.sql'), down)
    }
    await tables.migrate(module, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What a first start has made is of the versions that it has found, which are found again. */
async function clear(tx: TransactionSql): Promise<void> {
  for (const table of PLATFORM_TABLES.toReversed()) {
    if (table === 'logs') continue
    await tx`delete from ${tx(`bulkhead.${table}`)} ${table === 'api_keys' ? tx`where not id = any (${OWN_KEYS}::uuid[])` : tx``}`
  }
}

/** Migrations may have put rows there, which the backup has as they became. */
async function emptyTables(tx: TransactionSql, module: string): Promise<void> {
  const schema = schemaOf(module)
  const found = await tx<Array<{ name: string; owner: string }>>`
    select c.relname as name, pg_get_userbyid(c.relowner) as owner from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind = 'r'`
  const [first] = found
  if (!first) return
  const all = found.map(({ name }) => `${identifier(schema)}.${identifier(name)}`).join(', ')
  await tx.unsafe(`set local role ${identifier(first.owner)}; truncate ${all}; set local role none`)
}

async function putAll(tx: TransactionSql, backup: Spooled): Promise<void> {
  const rows = openRows(tx)
  let module: { reader: ReturnType<typeof openModuleLines>; report: ImportReport } | undefined
  const endModule = async () => {
    if (!module) return
    await module.reader.flush()
    await refreshViews(tx, module.report.module)
    await sumUp(tx, module.report.module)
  }
  for await (const { line, fields } of backup.lines()) {
    if (fields['format'] === 'bulkhead-module') {
      await endModule()
      const report: ImportReport = { module: String(fields['module']), dryRun: false, tables: {}, keys: 0, extractions: 0 }
      module = { report, reader: openModuleLines(tx, report) }
    }
    if (module) await module.reader.take(line, fields)
    else if ('platform' in fields) await rows.take(fields['platform'] as PlatformTable, line)
    else if ('piece' in fields) await rows.flush().then(() => putPiece(tx, line))
  }
  await rows.flush()
  await endModule()
}

/** Views that keep what they show, in the order in which they were made. */
async function refreshViews(tx: TransactionSql, module: string): Promise<void> {
  const schema = schemaOf(module)
  const views = await tx<Array<{ name: string; owner: string }>>`
    select c.relname as name, pg_get_userbyid(c.relowner) as owner from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind = 'm' order by c.oid`
  for (const { name, owner } of views) {
    await tx.unsafe(`set local role ${identifier(owner)}; refresh materialized view ${identifier(schema)}.${identifier(name)}; set local role none`)
  }
}

/** Stores rows of the platform's tables, many at a time. */
function openRows(tx: TransactionSql) {
  let batch: { table: PlatformTable; lines: Line[]; bytes: number } = { table: 'roles', lines: [], bytes: 0 }
  const flush = async () => {
    const { table, lines } = batch
    batch = { table, lines: [], bytes: 0 }
    const [first] = lines
    if (first) await told(first, () => putRows(tx, table, lines.map(({ text }) => text)))
  }
  return {
    flush,
    async take(table: PlatformTable, line: Line): Promise<void> {
      if (table !== batch.table || batch.lines.length === BATCH_LINES || batch.bytes > BATCH_BYTES) await flush()
      batch.table = table
      batch.lines.push(line)
      batch.bytes += line.text.length
    },
  }
}

async function putRows(tx: TransactionSql, table: PlatformTable, lines: string[]): Promise<void> {
  const to = tx(`bulkhead.${table}`)
  // A head's revision is a new one, by which hosts that look for changes see it.
  const heads = table === 'module_heads' ? tx`|| jsonb_build_object('revision', nextval('bulkhead.module_head_revisions'))` : tx``
  const row = table === 'module_heads' ? tx`((line::jsonb->'row') ${heads})::json` : tx`line::json->'row'`
  await tx`
    insert into ${to} overriding system value
    select (r).* from (select json_populate_record(null::${to}, ${row}) as r from unnest(${lines}::text[]) as line offset 0) as rows`
}

async function putPiece(tx: TransactionSql, line: Line): Promise<void> {
  const { piece } = JSON.parse(line.text) as { piece: { module: string; number: number; column: string; data: string } }
  const column = tx(piece.column)
  const { count } = await told(line, () => tx`
    update bulkhead.module_versions set ${column} = ${column} || decode(${piece.data}, 'base64') where module = ${piece.module} and number = ${piece.number}`)
  if (count !== 1) throw refusal(line.number, `there is no version ${piece.number} of ${piece.module} before it`)
}

/** The next change has a number that none has had. */
async function setSequences(tx: TransactionSql): Promise<void> {
  for (const table of ['config_changes', 'grant_changes']) {
    await tx`
      select setval(name::regclass, greatest(nextval(name::regclass), (select max(revision) from ${tx(`bulkhead.${table}`)})))
      from pg_get_serial_sequence(${`bulkhead.${table}`}, 'revision') as name`
  }
}

async function told<Result>(line: Line, work: () => PromiseLike<Result>): Promise<Result> {
  try {
    return await work()
  } catch (thrown) {
    if (!(thrown instanceof postgres.PostgresError) || !/^2[23]/.test(thrown.code)) throw thrown
    throw new BulkheadError('INVALID', `cannot restore, line ${line.number} or soon after it: ${thrown.message}`, { line: line.number, sqlstate: thrown.code }, thrown)
  }
}
