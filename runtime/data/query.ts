import postgres, { type Sql, type TransactionSql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { storeFailed } from '../store/failures.ts'

export interface QueryResult {
  columns: string[]
  rows: unknown[][]
  /** Rows that were changed, or that are in `rows`. */
  count: number
  /** There are more rows than were asked for, or than 4 MiB. */
  more: boolean
}

const STATEMENT_MS = 30_000
const BYTES = 4 * 1024 * 1024
const FETCH = 50
/** May read and change rows anywhere, and nothing else: no files, programs, roles or settings, which our own role might. */
const ROLE = 'bulkhead_operator'
const LOCK = 0x62756c6b_0006

/**
 * Runs one statement for an operator: a query, in a transaction that cannot write; or, with `write`, one that changes
 * rows.
 *
 * @throws INVALID with the server's own words
 * @example await queryDatabase(sql, 'select count(*) from bulkhead.extractions', { write: false, limit: 10 })
 */
export async function queryDatabase(sql: Sql, text: string, { write, limit }: { write: boolean; limit: number }): Promise<QueryResult> {
  try {
    const lowered = await ensureRole(sql)
    const result = await sql.begin(write ? 'read write' : 'read only', async (tx) => {
      await tx.unsafe(`set local statement_timeout = ${STATEMENT_MS}; set local lock_timeout = '5s'`)
      if (lowered) await tx.unsafe(`set local role ${ROLE}`)
      return write ? change(tx, text, limit) : read(tx, text, limit)
    })
    return result as QueryResult
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw storeFailed('query the database', error)
    const line = error.position === undefined ? '' : ` in line ${text.slice(0, Number(error.position)).split('\n').length}`
    throw new BulkheadError('INVALID', `cannot run the statement, ${error.message}${line}`, { sqlstate: error.code }, error)
  }
}

/** Whether there is a lesser role to take. One that is no superuser has nothing more to lose. */
async function ensureRole(sql: Sql): Promise<boolean> {
  const [us] = await sql<Array<{ superuser: boolean; there: boolean }>>`
    select rolsuper as superuser, exists (select from pg_roles where rolname = ${ROLE}) as there from pg_roles where rolname = current_user`
  if (!us?.superuser) return false
  if (us.there) return true
  await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${LOCK})`
    const [found] = await tx`select from pg_roles where rolname = ${ROLE}`
    if (found === undefined) await tx.unsafe(`create role ${ROLE} nologin; grant pg_read_all_data, pg_write_all_data to ${ROLE}`)
  })
  return true
}

/** By a cursor, so that what is not asked for is not fetched. The server takes one statement in this form. */
async function read(tx: TransactionSql, text: string, limit: number): Promise<QueryResult> {
  const position = 'declare operator_query no scroll cursor for '
  await tx.unsafe(position + text, [], { simple: false } as never).catch((error: unknown) => {
    if (error instanceof postgres.PostgresError && error.position !== undefined) error.position = String(Number(error.position) - position.length)
    throw error
  })
  const rows: unknown[][] = []
  let columns: string[] = []
  let bytes = 0
  for (;;) {
    const page = await tx.unsafe(`fetch ${FETCH} from operator_query`).values()
    columns = page.columns.map(({ name }) => name)
    for (const values of page as unknown as unknown[][]) {
      const row = values.map(plain)
      bytes += JSON.stringify(row).length
      if (rows.length === limit || bytes > BYTES) return { columns, rows, count: rows.length, more: true }
      rows.push(row)
    }
    if (page.length < FETCH) return { columns, rows, count: rows.length, more: false }
  }
}

async function change(tx: TransactionSql, text: string, limit: number): Promise<QueryResult> {
  const result = await tx.unsafe(text, [], { simple: false } as never).values()
  const rows = (result as unknown as unknown[][]).slice(0, limit).map((values) => values.map(plain))
  return { columns: (result.columns ?? []).map(({ name }) => name), rows, count: result.count ?? 0, more: result.length > limit }
}

function plain(value: unknown): unknown {
  return Buffer.isBuffer(value) ? `\\x${value.toString('hex')}` : value
}
