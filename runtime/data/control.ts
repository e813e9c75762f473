import { asBulkheadError, BulkheadError, type ErrorText } from '../../bridge/errors.ts'
import type { MigrationStatus, ModuleMigrations } from '../lend/module-migrations.ts'
import { schemaOf } from '../lend/names.ts'
import type { Modules } from '../modules.ts'
import type { Database } from '../store/database.ts'
import type { KeyValues } from '../store/kv.ts'
import { type Dropped, dropExpired, type RetentionPolicy } from '../store/retention.ts'
import { exportModule } from './export.ts'
import { importModule, type ImportReport } from './import.ts'
import { queryDatabase, type QueryResult } from './query.ts'
import { describeSchema, type TableDescription } from './schema.ts'
import { findProblems, type Problem } from './validate.ts'

export interface DatabaseStatus {
  database: string
  kind: Database['kind']
  version: string
  bytes: number
  connections: { open: number; most: number }
  modules: Array<{
    module: string
    tableBytes: number
    keys: number
    keyBytes: number
    applied: number
    pending: string[]
    problem: string | null
  }>
}

export interface Migrated {
  module: string
  ran: string[]
  error: ErrorText | null
}

/** What an operator may do with the database and what modules keep in it. */
export interface DataControl {
  status(): Promise<DatabaseStatus>
  /** Runs what is pending, of one module or of all; what fails is told and stops no other. @throws NOT_FOUND */
  migrate(module?: string): Promise<Migrated[]>
  /** @returns which migrations, the last first @throws NOT_FOUND, CONFLICT, INVALID */
  rollback(module: string, options: { steps: number; dryRun: boolean }): Promise<string[]>
  /** @throws NOT_FOUND */
  schema(module: string): Promise<TableDescription[]>
  query(text: string, options: { write: boolean; limit: number }): Promise<QueryResult>
  /** @throws NOT_FOUND before the first line */
  export(module: string): AsyncIterable<string>
  import(module: string, chunks: AsyncIterable<Uint8Array>, options: { dryRun: boolean }): Promise<ImportReport>
  /** By the retention that is in force, or by another. */
  clean(options: Partial<RetentionPolicy> & { dryRun: boolean }): Promise<Dropped[]>
  validate(): Promise<Problem[]>
}

interface Parts {
  database: Database
  modules: Pick<Modules, 'all' | 'list'>
  tables: ModuleMigrations
  kv: KeyValues
  retention: RetentionPolicy
}

export function openDataControl({ database, modules, tables, kv, retention }: Parts): DataControl {
  const { sql } = database
  /** Folders by name, of those that could be read. */
  const folders = () => new Map([...modules.all()].map(({ folder, supervisor }) => [supervisor.name, folder]))
  const find = (module: string): string => {
    const folder = folders().get(module)
    if (folder === undefined) throw new BulkheadError('NOT_FOUND', `no module named ${JSON.stringify(module)}`)
    return folder
  }
  const mayHaveTables = (module: string) => modules.list().some(({ name, granted }) => name === module && granted.includes('db'))

  async function statusOf(module: string, folder: string): Promise<DatabaseStatus['modules'][number]> {
    const [usage, migrations, [size]] = await Promise.all([
      kv.usage(module),
      tables.status(module, folder),
      sql<Array<{ bytes: number }>>`
        select coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 as bytes from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = ${schemaOf(module)} and c.relkind in ('r', 'm')`,
    ])
    const { applied, pending = [], problem }: MigrationStatus = migrations
    return { module, tableBytes: size?.bytes ?? 0, keys: usage.keys, keyBytes: usage.bytes, applied: applied.length, pending, problem: problem ?? null }
  }

  return {
    async status() {
      const [server] = await sql<Array<{ version: string; bytes: number; open: number; most: number }>>`
        select current_setting('server_version') as version, pg_database_size(current_database())::float8 as bytes,
          (select count(*)::int from pg_stat_activity where datname = current_database()) as open, current_setting('max_connections')::int as most`
      const { version = '', bytes = 0, open = 0, most = 0 } = server ?? {}
      const perModule = []
      for (const [module, folder] of [...folders()].toSorted()) perModule.push(await statusOf(module, folder))
      return { database: database.describe, kind: database.kind, version, bytes, connections: { open, most }, modules: perModule }
    },
    async migrate(module) {
      const chosen = module === undefined ? [...folders()].toSorted() : [[module, find(module)] as const]
      const migrated: Migrated[] = []
      for (const [name, folder] of chosen) {
        if (!mayHaveTables(name)) {
          if (module !== undefined) throw new BulkheadError('CONFLICT', `cannot migrate ${name}, it has not been granted the permission "db"`)
          continue
        }
        const done = tables.migrate(name, folder).then((ran) => ({ module: name, ran, error: null }))
        migrated.push(await done.catch((thrown: unknown) => ({ module: name, ran: [], error: asBulkheadError(thrown).toJSON() })))
      }
      return migrated
    },
    async rollback(module, { steps, dryRun }) {
      find(module)
      if (!dryRun) return tables.rollback(module, steps)
      const { applied } = await tables.status(module, undefined)
      return applied.toReversed().slice(0, steps).map(({ name }) => name)
    },
    async schema(module) {
      find(module)
      return describeSchema(sql, module)
    },
    query: (text, options) => queryDatabase(sql, text, options),
    export(module) {
      find(module)
      return exportModule(sql, module)
    },
    async import(module, chunks, options) {
      find(module)
      return importModule(sql, module, chunks, options)
    },
    clean: ({ dryRun, ...policy }) => dropExpired(sql, { ...retention, ...policy }, { dryRun }),
    async validate() {
      const known = folders()
      const problems = await findProblems({ sql, kind: database.kind, modules: [...known.keys()] })
      for (const [module, folder] of known) {
        const { problem } = await tables.status(module, folder)
        if (problem !== undefined) problems.push({ kind: 'checksum', module, message: problem })
      }
      return problems
    },
  }
}
