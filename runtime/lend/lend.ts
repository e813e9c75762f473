import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Caller } from '../../bridge/capabilities.ts'
import type { Lender, SqlStatement } from '../../bridge/db.host.ts'
import { BulkheadError } from '../../bridge/errors.ts'
import type { Database } from '../store/database.ts'
import type { StoreLog } from '../store/server.ts'
import { type Connection, isStale, openConnection, type Result, type Statement, StatementFailed } from './connection.ts'
import { asSqlError, quotaError } from './faults.ts'
import { hardenEmbedded, lacksOf, projectionsOf } from './harden.ts'
import type { Admitted } from './guard.ts'
import { LEND_LIMITS, type LendLimits } from './limits.ts'
import { openParser, type Parser } from './parser.ts'
import { type Lease, openPool } from './pool.ts'
import { type Access, prepareRole } from './roles.ts'
import { openSizes } from './sizes.ts'
import { openStops, type Stoppable } from './stops.ts'

/** The database as it is lent to modules. */
export interface Lend extends Lender, AsyncDisposable {
  /**
   * Makes the module's role and schema, or puts them right.
   *
   * @throws UNAVAILABLE with the grant that is missing, CONFLICT, STORE_FAILED
   */
  prepare(module: string): Promise<Access>
  /** Connections that modules have open now. */
  readonly connections: number
}

/** What one execution has running; all of it ends with the execution. */
interface Use {
  readonly ended: AbortController
  readonly transactions: Map<string, Transaction>
}

interface Transaction {
  readonly id: string
  readonly lease: Lease
  readonly deadline: number
  /** Set where its answer was not given in full, or its time is up: it can only be rolled back. */
  failed: BulkheadError | undefined
  statements: number
  /** Statements of one transaction run in the order they were sent. */
  last: Promise<unknown>
  /** Gives the connection back; what was not committed is rolled back. */
  close(): void
}

const SIZE_AGE_MS = 1_000
const RETRY_PAUSE_MS = 15

/**
 * Lends a database to modules. Where none of them asks for it, nothing is done to it.
 *
 * @example await using lend = openLend(database, { log })
 */
