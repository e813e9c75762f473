import type { Sql } from 'postgres'
import { asked } from './failures.ts'

/** A set of scopes with a name, made by an operator. */
export interface RoleRow {
  name: string
  description: string
  scopes: string[]
  changedBy: string
  changedAt: Date
}

export interface RoleRows {
  all(): Promise<RoleRow[]>
  set(role: Pick<RoleRow, 'name' | 'description' | 'scopes'>, by: string): Promise<RoleRow>
  /** Whether there was one. */
  remove(name: string): Promise<boolean>
  /** The keys that have it and have not been revoked, by name. */
  holders(name: string): Promise<string[]>
}

export function openRoleRows(sql: Sql): RoleRows {
  const columns = sql`name, description, scopes, changed_by as "changedBy", changed_at as "changedAt"`
  return {
    all: () => asked('list the roles', () => sql<RoleRow[]>`select ${columns} from bulkhead.roles order by name`),
    async set({ name, description, scopes }, by) {
      const [row] = await asked('set the role', () => sql<RoleRow[]>`
        insert into bulkhead.roles (name, description, scopes, changed_by) values (${name}, ${description}, ${scopes}, ${by})
        on conflict (name) do update set description = excluded.description, scopes = excluded.scopes,
          changed_by = excluded.changed_by, changed_at = now()
        returning ${columns}`)
      return row as RoleRow
    },
    remove: async (name) =>
      (await asked('remove the role', () => sql`delete from bulkhead.roles where name = ${name}`)).count > 0,
    holders: async (name) =>
      (await asked('read the keys', () => sql<Array<{ name: string }>>`
        select name from bulkhead.api_keys where ${name} = any(roles) and revoked_at is null order by name`)).map((row) => row.name),
  }
}
