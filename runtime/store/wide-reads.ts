import postgres, { type PendingQuery, type Row, type Sql, type TransactionSql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { answered, asked } from './failures.ts'

/** A list may read for so long, ms; the server ends it. */
const READ_MS = 5_000
/** So many lists that may read a lot do so at a time, and so many wait: the pool is for others as well. */
const AT_ONCE = 2
const WAITING = 8
/** What PostgreSQL says of a statement that took too long. */
const OVERDUE = '57014'

/** Reads that may read a lot, of one pool. */
interface Queue {
  reading: number
  waiting: Array<() => void>
}
const queues = new WeakMap<Sql, Queue>()

interface Reading {
  /** As in "cannot list the logs". */
  what: string
  /** How it can be asked for less. */
  narrowing: string
  /** Whether it may read much more than it answers. */
  isWide: boolean
}

/**
 * Reads in a transaction that the server ends after 5 s.
 *
 * @throws TIMEOUT with how to ask for less; BUSY where too many wide ones wait; STORE_FAILED
 */
export async function readWithin<Rows extends Row[]>(sql: Sql, { what, narrowing, isWide }: Reading, ask: (tx: TransactionSql) => PendingQuery<Rows>): Promise<Rows> {
  const read = () => asked(what, () => answered(transaction(sql, ask)).catch((thrown: unknown) => {
    if (!(thrown instanceof postgres.PostgresError) || thrown.code !== OVERDUE) throw thrown
    const reached = { limit: 'readMs', value: READ_MS, used: READ_MS }
    throw new BulkheadError('TIMEOUT', `cannot ${what}, that would read for longer than ${READ_MS / 1000} s: ${narrowing}`, reached, thrown)
  }))
  return isWide ? inTurn(sql, what, read) : read()
}

function transaction<Rows extends Row[]>(sql: Sql, ask: (tx: TransactionSql) => PendingQuery<Rows>): Promise<Rows> & { cancel(): void } {
  let query: PendingQuery<Rows> | undefined
  const result = sql.begin('read only', async (tx) => {
    await tx`select set_config('statement_timeout', ${String(READ_MS)}, true)`
    query = ask(tx)
    return await query
  }) as unknown as Promise<Rows>
  return Object.assign(result, { cancel: () => void query?.cancel() })
}

async function inTurn<Result>(sql: Sql, what: string, read: () => Promise<Result>): Promise<Result> {
  const queue = queues.get(sql) ?? { reading: 0, waiting: [] }
  queues.set(sql, queue)
  if (queue.waiting.length >= WAITING) throw new BulkheadError('BUSY', `cannot ${what}, ${WAITING} that may read a lot wait already: ask again in a moment`)
  if (queue.reading >= AT_ONCE) await new Promise<void>((resolve) => queue.waiting.push(resolve))
  else queue.reading++
  try {
    return await read()
  } finally {
    const next = queue.waiting.shift()
    if (next) next()
    else queue.reading--
  }
}