export function openLend(database: Database, { log, limits: given }: { log: StoreLog; limits?: Partial<LendLimits> }): Lend {
  const { sql, kind } = database
  const limits = { ...LEND_LIMITS, ...given }
  const accesses = new Map<string, Promise<Access>>()
  const uses = new WeakMap<Caller, Use>()
  let opening: Promise<Parser> | undefined
  const sizes = openSizes(sql)
  const stops = openStops(database, sizes, limits)
  const place = sql.options

  const open = async (): Promise<Parser> => {
    if (kind === 'embedded') {
      await hardenEmbedded(sql)
    } else {
      const lacks = await lacksOf(sql)
      if (lacks.length > 0) log.warn({ statements: lacks }, 'the database would bound its modules better after these statements')
    }
    return openParser(await projectionsOf(sql))
  }
  const opened = (): Promise<Parser> => {
    opening ??= open()
    opening.catch(() => {
      opening = undefined
    })
    return opening
  }

  const prepare = (module: string): Promise<Access> => {
    const made = opened().then(() => prepareRole(database, module, limits))
    accesses.set(module, made)
    made.catch(() => accesses.delete(module))
    return made
  }
  const accessOf = (module: string): Promise<Access> => accesses.get(module) ?? prepare(module)

  const connect = async (module: string): Promise<Connection> => {
    if (!(await hasRoom())) throw new BulkheadError('BUSY', 'cannot run the statement, the database has no connection to spare')
    const access = await accessOf(module)
    try {
      return await openConnection(place, access.credentials)
    } catch (error) {
      if (!(error instanceof StatementFailed) || !['28P01', '28000'].includes(error.fault.code)) throw error
      // Another host has given the role another password, or somebody has dropped it.
      return await openConnection(place, (await prepare(module)).credentials)
    }
  }

  /** Leaves some connections of somebody else's server to others. */
  const hasRoom = async (): Promise<boolean> => {
    if (kind === 'embedded') return true
    const [row] = await sql<Array<{ left: number }>>`
      select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)
        - (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as left`
    return (row?.left ?? 0) > limits.connectionsLeft
  }

  const pool = openPool(connect, limits)

  /** What this execution uses; from the first time on, its end ends all of it. */
  const useOf = (caller: Caller): Use => {
    const known = uses.get(caller)
    if (known !== undefined) return known
    const use: Use = { ended: new AbortController(), transactions: new Map() }
    uses.set(caller, use)
    caller.atEnd.push(() => {
      use.ended.abort()
      for (const transaction of use.transactions.values()) transaction.close()
    })
    return use
  }

  const runOn = async (connection: Connection, statement: Statement, watch: Omit<Stoppable, 'connection'>): Promise<Result> => {
    const run = () => stops.during({ connection, ...watch }, () => connection.run(statement, { rows: limits.resultRows, bytes: limits.resultBytes }))
    try {
      return await run()
    } catch (error) {
      // A table was changed since the statement was prepared here; nothing of it has run.
      if (error instanceof StatementFailed && isStale(error.fault) && connection.status === 'I' && !connection.lost) return run()
      throw error
    }
  }

  const admit = async (module: string, text: string): Promise<{ access: Access; admitted: Admitted }> => {
    if (text.length > limits.textLength) {
      throw new BulkheadError('SIZE_LIMIT', `cannot run the statement, its text has ${text.length} characters and may have ${limits.textLength}`)
    }
    const access = await accessOf(module)
    const admitted = await (await opened()).admit(module, access.schema, text)
    if (admitted.kind === 'write' && (await sizes.of(access.schema, SIZE_AGE_MS)) > limits.schemaBytes) throw quotaError(limits)
    return { access, admitted }
  }

  const runAlone = async (caller: Caller, { text, parameters }: SqlStatement): Promise<Result> => {
    const { signal } = useOf(caller).ended // now, while the execution is open for sure
    const { access, admitted } = await admit(caller.module, text)
    const lease = await pool.take(caller.module, 'statement', signal)
    try {
      const undoable = admitted.kind !== 'read' && admitted.rows
      return await runOn(lease.connection, { text, parameters, undoable }, { signal, schema: access.schema, admitted, ms: limits.statementMs })
    } finally {
      lease.give()
    }
  }

  const runWithin = async (caller: Caller, transaction: Transaction, { text, parameters }: SqlStatement): Promise<Result> => {
    const { signal } = useOf(caller).ended
    const { access, admitted } = await admit(caller.module, text)
    const { connection } = transaction.lease
    if (transaction.failed) throw transaction.failed
    if (++transaction.statements > limits.statementsPerTransaction) {
      throw new BulkheadError('CALL_LIMIT', `cannot run the statement, a transaction may have ${limits.statementsPerTransaction} of them`)
    }
    const ms = Math.max(1, Math.min(limits.statementMs, transaction.deadline - performance.now()))
    try {
      return await runOn(connection, { text, parameters, undoable: false }, { signal, schema: access.schema, admitted, ms })
    } catch (error) {
      // Refused by the server, the transaction is in a state that the server knows; otherwise nobody does.
      if (!(error instanceof StatementFailed)) transaction.failed = asSqlError(error, limits)
      throw error
    }
  }

  const find = (caller: Caller, id: string, last = false): Transaction => {
    const { transactions } = useOf(caller)
    const transaction = transactions.get(id)
    if (last) transactions.delete(id)
    if (transaction === undefined) throw new BulkheadError('INVALID', 'cannot go on with the transaction, it has ended')
    return transaction
  }

  /** After what was sent before. */
  const inTurn = <Answer>(transaction: Transaction, work: () => Promise<Answer>): Promise<Answer> => {
    const turn = transaction.last.then(work)
    transaction.last = turn.catch(() => {})
    return turn
  }

  const begin = async (caller: Caller, attempt: number): Promise<Transaction> => {
    const use = useOf(caller)
    if (attempt > 0) await delay(RETRY_PAUSE_MS * attempt * (0.5 + Math.random()))
    const lease = await pool.take(caller.module, 'transaction', use.ended.signal)
    const transaction: Transaction = {
      id: randomUUID(),
      lease,
      deadline: performance.now() + limits.transactionMs,
      failed: undefined,
      statements: 0,
      last: Promise.resolve(),
      close() {
        clearTimeout(timer)
        // From now on, the connection may be somebody else's.
        transaction.failed ??= new BulkheadError('INVALID', 'cannot go on with the transaction, it has ended')
        if (lease.connection.status !== 'I') lease.connection.destroy() // the server rolls back
        lease.give()
      },
    }
    const timer = setTimeout(() => {
      transaction.failed = new BulkheadError('TIMEOUT', `cannot go on with the transaction, it took longer than the ${limits.transactionMs} ms it may take`)
      // What runs is stopped by its own clock, which is no later.
      void transaction.last.then(() => transaction.close())
    }, limits.transactionMs)
    use.transactions.set(transaction.id, transaction)
    try {
      await lease.connection.command('begin isolation level serializable')
    } catch (error) {
      transaction.close()
      throw error
    }
    if (use.ended.signal.aborted) transaction.close()
    return transaction
  }

  const commit = async (transaction: Transaction): Promise<void> => {
    const { connection } = transaction.lease
    try {
      if (transaction.failed) throw transaction.failed
      if (connection.status === 'E') throw new BulkheadError('INVALID', 'cannot commit, a statement of the transaction failed')
      await connection.command('commit')
    } finally {
      transaction.close()
    }
  }

  const rollback = async (transaction: Transaction): Promise<void> => {
    const { connection } = transaction.lease
    try {
      if (transaction.failed === undefined) await connection.command('rollback')
    } finally {
      transaction.close()
    }
  }

  const explained = async <Answer>(work: () => Promise<Answer>): Promise<Answer> => {
    try {
      return await work()
    } catch (error) {
      throw asSqlError(error, limits)
    }
  }

  return {
    prepare,
    get connections() {
      return pool.size
    },
    run: (caller, statement, id) =>
      explained(async () => {
        const transaction = id === undefined ? undefined : find(caller, id)
        const result = await (transaction ? inTurn(transaction, () => runWithin(caller, transaction, statement)) : runAlone(caller, statement))
        return answerOf(result)
      }),
    begin: (caller, attempt) => explained(async () => (await begin(caller, attempt)).id),
    commit: (caller, id) =>
      explained(async () => {
        const transaction = find(caller, id, true)
        await inTurn(transaction, () => commit(transaction))
      }),
    rollback: (caller, id) =>
      explained(async () => {
        const transaction = find(caller, id, true)
        await inTurn(transaction, () => rollback(transaction))
      }),
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]()
      const parser = await opening?.catch(() => undefined)
      await parser?.[Symbol.asyncDispose]()
    },
  }
}

function answerOf({ columns, rows, count }: Result): string {
  return `{"columns":${JSON.stringify(columns.map(({ name, type }) => [name, type]))},"rows":[${rows}],"count":${count}}`
}
