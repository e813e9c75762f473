import { randomUUID } from 'node:crypto'
import type { Caller, Capability } from './capabilities.ts'
import { readArgs } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { BulkheadError } from './errors.ts'

/**
 * A record on its way to where it is kept; `data` is JSON text. `createdAt` is set once, when the host takes the record:
 * it is part of what makes a record sent twice one.
 */
export interface NewExtraction {
  id: string
  module: string
  version: string
  execution: string
  seq: number
  hook: string
  type: string
  data: string
  sessionId?: string | undefined
  userId?: string | undefined
  runId?: string | undefined
  classId?: string | undefined
  createdAt: Date
}

/** Resolves when the records are durable. */
export type KeepRecords = (records: NewExtraction[]) => Promise<void>

/** `ctx.emit`: keeps a typed record of what the module found. Arguments: `{type, data}`. */
export function emitCapability(keep: KeepRecords): Capability {
  return {
    permission: 'emit',
    perExecution: EXECUTION_CAPS.emits,
    argsLength: EXECUTION_CAPS.askBytes,
    async run(caller, args) {
      const { type, data } = caller.hide(readArgs('emit', args)) as { [key: string]: unknown }
      await keepRecord(keep, caller, type, data)
      return 'null'
    },
  }
}

/** Keeps one record in the caller's name. @throws INVALID, STORE_FAILED */
async function keepRecord(keep: KeepRecords, caller: Caller, type: unknown, data: unknown): Promise<void> {
  if (typeof type !== 'string' || type === '' || type.length > 100) {
    throw new BulkheadError('INVALID', 'cannot emit, the type must be a string of 1 to 100 characters')
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new BulkheadError('INVALID', 'cannot emit, the data must be a plain object')
  }
  const { module, version, execution, hook, session, user, run, class: learners } = caller
  // In the order of asking; an execution whose record cannot be kept fails, and its list is not read.
  caller.extractions.push({ type, data: data as { [key: string]: unknown } })
  await keep([
    {
      id: randomUUID(),
      module,
      version,
      execution,
      seq: caller.nextSeq(),
      hook,
      type,
      data: JSON.stringify(data),
      ...(session === undefined ? {} : { sessionId: session }),
      ...(user === undefined ? {} : { userId: user }),
      ...(run === undefined ? {} : { runId: run }),
      ...(learners === undefined ? {} : { classId: learners }),
      createdAt: new Date(),
    },
  ])
}
