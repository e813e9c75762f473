import type { PendingQuery, Row, Sql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import type { Listing, SortedQuery } from './sorted-pages.ts'
import { storableText } from './storable.ts'

/** What the lists of both tables of records take. */
export interface RecordQuery<Sort extends string> extends SortedQuery<Sort> {
  module?: string | undefined
  /** Nothing older than this. */
  since?: Date | undefined
}

/** What both tables of records have; their primary key is the order in which records were made. */
export const RECORD = {
  columns: { id: 'id', module: 'module', version: 'version', execution: 'execution', seq: 'seq', data: 'data', createdAt: 'created_at' },
  key: [['created_at', 'time'], ['seq', 'integer'], ['id', 'uuid']],
} as const satisfies Partial<Listing>

/** @throws BAD_REQUEST for a date that is none */
export function whereRecord(sql: Sql, { module, since }: Pick<RecordQuery<string>, 'module' | 'since'>): PendingQuery<Row[]> {
  if (since !== undefined && Number.isNaN(since.getTime())) throw new BulkheadError('BAD_REQUEST', 'cannot list the records since then: it is no date')
  return sql`
    ${module === undefined ? sql`` : sql`and module = ${storableText(module)}`}
    ${since === undefined ? sql`` : sql`and created_at >= ${since}`}`
}
