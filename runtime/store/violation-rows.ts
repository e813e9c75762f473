import type { Sql } from 'postgres'
import { asked } from './failures.ts'

/** What a version tried without having been granted it, how often, and the last time. */
export interface Violation {
  module: string
  version: string
  permission: string
  count: number
  hook: string
  execution: string
  firstAt: Date
  lastAt: Date
}

export interface ViolationRows {
  add(rows: readonly Violation[]): Promise<void>
  /** The latest first, at most 200. */
  list(module?: string): Promise<Violation[]>
}

export function openViolationRows(sql: Sql): ViolationRows {
  return {
    async add(rows) {
      await sql`
        insert into bulkhead.violations as kept (module, version, permission, count, hook, execution, first_at, last_at)
        select * from unnest(
          ${rows.map(({ module }) => module)}::text[], ${rows.map(({ version }) => version)}::text[],
          ${rows.map(({ permission }) => permission)}::text[], ${rows.map(({ count }) => count)}::bigint[],
          ${rows.map(({ hook }) => hook)}::text[], ${rows.map(({ execution }) => execution)}::uuid[],
          ${rows.map(({ firstAt }) => firstAt.toISOString())}::timestamptz[],
          ${rows.map(({ lastAt }) => lastAt.toISOString())}::timestamptz[])
        on conflict (module, version, permission) do update
        set count = kept.count + excluded.count, hook = excluded.hook, execution = excluded.execution, last_at = excluded.last_at`
    },
    list: (module) =>
      asked('list the violations', () => sql<Violation[]>`
        select module, version, permission, count::int, hook, execution, first_at as "firstAt", last_at as "lastAt"
        from bulkhead.violations ${module === undefined ? sql`` : sql`where module = ${module}`}
        order by last_at desc, module, permission limit 200`),
  }
}
