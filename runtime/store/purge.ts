import type { Sql, TransactionSql } from 'postgres'
import { identifier, roleOf, schemaOf } from '../lend/names.ts'
import { lockChanges } from './change-lock.ts'
import { storeFailed } from './failures.ts'

/** Kinds of what is kept of a module and for it. */
export const PURGED = ['tables', 'keys', 'records', 'logs', 'config', 'events'] as const
export type Purged = (typeof PURGED)[number]

/**
 * Deletes what is kept of a module: all of each kind, or nothing where one cannot be deleted. What it was granted is no
 * part of it. Of its configuration the history keeps who changed something and when, and no longer what.
 *
 * @returns how many rows, keys, tables of each kind there were
 * @throws STORE_FAILED
 * @example await purgeModule(database, 'notes', ['tables', 'keys']) // { tables: 2, keys: 10 }
 */
export async function purgeModule(
  { sql, kind }: { sql: Sql; kind: 'embedded' | 'external' },
  module: string,
  what: readonly Purged[],
): Promise<Partial<Record<Purged, number>>> {
  const role = roleOf(module, kind === 'embedded' ? undefined : String(sql.options.database))
  const purge: Record<Purged, (tx: TransactionSql) => Promise<number>> = {
    tables: (tx) => dropTables(tx, module, role),
    async keys(tx) {
      await tx`delete from bulkhead.kv_usage where module = ${module}`
      return (await tx`delete from bulkhead.kv where module = ${module}`).count
    },
    records: async (tx) => (await tx`delete from bulkhead.extractions where module = ${module}`).count,
    logs: async (tx) => (await tx`delete from bulkhead.logs where module = ${module}`).count,
    async config(tx) {
      await lockChanges(tx)
      await tx`update bulkhead.config_changes set before = null, after = null where module = ${module}`
      const removed = await tx<Array<{ scope: string; id: string }>>`delete from bulkhead.module_configs where module = ${module} returning scope, id`
      // By which other hosts learn of it.
      for (const { scope, id } of removed) {
        await tx`insert into bulkhead.config_changes (module, scope, id, action, changed_by) values (${module}, ${scope}, ${id}, 'unset', 'purge')`
      }
      return removed.length
    },
    async events(tx) {
      await tx`delete from bulkhead.job_runs where module = ${module}`
      const { count } = await tx`delete from bulkhead.deliveries where module = ${module}`
      await tx`delete from bulkhead.events e where not exists (select from bulkhead.deliveries d where d.event = e.id) and e.created_at < now() - interval '1 minute'`
      return count
    },
  }
  try {
    return await sql.begin(async (tx) => {
      const gone: Partial<Record<Purged, number>> = {}
      for (const one of what) gone[one] = await purge[one](tx)
      return gone
    })
  } catch (error) {
    throw storeFailed(`delete what is kept of ${module}`, error)
  }
}

async function dropTables(tx: TransactionSql, module: string, role: string): Promise<number> {
  const schema = schemaOf(module)
  const [found] = await tx<Array<{ tables: number; there: boolean; role: boolean }>>`
    select (select count(*)::int from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = ${schema} and c.relkind in ('r', 'p', 'm')) as tables,
      exists (select from pg_namespace where nspname = ${schema}) as there, exists (select from pg_roles where rolname = ${role}) as role`
  await tx`delete from bulkhead.mod_migrations where module = ${module}`
  // What it has open, on any host, holds its tables, and its role.
  if (found?.role) await tx`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role} and pid <> pg_backend_pid()`
  if (found?.there) await tx.unsafe(`drop schema ${identifier(schema)} cascade`)
  if (found?.role) await tx.unsafe(`drop owned by ${identifier(role)}; drop role ${identifier(role)}`)
  return found?.tables ?? 0
}
