import type { Sql, TransactionSql } from 'postgres'
import type { Data } from '../../sdk/context.ts'
import type { Scope, ScopeName } from '../scopes.ts'
import { asked } from './failures.ts'
import { lockChanges } from './change-lock.ts'
import type { Page } from './pages.ts'
import { selectSorted, type SortedQuery, type Sorts } from './sorted-pages.ts'

/** What a scope says of a module; `enabled` is null where it says nothing about that. */
export interface Said {
  config: Data
  enabled: boolean | null
}

export interface ConfigRow extends Said {
  module: string
  scope: ScopeName
  id: string
  /** The change that made it so. */
  revision: number
  changedBy: string
  changedAt: Date
}

export type ConfigAction = 'set' | 'unset' | 'rollback' | 'import'

export interface ConfigChange {
  revision: number
  module: string
  scope: ScopeName
  id: string
  action: ConfigAction
  before: Said | null
  after: Said | null
  changedBy: string
  changedAt: Date
}

/** What changes are sorted by: the first has an index, the others are read whole, of one module. */
export const CONFIG_CHANGE_SORTS = ['revision', 'scope', 'id', 'action', 'changedBy'] as const

export interface ConfigHistoryQuery extends SortedQuery<(typeof CONFIG_CHANGE_SORTS)[number]> {
  scope?: Scope | undefined
}

/** One change to be made: `after` is null where nothing is to be left of it. */
export interface Wanted {
  module: string
  scope: Scope
  after: Said | null
}

export interface ConfigRows {
  all(): Promise<ConfigRow[]>
  /**
   * Makes changes, all or none, each noted in the history.
   *
   * @param check called with the rows as they are, under the lock that every change takes; what it throws ends it all
   */
  change(action: ConfigAction, by: string, decide: (rows: ConfigRow[]) => Wanted[]): Promise<void>
  /** @throws as `selectSorted` */
  history(module: string, query: ConfigHistoryQuery): Promise<Page<ConfigChange>>
  find(module: string, revision: number): Promise<ConfigChange | undefined>
  /** The newest change's number, 0 where there is none. */
  latest(): Promise<number>
}

const row = (sql: Sql | TransactionSql) => sql`
  module, scope, id, config, enabled, revision::int, changed_by as "changedBy", changed_at as "changedAt"`
const change = (sql: Sql) => sql`
  revision::int, module, scope, id, action, before, after, changed_by as "changedBy", changed_at as "changedAt"`

export function openConfigRows(sql: Sql): ConfigRows {
  return {
    all: () => asked('read the configuration', () => sql<ConfigRow[]>`select ${row(sql)} from bulkhead.module_configs`),
    change: (action, by, decide) =>
      sql.begin(async (tx) => {
        await lockChanges(tx)
        const rows = await tx<ConfigRow[]>`select ${row(tx)} from bulkhead.module_configs`
        for (const wanted of decide(rows)) await apply(tx, action, by, wanted, rows)
      }).then(() => {}),
    history(module, { scope, ...query }) {
      return selectSorted(sql, query, {
        what: 'read the history',
        columns: {
          revision: sql`revision::int`,
          module: 'module',
          scope: 'scope',
          id: 'id',
          action: 'action',
          before: 'before',
          after: 'after',
          changedBy: 'changed_by',
          changedAt: 'changed_at',
        },
        bytes: sql`octet_length(concat(before::text, after::text))`,
        from: sql`bulkhead.config_changes`,
        where: sql`and module = ${module} ${scope ? sql`and scope = ${scope.scope} and id = ${scope.id}` : sql``}`,
        searched: ['scope', 'id', 'action', 'changed_by', sql`before::text`, sql`after::text`],
        key: [['revision', 'integer']],
        sorts: {
          revision: null,
          scope: ['scope', 'text'],
          id: ['id', 'text'],
          action: ['action', 'text'],
          changedBy: ['changed_by', 'text'],
        } satisfies Sorts<(typeof CONFIG_CHANGE_SORTS)[number]>,
        narrowing: 'name a scope, or leave the sort out',
      })
    },
    async find(module, revision) {
      const [found] = await asked('read the history', () => sql<ConfigChange[]>`
        select ${change(sql)} from bulkhead.config_changes where module = ${module} and revision = ${revision}`)
      return found
    },
    async latest() {
      const [found] = await sql<Array<{ latest: number }>>`select coalesce(max(revision), 0)::int as latest from bulkhead.config_changes`
      return found?.latest ?? 0
    },
  }
}

async function apply(tx: TransactionSql, action: ConfigAction, by: string, { module, scope, after }: Wanted, rows: ConfigRow[]): Promise<void> {
  const { scope: name, id } = scope
  const found = rows.find((one) => one.module === module && one.scope === name && one.id === id)
  const before = found ? { config: found.config, enabled: found.enabled } : null
  // As text, which is kept as it is: jsonb refuses what JSON may hold.
  const [made] = await tx<Array<{ revision: string; at: Date }>>`
    insert into bulkhead.config_changes (module, scope, id, action, before, after, changed_by)
    values (${module}, ${name}, ${id}, ${action}, ${jsonText(before)}::text::json, ${jsonText(after)}::text::json, ${by})
    returning revision, changed_at as at`
  if (after === null) {
    await tx`delete from bulkhead.module_configs where module = ${module} and scope = ${name} and id = ${id}`
    return
  }
  await tx`
    insert into bulkhead.module_configs (module, scope, id, config, enabled, revision, changed_by, changed_at)
    values (${module}, ${name}, ${id}, ${jsonText(after.config)}::text::json, ${after.enabled}, ${made!.revision}, ${by}, ${made!.at})
    on conflict (module, scope, id) do update
    set config = excluded.config, enabled = excluded.enabled, revision = excluded.revision,
      changed_by = excluded.changed_by, changed_at = excluded.changed_at`
}

function jsonText(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value)
}
