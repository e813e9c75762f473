import type { Sql } from 'postgres'
import { storeFailed } from './failures.ts'
import type { Page } from './pages.ts'
import { type Listing, selectSorted, type SortedQuery, type Sorts } from './sorted-pages.ts'
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

/** What audit records are sorted by: the first is their primary key, the others are read whole. */
export const AUDIT_SORTS = ['id', 'operation', 'keyName', 'module', 'status'] as const

export interface AuditQuery extends SortedQuery<(typeof AUDIT_SORTS)[number]> {
  module?: string | undefined
  key?: string | undefined
  operation?: string | undefined
  since?: Date | undefined
}

export interface Audit {
  /** @throws STORE_FAILED */
  add(record: AuditRecord): Promise<void>
  /** @throws as `selectSorted` */
  page(query: AuditQuery): Promise<Page<AuditRow>>
}

/** Longest value that is kept whole of what was asked, and what was there before and after, in bytes of JSON. */
export const LONGEST = 64 * 1024
/** How much of a longer one is kept, in characters. */
const BEGINNING = 2_000

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
    page: (query) => selectSorted(sql, query, listing(sql, query)),
  }
}

function listing(sql: Sql, { module, key, operation, since }: AuditQuery): Listing {
  return {
    what: 'read the audit records',
    columns: {
      id: sql`id::float8`,
      at: 'at',
      key: 'key',
      keyName: 'key_name',
      operation: 'operation',
      module: 'module',
      requestId: 'request_id',
      status: 'status',
      error: 'error',
      input: 'input',
      before: 'before',
      after: 'after',
    },
    bytes: sql`octet_length(concat(input::text, before::text, after::text))`,
    from: sql`bulkhead.audit`,
    where: sql`
      ${module === undefined ? sql`` : sql`and module = ${module}`}
      ${key === undefined ? sql`` : sql`and key = ${key}`}
      ${operation === undefined ? sql`` : sql`and operation = ${operation}`}
      ${since === undefined ? sql`` : sql`and at >= ${since}`}`,
    searched: ['key_name', 'operation', 'module', 'request_id', 'error', sql`input::text`, sql`before::text`, sql`after::text`],
    key: [['id', 'integer']],
    sorts: {
      id: null,
      operation: ['operation', 'text'],
      keyName: ['key_name', 'text'],
      module: [sql`coalesce(module, '')`, 'text'],
      status: ['status', 'integer'],
    } satisfies Sorts<(typeof AUDIT_SORTS)[number]>,
    narrowing: 'name a module, key or operation, give a later "since", or leave the sort out',
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
