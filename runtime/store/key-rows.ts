import { randomUUID } from 'node:crypto'
import type { Sql, TransactionSql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { asked, storeFailed } from './failures.ts'
import { digest, newKey, prefixOf } from './keys.ts'

/** A key as it may be shown: never the key itself, nor its hash. */
export interface KeyRow {
  id: string
  /** The visible part, by which its holder knows it. */
  prefix: string
  name: string
  scopes: string[]
  roles: string[]
  modules: string[] | null
  requestsPerMinute: number | null
  createdAt: Date
  createdBy: string | null
  expiresAt: Date | null
  lastUsedAt: Date | null
  revokedAt: Date | null
  /** The key whose place it takes. */
  rotates: string | null
}

export type NewKey = Pick<KeyRow, 'name' | 'scopes' | 'roles' | 'modules' | 'requestsPerMinute' | 'expiresAt'>

/** How a key was used on one day, UTC. */
export interface KeyUsage {
  key: string
  day: string
  requests: number
  refused: number
}

export interface KeyRows {
  all(): Promise<KeyRow[]>
  /** @throws NOT_FOUND */
  get(id: string): Promise<KeyRow>
  /** The key is told this once. */
  create(key: NewKey, by: string): Promise<{ key: string; row: KeyRow }>
  /** Makes another key with the same rights; the old one ends after `overlapMs`. @throws NOT_FOUND, CONFLICT where it has ended */
  rotate(id: string, overlapMs: number, by: string): Promise<{ key: string; row: KeyRow }>
  /** Ends a key now. @throws NOT_FOUND, CONFLICT where no other key could do everything any more */
  revoke(id: string): Promise<KeyRow>
  /** Newest day first. */
  usage(query: { key?: string; days: number }): Promise<KeyUsage[]>
  addUsage(used: ReadonlyArray<{ key: string; requests: number; refused: number }>): Promise<void>
}

const LOCK = 0x62756c6b_0006

/** @example const { key } = await openKeyRows(sql).create({ name: 'app', roles: ['app'], … }, 'admin') */
export function openKeyRows(sql: Sql): KeyRows {
  const columns = sql`id, prefix, name, scopes, roles, modules, requests_per_minute as "requestsPerMinute", created_at as "createdAt",
    created_by as "createdBy", expires_at as "expiresAt", last_used_at as "lastUsedAt", revoked_at as "revokedAt", rotates`

  const find = async (tx: Sql | TransactionSql, id: string): Promise<KeyRow> => {
    const [row] = await tx<KeyRow[]>`select ${columns} from bulkhead.api_keys where id = ${id}`
    if (!row) throw new BulkheadError('NOT_FOUND', `no key with the id ${id}`)
    return row
  }
  const insert = async (tx: TransactionSql, given: NewKey, by: string, rotates: string | null) => {
    const key = newKey()
    const { name, scopes, roles, modules, requestsPerMinute, expiresAt } = given
    const [row] = await tx<KeyRow[]>`
      insert into bulkhead.api_keys (id, prefix, hash, name, scopes, roles, modules, requests_per_minute, expires_at, created_by, rotates)
      values (${randomUUID()}, ${prefixOf(key)}, ${digest(key)}, ${name}, ${scopes}, ${roles}, ${modules}, ${requestsPerMinute},
        ${expiresAt}, ${by}, ${rotates})
      returning ${columns}`
    return { key, row: row as KeyRow }
  }
  const change = <Result>(what: string, work: (tx: TransactionSql) => Promise<Result>): Promise<Result> =>
    sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${LOCK})`
      return work(tx)
    }).catch((error: unknown) => { throw storeFailed(what, error) }) as Promise<Result>

  return {
    all: () => asked('list the keys', () => sql<KeyRow[]>`select ${columns} from bulkhead.api_keys order by created_at, id`),
    get: (id) => asked('read the key', () => find(sql, id)),
    create: (given, by) => change('make a key', (tx) => insert(tx, given, by, null)),
    rotate: (id, overlapMs, by) =>
      change('rotate the key', async (tx) => {
        const old = await find(tx, id)
        if (hasEnded(old)) throw new BulkheadError('CONFLICT', `cannot rotate the key "${old.name}", it has ended`)
        const end = new Date(Date.now() + overlapMs)
        if (!old.expiresAt || old.expiresAt > end) await tx`update bulkhead.api_keys set expires_at = ${end} where id = ${id}`
        return insert(tx, old, by, id)
      }),
    revoke: (id) =>
      change('revoke the key', async (tx) => {
        const old = await find(tx, id)
        const [other] = await tx`
          select 1 from bulkhead.api_keys where id <> ${id} and revoked_at is null and expires_at is null
            and modules is null and ('*' = any(scopes) or 'admin' = any(roles)) limit 1`
        if (!other) throw new BulkheadError('CONFLICT', `cannot revoke the key "${old.name}", it is the last one that may do everything and does not expire`)
        const [row] = await tx<KeyRow[]>`
          update bulkhead.api_keys set revoked_at = coalesce(revoked_at, now()) where id = ${id} returning ${columns}`
        return row as KeyRow
      }),
    usage: ({ key, days }) =>
      asked('read the usage', () => sql<KeyUsage[]>`
        select key, day::text, requests::float8 as requests, refused::float8 as refused from bulkhead.key_usage
        where day > (now() at time zone 'UTC')::date - ${days}::int ${key === undefined ? sql`` : sql`and key = ${key}`}
        order by day desc, requests desc`),
    async addUsage(used) {
      if (used.length === 0) return
      await sql`
        insert into bulkhead.key_usage (key, day, requests, refused)
        select key, (now() at time zone 'UTC')::date, requests, refused
        from jsonb_to_recordset(${sql.json(used as never)}) as t (key uuid, requests bigint, refused bigint)
        on conflict (key, day) do update
        set requests = key_usage.requests + excluded.requests, refused = key_usage.refused + excluded.refused`
    },
  }
}

function hasEnded({ revokedAt, expiresAt }: KeyRow): boolean {
  return revokedAt !== null || (expiresAt !== null && expiresAt <= new Date())
}
