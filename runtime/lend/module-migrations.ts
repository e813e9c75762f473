import postgres, { type Sql, type TransactionSql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { kindOf, storeFailed } from '../store/failures.ts'
import { projectionsOf } from './harden.ts'
import { LEND_LIMITS } from './limits.ts'
import { type MigrationFile, planMigrations, readMigrationFiles } from './migration-files.ts'
import type { PlannedStatement } from './migration-thread.ts'
import { identifier } from './names.ts'
import type { Access } from './roles.ts'

export interface AppliedMigration {
  number: number
  name: string
  checksum: string
  durationMs: number
  appliedAt: Date
  /** Whether the way back is known. */
  reversible: boolean
}

export interface MigrationStatus {
  applied: AppliedMigration[]
  /** Names of files that were not run yet; `undefined` where there is no folder to look into. */
  pending: string[] | undefined
  /** Why the files cannot be run. */
  problem: string | undefined
}

/** The tables of modules, as the files of their folders make them. */
export interface ModuleMigrations {
  /**
   * Sees to it that a version finds its tables: the module's role, its schema, and what its folder makes there.
   *
   * Nothing is done for a module that asks for tables and was not granted any.
   *
   * @param options.ahead whether files that a later version has brought may have been run besides: of a version that
   * somebody has gone back to, whose tables are as the later one has left them
   * @returns the names of the files run now
   * @throws INVALID where it does not ask for the permission `db` and its folder makes tables; what `migrate` throws
   */
  bringUp(manifest: { name: string; permissions: readonly string[] }, folder: string, granted: ReadonlySet<string>, options?: { ahead?: boolean }): Promise<string[]>
  /**
   * Runs what the folder has and was not run: each file in a transaction, as the module's role in its schema. The order
   * among modules does not matter, as none can name the tables of another.
   *
   * @returns the names of the files run now
   * @throws CONFLICT before anything is run where a file that was run is changed, missing or out of its order; INVALID
   * with file and line for what is not allowed or fails; QUOTA; what is before the failing file stays run
   */
  migrate(module: string, folder: string): Promise<string[]>
  /** Takes back the last `steps` files, by the down files they came with. @returns their names @throws CONFLICT, INVALID */
  rollback(module: string, steps: number): Promise<string[]>
  status(module: string, folder: string | undefined): Promise<MigrationStatus>
}

interface Options {
  sql: Sql
  /** Makes the module's role and schema. */
  prepare(module: string): Promise<Access>
  limits?: MigrationLimits
}

export interface MigrationLimits {
  statementMs: number
  /** Of the module's tables and indexes, after each file. */
  schemaBytes: number
  /** By which the database may grow while a file is run. */
  growthBytes: number
}

const LIMITS: MigrationLimits = { statementMs: 60_000, schemaBytes: LEND_LIMITS.schemaBytes, growthBytes: 2 * LEND_LIMITS.schemaBytes }
const LOCK = 0x62756c6b
const GROWTH_MS = 250
/** Those of a module's own sessions, which `set role` does not bring with it. */
const SETTINGS = `
  set local lock_timeout = '5s'; set local work_mem = '16MB'; set local maintenance_work_mem = '32MB'; set local jit = off;
  set local max_parallel_workers_per_gather = 0; set local max_parallel_maintenance_workers = 0;
  set local client_min_messages = error; set local standard_conforming_strings = on; set local timezone = 'UTC';
  set local datestyle = 'ISO, YMD'; set local row_security = on; set local check_function_bodies = on`

type Recorded = AppliedMigration & { down: string | null; isTold: boolean }

/** @example await openModuleMigrations({ sql, prepare: lend.prepare }).migrate('notes', 'modules/notes') // ['0001_notes.sql'] */
export function openModuleMigrations({ sql, prepare, limits = LIMITS }: Options): ModuleMigrations {
  let projections: Promise<string[]> | undefined

  async function plan(module: string, files: ReadonlyArray<{ name: string; text: string }>) {
    if (files.length === 0) return {}
    projections ??= projectionsOf(sql)
    projections.catch(() => (projections = undefined))
    return planMigrations(module, files, await projections)
  }

  /** Runs the statements of one file as the module, and `note`s it, all or nothing. */
  async function run(access: Access, name: string, statements: PlannedStatement[], note: (tx: TransactionSql, ms: number) => Promise<boolean>): Promise<boolean> {
    const { module, schema, credentials } = access
    const growth = watchGrowth(sql, limits.growthBytes)
    let current: PlannedStatement | undefined
    try {
      return await sql.begin(async (tx) => {
        const started = performance.now()
        await lock(tx, module)
        const [backend] = await tx<Array<{ pid: number }>>`select pg_backend_pid() as pid`
        growth.watch(backend?.pid ?? 0)
        // Noted first: where another host was faster, nothing is run.
        if (!(await note(tx, 0))) return false
        await enter(tx, schema, credentials.user)
        for (const statement of statements) {
          current = statement
          // One statement by the server's own count, whatever the two parsers might make of a text.
          await tx.unsafe(statement.text, [], { simple: false } as never)
        }
        current = undefined
        await leave(tx, schema, credentials.user)
        await refuseSize(tx, schema)
        await note(tx, Math.round(performance.now() - started))
        return true
      })
    } catch (error) {
      throw growth.error ?? explain(error, { module, name, statement: current })
    } finally {
      growth.stop()
    }
  }

  async function enter(tx: TransactionSql, schema: string, user: string): Promise<void> {
    await tx.unsafe(`${SETTINGS}; set local statement_timeout = ${limits.statementMs};
      grant create on schema ${identifier(schema)} to ${identifier(user)};
      set local search_path = ${identifier(schema)}; set local role ${identifier(user)}`)
  }

  async function leave(tx: TransactionSql, schema: string, user: string): Promise<void> {
    await tx.unsafe(`set constraints all immediate; set local role none; revoke create on schema ${identifier(schema)} from ${identifier(user)}`)
  }

  async function refuseSize(tx: TransactionSql, schema: string): Promise<void> {
    const [row] = await tx<Array<{ bytes: number }>>`
      select coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)), 0)::float8 as bytes
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = ${schema} and c.relkind in ('r', 'm')`
    if ((row?.bytes ?? 0) <= limits.schemaBytes) return
    throw new BulkheadError('QUOTA', `the module's tables would take ${row?.bytes} bytes and may take ${limits.schemaBytes}`)
  }

  async function migrate(access: Access, folder: string, ahead = false): Promise<string[]> {
    const { module } = access
    const files = await readMigrationFiles(folder)
    const done = await recorded(sql, module)
    const pending = pendingOf(module, files, ahead ? done.slice(0, files.length) : done)
    for (const { number, isTold } of done) if (!isTold) await noteText(sql, module, files.find((file) => file.number === number))
    const plans = await plan(module, textsOf(pending))
    const ran: string[] = []
    for (const file of pending) {
      const note = (tx: TransactionSql, ms: number) => noteRun(tx, module, file, ms)
      if (await run(access, file.name, plans[file.name] ?? [], note)) ran.push(file.name)
    }
    return ran
  }

  return {
    async bringUp({ name, permissions }, folder, granted, { ahead = false } = {}) {
      if (granted.has('db')) return migrate(await prepare(name), folder, ahead)
      const [file] = permissions.includes('db') ? [] : await readMigrationFiles(folder)
      if (file === undefined) return []
      throw new BulkheadError('INVALID', `cannot run the migration ${file.name} of ${name}, its manifest does not ask for the permission "db"`)
    },
    migrate: async (module, folder) => migrate(await prepare(module), folder),
    async rollback(module, steps) {
      const last = (await recorded(sql, module)).toReversed().slice(0, steps)
      if (last.length === 0) throw new BulkheadError('CONFLICT', `cannot roll back ${module}, no migration of it was run`)
      const texts = last.map(({ name, down }) => {
        if (down !== null) return { name, text: down }
        throw new BulkheadError('CONFLICT', `cannot roll back ${name} of ${module}, it came without a ${name.replace(/\.sql$/, '.down.sql')}`)
      })
      const plans = await plan(module, texts)
      const access = await prepare(module)
      for (const { number, name } of last) {
        const note = (tx: TransactionSql, ms: number) => noteTakenBack(tx, module, number, ms)
        const taken = await run(access, name.replace(/\.sql$/, '.down.sql'), plans[name] ?? [], note)
        if (!taken) throw new BulkheadError('CONFLICT', `cannot roll back ${name} of ${module}, it is not the last one any more`)
      }
      return last.map(({ name }) => name)
    },
    async status(module, folder) {
      const done = await recorded(sql, module)
      const applied = done.map(({ number, name, checksum, durationMs, appliedAt, down }) => ({ number, name, checksum, durationMs, appliedAt, reversible: down !== null }))
      if (folder === undefined) return { applied, pending: undefined, problem: undefined }
      try {
        return { applied, pending: pendingOf(module, await readMigrationFiles(folder), done).map(({ name }) => name), problem: undefined }
      } catch (thrown) {
        if (thrown instanceof BulkheadError) return { applied, pending: [], problem: thrown.message }
        throw thrown
      }
    },
  }
}

/** The ways back are judged with the files, so that one that cannot be run is not kept for the day it is needed. */
function textsOf(pending: MigrationFile[]): Array<{ name: string; text: string }> {
  return pending.flatMap(({ name, text, down }) => [
    { name, text },
    ...(down === undefined ? [] : [{ name: name.replace(/\.sql$/, '.down.sql'), text: down }]),
  ])
}

function pendingOf(module: string, files: MigrationFile[], done: Recorded[]): MigrationFile[] {
  const refuse = (why: string): never => {
    throw new BulkheadError('CONFLICT', `cannot migrate ${module}: ${why}`)
  }
  for (const [index, { name, checksum }] of done.entries()) {
    const file = files[index]
    if (file === undefined) return refuse(`${name} was run but is missing; roll it back first, or bring the file back`)
    if (file.name !== name) return refuse(`${name} was run but is missing, ${file.name} stands in its place`)
    if (file.checksum !== checksum) return refuse(`${name} was changed after it was run; what is to change goes into a new file`)
  }
  return files.slice(done.length)
}

async function recorded(sql: Sql, module: string): Promise<Recorded[]> {
  return [
    ...(await sql<Recorded[]>`
      select number, name, checksum, down, text is not null as "isTold", duration_ms as "durationMs", applied_at as "appliedAt"
      from bulkhead.mod_migrations where module = ${module} order by number`),
  ]
}

/** Until the transaction's end; other modules are not kept waiting. */
async function lock(tx: TransactionSql, module: string): Promise<void> {
  await tx`select pg_advisory_xact_lock(${LOCK}, hashtext(${module}))`
}

/** First that it is run, then how long it took. @returns whether it is ours to run */
async function noteRun(tx: TransactionSql, module: string, { number, name, checksum, text, down }: MigrationFile, ms: number): Promise<boolean> {
  const rows = await tx`
    insert into bulkhead.mod_migrations (module, number, name, checksum, text, down, duration_ms)
    values (${module}, ${number}, ${name}, ${checksum}, ${text}, ${down ?? null}, ${ms})
    on conflict (module, number) do update set duration_ms = excluded.duration_ms
    where ${ms} > 0 and mod_migrations.checksum = excluded.checksum returning number`
  return rows.length > 0
}

/** What was run before its text was kept. */
async function noteText(sql: Sql, module: string, file: MigrationFile | undefined): Promise<void> {
  if (!file) return
  await sql`update bulkhead.mod_migrations set text = ${file.text} where module = ${module} and number = ${file.number} and checksum = ${file.checksum} and text is null`
}

async function noteTakenBack(tx: TransactionSql, module: string, number: number, ms: number): Promise<boolean> {
  if (ms > 0) return true
  const rows = await tx`
    delete from bulkhead.mod_migrations where module = ${module} and number = ${number}
      and number = (select max(number) from bulkhead.mod_migrations where module = ${module}) returning number`
  return rows.length > 0
}

/** A single statement can fill the disk before its end; nobody but the server's files tells of it until then. */
function watchGrowth(sql: Sql, most: number) {
  let timer: NodeJS.Timeout | undefined
  let error: BulkheadError | undefined
  const sizeNow = async () => {
    const [row] = await sql<Array<{ bytes: number }>>`select pg_database_size(current_database())::float8 as bytes`
    return row?.bytes ?? 0
  }
  return {
    get error() {
      return error
    },
    watch(pid: number) {
      let first: number | undefined
      timer = setInterval(async () => {
        const bytes = await sizeNow().catch(() => 0)
        first ??= bytes
        if (bytes - first <= most || error) return
        error = new BulkheadError('QUOTA', `cannot run the migration, the database grew by more than ${most} bytes meanwhile`)
        await sql`select pg_cancel_backend(${pid})`.catch(() => {})
      }, GROWTH_MS).unref()
    },
    stop: () => clearInterval(timer),
  }
}

function explain(error: unknown, { module, name, statement }: { module: string; name: string; statement: PlannedStatement | undefined }): BulkheadError {
  const where = `cannot run the migration ${name} of ${module}`
  if (error instanceof BulkheadError && error.code === 'QUOTA') return new BulkheadError('QUOTA', `${where}, ${error.message}`)
  if (statement === undefined || !(error instanceof postgres.PostgresError)) return storeFailed(`run the migration ${name} of ${module}`, error)
  const line = statement.line + (error.position === undefined ? 0 : linesBefore(statement.text, Number(error.position)))
  const details = { file: name, line, statement: statement.text.slice(0, 500), sqlstate: error.code }
  const code = kindOf(error) === 'again' && error.code !== '57014' ? 'STORE_FAILED' : 'INVALID'
  return new BulkheadError(code, `${where}, line ${line}: ${error.message}`, details, error)
}

function linesBefore(text: string, position: number): number {
  return text.slice(0, Math.max(0, position - 1)).split('\n').length - 1
}
