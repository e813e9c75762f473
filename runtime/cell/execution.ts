import { BulkheadError } from '../../bridge/errors.ts'
import type { Budget, Usage } from '../protocol.ts'
import type { Message } from '../rpc.ts'

/** One entry into a module, from the cell's side: what it may use, what it has used, and who waits for its end. */
export interface Execution {
  readonly id: string
  readonly budget: Budget
  readonly startedAt: number
  /** A background execution: it is over when its time is, and that is no fault of it. */
  readonly lasting: boolean
  /** Number of the context it runs in; of its own where contexts are fresh, and 0 otherwise. */
  readonly realm: number
  /** Charged when an entry ends; a running entry's share is not in it yet. */
  cpuMs: number
  calls: number
  /** It has been answered: nothing of it is to enter any more. */
  over: boolean
  /** Errors of the module's that were told in its name, as they were nobody's. */
  complaints: number
  /** Emits that are not yet in the database. The execution ends only when they are. */
  readonly unstored: Set<Promise<unknown>>
  readonly ended: Promise<Message<Usage>>
  /** @param runningMs CPU that is not charged yet */
  succeed(result: string, runningMs: number): void
  fail(error: BulkheadError): void
}

export function openExecution(id: string, budget: Budget, { lasting = false, realm = 0 } = {}): Execution {
  const { promise, resolve, reject } = Promise.withResolvers<Message<Usage>>()
  const execution: Execution = {
    id,
    budget,
    startedAt: performance.now(),
    lasting,
    realm,
    cpuMs: 0,
    calls: 0,
    over: false,
    complaints: 0,
    unstored: new Set(),
    ended: promise,
    succeed(result, runningMs) {
      execution.over = true
      resolve({ head: usageOf(execution, runningMs), body: result })
    },
    fail(error) {
      execution.over = true
      reject(new BulkheadError(error.code, error.message, { ...Object(error.details), usage: usageOf(execution) }))
    },
  }
  return execution
}

function usageOf(execution: Execution, runningMs = 0): Usage {
  return {
    wallMs: round(performance.now() - execution.startedAt),
    cpuMs: round(execution.cpuMs + runningMs),
    calls: execution.calls,
  }
}

export function timeoutError(execution: Execution): BulkheadError {
  const usedMs = Math.round(performance.now() - execution.startedAt)
  const limitMs = execution.budget.wallMs
  return new BulkheadError('TIMEOUT', `execution ended, it ran for ${usedMs} ms and may run for ${limitMs} ms`, {
    limit: 'maxExecutionMs',
    value: limitMs,
    used: usedMs,
  })
}

export function cpuError(execution: Execution, usedMs: number): BulkheadError {
  const limitMs = execution.budget.cpuMs
  const used = Math.round(usedMs)
  return new BulkheadError('CPU_LIMIT', `execution ended, it used ${used} ms of CPU and may use ${limitMs} ms`, {
    limit: 'maxCpuMs',
    value: limitMs,
    used,
  })
}

export function memoryError(limitMB: number, usedMB?: number): BulkheadError {
  const used = usedMB === undefined ? `more than ${limitMB} MB` : `${Math.round(usedMB)} MB`
  return new BulkheadError('MEMORY_LIMIT', `execution ended, its isolate took ${used} of memory and may take ${limitMB} MB`, {
    limit: 'maxMemoryMB',
    value: limitMB,
    used: usedMB === undefined ? limitMB : Math.round(usedMB),
  })
}

const round = (ms: number) => Math.round(ms * 1000) / 1000
