import type { Sql, TransactionSql } from 'postgres'
import { lockChanges } from './change-lock.ts'
import { asked } from './failures.ts'

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

export interface GrantRows {
  all(): Promise<{ grants: GrantRow[]; asks: AskRow[] }>
  decide(module: string, permissions: readonly string[], granted: boolean, by: string): Promise<void>
  /** Notes a version that was let in; the first of its name is granted what is said. */
  accept(ask: AskRow, first: readonly string[], by: string): Promise<void>
  /** Takes back all that was decided about a module, which is then one that was never seen. */
  forget(module: string, by: string): Promise<void>
  /** Newest first, those before a revision. */
  history(query: { module?: string; before?: number; limit: number }): Promise<GrantChange[]>
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
    history({ module, before, limit }) {
      return asked('read the history', () => sql<GrantChange[]>`
        select revision::int, module, permission, action, changed_by as "changedBy", changed_at as "changedAt"
        from bulkhead.grant_changes where true
          ${module === undefined ? sql`` : sql`and module = ${module}`}
          ${before === undefined ? sql`` : sql`and revision < ${before}`}
        order by revision desc limit ${limit}`)
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
