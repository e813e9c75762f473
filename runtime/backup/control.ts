import { basename } from 'node:path'
import { BulkheadError } from '../../bridge/errors.ts'
import type { Decisions } from '../decisions.ts'
import type { Lend } from '../lend/lend.ts'
import type { ModuleMigrations } from '../lend/module-migrations.ts'
import type { Modules } from '../modules.ts'
import type { Database } from '../store/database.ts'
import { asked } from '../store/failures.ts'
import type { Versions } from '../versions.ts'
import { backUp, type BackupOptions, schemaNow } from './backup.ts'
import { OWN_KEYS } from './format.ts'
import { halfDone, restoreInto } from './restore.ts'
import { spool, type Spooled } from './spool.ts'

export interface RestoreReport {
  takenAt: Date
  /** Rows by what they are. */
  counts: Record<string, number>
  /** What stands in the way: of a dry run, as without one it is refused. */
  obstacles: string[]
  done: boolean
}

export interface RestoreOptions {
  dryRun: boolean
  report(progress: { step: string }): void
}

/** All that is kept, taken out and put into another installation. */
export interface Backups {
  /** @throws BulkheadError `CONFLICT` before the first line */
  take(options: BackupOptions): AsyncIterable<string>
  /**
   * @throws BulkheadError `INVALID` for what is damaged or of another version, before anything is changed; `CONFLICT`
   * where something is kept here already
   */
  restore(chunks: AsyncIterable<Uint8Array>, options: RestoreOptions): Promise<RestoreReport>
}

interface Parts {
  database: Database
  tables: Pick<ModuleMigrations, 'migrate'>
  lend: Pick<Lend, 'prepare'>
  modules: Pick<Modules, 'all' | 'found'>
  versions: Pick<Versions, 'refresh'>
  decisions: Pick<Decisions, 'grants' | 'configs' | 'granted'>
  /** For what is read twice. */
  folder: string
}

export function openBackups({ database, tables, lend, modules, versions, decisions, folder }: Parts): Backups {
  const { sql } = database
  let isRestoring = false

  /** Whatever would be lost or mixed. */
  async function obstacles({ installed, migrations }: Spooled): Promise<string[]> {
    const halfMade = await asked('look for what was half restored', () => halfDone(sql))
    const [found] = await asked('look at what is kept here', () => sql<Array<Record<string, number>>>`
      select (select count(*) from bulkhead.module_heads where installed)::int as "installed modules",
        (select count(*) from bulkhead.module_configs)::int as "configurations", (select count(*) from bulkhead.grant_changes where changed_by not like 'first grant:%')::int as "decisions about permissions",
        (select count(*) from bulkhead.roles)::int as "roles", (select count(*) from bulkhead.api_keys where not id = any (${OWN_KEYS}::uuid[]))::int as "keys",
        (select count(*) from bulkhead.kv_usage where keys > 0)::int as "modules with keys",
        (select count(distinct module) from bulkhead.mod_migrations where not module = any (${halfMade}::text[]))::int as "modules with tables",
        (select count(*) from (select from bulkhead.extractions limit 1000) as first_ones)::int as "extractions",
        greatest(0, (select count(*) from bulkhead.hosts where seen_at > now() - interval '15 seconds') - 1)::int as "other hosts that run"`)
    const here = Object.entries(found ?? {}).filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`)
    const inFolder = [...modules.all()].filter(({ home }) => home !== undefined).map(({ supervisor }) => supervisor.name)
    const doubles = installed.filter((name) => inFolder.includes(name)).map((name) => `${name} lies in the folder of modules, and is installed in the backup`)
    // Whose tables are made while the module runs could be written to by it.
    const busy = inFolder.filter((name) => migrations.has(name) && !doubles.some((text) => text.startsWith(`${name} `)))
    return [...here, ...doubles, ...busy.map((name) => `${name} lies in the folder of modules, and has tables in the backup`)]
  }

  /** This host's memory is that of before; what is installed then comes up by itself, as for another host's change. */
  async function catchUp(): Promise<void> {
    await decisions.grants.load()
    await decisions.configs.load()
    const found = [...modules.all()].filter(({ home }) => home !== undefined)
    decisions.granted(found.map(({ supervisor }) => supervisor.name))
    await versions.refresh()
    for (const { home } of found) await modules.found(basename(home as string))
  }

  async function restore(chunks: AsyncIterable<Uint8Array>, { dryRun, report }: RestoreOptions): Promise<RestoreReport> {
    report({ step: 'reading the backup' })
    await using backup = await spool(chunks, { folder, schema: await asked('read the schema', () => schemaNow(sql)) })
    const { header, counts } = backup
    const inTheWay = await obstacles(backup)
    const told = { takenAt: new Date(header.takenAt), counts, obstacles: inTheWay }
    if (dryRun) return { ...told, done: false }
    if (inTheWay.length > 0) {
      const remedy = 'restore into a new data folder or database, with an empty folder of modules'
      throw new BulkheadError('CONFLICT', `cannot restore, this installation is not empty (${inTheWay.join(', ')}): ${remedy}`, { obstacles: inTheWay })
    }
    report({ step: 'restoring' })
    await restoreInto({ database, tables, prepare: lend.prepare, folder }, backup)
    report({ step: 'bringing modules up' })
    await catchUp()
    return { ...told, done: true }
  }

  return {
    take: (options) => backUp(sql, options),
    async restore(chunks, options) {
      if (isRestoring) throw new BulkheadError('CONFLICT', 'cannot restore, another restoring is under way')
      isRestoring = true
      try {
        return await restore(chunks, options)
      } finally {
        isRestoring = false
      }
    },
  }
}
