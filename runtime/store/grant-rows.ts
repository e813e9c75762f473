import type { Sql, TransactionSql } from 'postgres'
import { lockChanges } from './change-lock.ts'
import { asked } from './failures.ts'
import type { Page } from './pages.ts'
import { selectSorted, type SortedQuery, type Sorts } from './sorted-pages.ts'

/** What was decided about one permission of a module. */
export interface GrantRow {
  module: string
  permission: string
  granted: boolean
  decidedBy: string
  decidedAt: Date
}

/** What the last version that was let in asked for. */
export interface AskRow {
  module: string
  version: string
  permissions: string[]
}

export interface GrantChange {
  revision: number
  module: string
  permission: string
  action: 'grant' | 'revoke'
  changedBy: string
  changedAt: Date
}

/** What decisions are sorted by: the first is their primary key, the others are read whole. */
export const GRANT_CHANGE_SORTS = ['revision', 'module', 'permission', 'action', 'changedBy'] as const

export interface GrantHistoryQuery extends SortedQuery<(typeof GRANT_CHANGE_SORTS)[number]> {
  module?: string | undefined
}

export interface GrantRows {
  all(): Promise<{ grants: GrantRow[]; asks: AskRow[] }>
  decide(module: string, permissions: readonly string[], granted: boolean, by: string): Promise<void>
  /** Notes a version that was let in; the first of its name is granted what is said. */
  accept(ask: AskRow, first: readonly string[], by: string): Promise<void>
  /** Takes back all that was decided about a module, which is then one that was never seen. */
  forget(module: string, by: string): Promise<void>
  /** Newest first, those before a revision. */
  /** @throws as `selectSorted` */
  history(query: GrantHistoryQuery): Promise<Page<GrantChange>>
  latest(): Promise<number>
}

export function openGrantRows(sql: Sql): GrantRows {
  return {
    all: () =>
      asked('read the grants', async () => ({
        grants: await sql<GrantRow[]>`
          select module, permission, granted, decided_by as "decidedBy", decided_at as "decidedAt" from bulkhead.module_grants`,
        asks: await sql<AskRow[]>`select module, version, permissions from bulkhead.module_asks`,
      })),
    decide: (module, permissions, granted, by) =>
      sql.begin(async (tx) => {
        await lockChanges(tx)
        for (const permission of permissions) await decide(tx, module, permission, granted, by)
      }).then(() => {}),
    accept: ({ module, version, permissions }, first, by) =>
      sql.begin(async (tx) => {
        await lockChanges(tx)
        const known = await tx`select from bulkhead.module_asks where module = ${module}`
        if (known.length === 0) for (const permission of first) await decide(tx, module, permission, true, by)
        await tx`
          insert into bulkhead.module_asks (module, version, permissions) values (${module}, ${version}, ${permissions})
          on conflict (module) do update
          set version = excluded.version, permissions = excluded.permissions, accepted_at = now()`
      }).then(() => {}),
    forget: (module, by) =>
      sql.begin(async (tx) => {
        await lockChanges(tx)
        const rows = await tx<GrantRow[]>`select permission from bulkhead.module_grants where module = ${module} and granted`
        for (const { permission } of rows) await decide(tx, module, permission, false, by)
        await tx`delete from bulkhead.module_grants where module = ${module}`
        await tx`delete from bulkhead.module_asks where module = ${module}`
      }).then(() => {}),
    history({ module, ...query }) {
      return selectSorted(sql, query, {
        what: 'read the history',
        columns: { revision: sql`revision::int`, module: 'module', permission: 'permission', action: 'action', changedBy: 'changed_by', changedAt: 'changed_at' },
        from: sql`bulkhead.grant_changes`,
        where: module === undefined ? sql`` : sql`and module = ${module}`,
        searched: ['module', 'permission', 'action', 'changed_by'],
        key: [['revision', 'integer']],
        sorts: {
          revision: null,
          module: ['module', 'text'],
          permission: ['permission', 'text'],
          action: ['action', 'text'],
          changedBy: ['changed_by', 'text'],
        } satisfies Sorts<(typeof GRANT_CHANGE_SORTS)[number]>,
        narrowing: 'name a module, or leave the sort out',
      })
    },
    async latest() {
      const [found] = await sql<Array<{ latest: number }>>`select coalesce(max(revision), 0)::int as latest from bulkhead.grant_changes`
      return found?.latest ?? 0
    },
  }
}

async function decide(tx: TransactionSql, module: string, permission: string, granted: boolean, by: string): Promise<void> {
  await tx`
    insert into bulkhead.module_grants (module, permission, granted, decided_by)
    values (${module}, ${permission}, ${granted}, ${by})
    on conflict (module, permission) do update
    set granted = excluded.granted, decided_by = excluded.decided_by, decided_at = now()`
  await tx`
    insert into bulkhead.grant_changes (module, permission, action, changed_by)
    values (${module}, ${permission}, ${granted ? 'grant' : 'revoke'}, ${by})`
}
