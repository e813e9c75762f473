import type { SqlFault } from '../../bridge/db.host.ts'
import { BulkheadError, type ErrorCode } from '../../bridge/errors.ts'
import { storeFailed } from '../store/failures.ts'
import { ConnectionLost, isStale, ResultTooLarge, StatementFailed } from './connection.ts'
import type { LendLimits } from './limits.ts'
import type { ServerFault } from './wire.ts'

/** By SQLSTATE, or by the class it begins with. */
const CODES: Record<string, ErrorCode> = {
  '40': 'CONFLICT', // serialisation, deadlock
  '23505': 'CONFLICT', // unique
  '42501': 'CAPABILITY_DENIED',
  '57014': 'TIMEOUT',
  '25P03': 'TIMEOUT',
  '25P04': 'TIMEOUT',
  '55P03': 'TIMEOUT', // a lock
  '53300': 'BUSY', // connections
  '53': 'SIZE_LIMIT', // memory, temporary files
  '53100': 'STORE_FAILED', // the disk is full
  '54': 'SIZE_LIMIT',
  '57': 'STORE_FAILED',
  '58': 'STORE_FAILED',
  '08': 'STORE_FAILED',
  XX: 'STORE_FAILED',
}
const RETRIED = new Set(['40001', '40P01'])

/** Why the host stopped a statement. */
export type Stop = 'late' | 'memory' | 'quota' | 'ended'

export function stopError(stop: Stop, limits: LendLimits): BulkheadError {
  if (stop === 'late') return new BulkheadError('TIMEOUT', `cannot finish the statement, it took longer than the ${limits.statementMs} ms it may take`)
  if (stop === 'memory') {
    return new BulkheadError('SIZE_LIMIT', `cannot finish the statement, it took more than the ${mebibytes(limits.backendBytes)} MB of memory it may take`)
  }
  if (stop === 'quota') return quotaError(limits)
  return new BulkheadError('UNAVAILABLE', 'cannot finish the statement, the execution has ended')
}

export function quotaError({ schemaBytes }: LendLimits): BulkheadError {
  return new BulkheadError('QUOTA', `cannot write, the module's tables take more than the ${mebibytes(schemaBytes)} MB they may; deleting and reading go on`)
}

/** Whatever a connection threw, as the error a module is told. */
export function asSqlError(thrown: unknown, limits: LendLimits): BulkheadError {
  if (thrown instanceof StatementFailed) return ofServer(thrown.fault)
  if (thrown instanceof ResultTooLarge) {
    const most = `${limits.resultRows} rows or ${mebibytes(limits.resultBytes)} MB`
    return new BulkheadError('SIZE_LIMIT', `cannot return the rows, there may be ${most} of them; ask for them in parts, with LIMIT`)
  }
  if (thrown instanceof ConnectionLost) return new BulkheadError('STORE_FAILED', `cannot run the statement, ${thrown.message}`)
  return storeFailed('run the statement', thrown)
}

function ofServer(fault: ServerFault): BulkheadError {
  const { code: sqlstate, message, ...more } = fault
  const code = CODES[sqlstate] ?? CODES[sqlstate.slice(0, 2)] ?? 'INVALID'
  const retry = RETRIED.has(sqlstate) || isStale(fault)
  const details: SqlFault = { sqlstate, ...more, ...(retry && { retry }) }
  return new BulkheadError(code, `cannot run the statement, ${message}`, details)
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024)
}
