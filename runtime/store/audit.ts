import type { Sql } from 'postgres'
import { asked, storeFailed } from './failures.ts'
import type { Page } from './pages.ts'
import { storableJson } from './storable.ts'

/** One thing that was asked for: by whom, with what, and what it changed. Nothing in it is a secret. */
export interface AuditRecord {
  key: string
  keyName: string
  operation: string
  module: string | null
  requestId: string
  /** HTTP status of the answer. */
  status: number
  /** Code of the error, where it was refused or failed. */
  error: string | null
  input: unknown
  before: unknown
  after: unknown
}

export type AuditRow = AuditRecord & { id: number; at: Date }

export interface AuditQuery {
  module?: string
  key?: string
  operation?: string
  since?: Date
  /** The `nextCursor` of a page: those before this number. */
  cursor?: string
  limit?: number
}

export interface Audit {
  /** @throws STORE_FAILED */
  add(record: AuditRecord): Promise<void>
  /** Newest first. */
  page(query: AuditQuery): Promise<Page<AuditRow>>
}

/** Longest value that is kept whole of what was asked, and what was there before and after, in bytes of JSON. */
export const LONGEST = 64 * 1024
/** How much of a longer one is kept, in characters. */
const BEGINNING = 2_000
const DEFAULT_LIMIT = 50

/** The list of all that was changed; rows are added and never changed, the table refuses it. Retention takes the oldest away. */
export function openAudit(sql: Sql): Audit {
  return {
    async add({ key, keyName, operation, module, requestId, status, error, input, before, after }) {
      try {
        await sql`
          insert into bulkhead.audit (key, key_name, operation, module, request_id, status, error, input, before, after)
          values (${key}, ${keyName}, ${operation}, ${module}, ${requestId}, ${status}, ${error}, ${kept(input)}::text::jsonb,
            ${kept(before)}::text::jsonb, ${kept(after)}::text::jsonb)`
      } catch (thrown) {
        throw storeFailed('keep the audit record', thrown)
      }
    },
    async page({ module, key, operation, since, cursor, limit = DEFAULT_LIMIT }) {
      const rows = await asked('read the audit records', () => sql<AuditRow[]>`
        select id::float8 as id, at, key, key_name as "keyName", operation, module, request_id as "requestId", status, error, input, before, after
        from bulkhead.audit where true
          ${module === undefined ? sql`` : sql`and module = ${module}`}
          ${key === undefined ? sql`` : sql`and key = ${key}`}
          ${operation === undefined ? sql`` : sql`and operation = ${operation}`}
          ${since === undefined ? sql`` : sql`and at >= ${since}`}
          ${cursor === undefined ? sql`` : sql`and id < ${cursor}::bigint`}
        order by id desc limit ${limit + 1}`)
      const items = rows.slice(0, limit)
      return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.id) : null }
    },
  }
}

/** What is too large or too deep to be kept whole is cut, and said to be: the record itself must not be lost. */
function kept(value: unknown): string | null {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) return null
  const bytes = Buffer.byteLength(text)
  if (bytes > LONGEST) return storableJson(JSON.stringify({ omitted: `all but the beginning of ${bytes} bytes`, beginning: `${text.slice(0, BEGINNING)}…` }))
  try {
    return storableJson(text)
  } catch {
    return JSON.stringify({ omitted: 'it is nested too deep' })
  }
}
