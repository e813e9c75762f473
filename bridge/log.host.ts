import type { Capability } from './capabilities.ts'
import { readArgs } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import type { ExecutionCaps } from './contract.ts'
import { BulkheadError } from './errors.ts'

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof LEVELS)[number]

export interface LogRecord {
  module: string
  version: string
  execution: string
  seq: number
  level: Level
  message: string
  /** JSON text. */
  data?: string
  createdAt: Date
}

/** `ctx.log` and `console`: one line at a level. Arguments: `{level, message, data?}`. */
export function logCapability(keep: (lines: LogRecord[]) => void, caps: ExecutionCaps = EXECUTION_CAPS): Capability {
  return {
    permission: 'log',
    perExecution: caps.logLines + 1, // the last one tells how many were dropped
    argsLength: caps.logBytes,
    async run(caller, args) {
      const { level, message, data } = caller.hide(readArgs('log', args)) as { [key: string]: unknown }
      if (!isLevel(level) || typeof message !== 'string') {
        throw new BulkheadError('INVALID', `cannot log, a line has one of the levels ${LEVELS.join(', ')} and a message`)
      }
      const { module, version, execution } = caller
      const line: LogRecord = { module, version, execution, seq: caller.nextSeq(), level, message, createdAt: new Date() }
      keep([data === undefined ? line : { ...line, data: JSON.stringify(data) }])
      return 'null'
    },
  }
}

function isLevel(level: unknown): level is Level {
  return LEVELS.includes(level as Level)
}
