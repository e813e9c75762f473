import { BulkheadError, limitOf } from '../bridge/errors.ts'
import type { Usage } from './protocol.ts'

/** One execution that has ended, for those who count. */
export interface Executed {
  module: string
  hook: string
  /** `ok`, or the code of the error it ended with. */
  outcome: string
  /** The limit that ended it, such as `maxCpuMs`. */
  limit: string | undefined
  wallMs: number
  /** As the cell says, and no more than all cores can have done in the time. */
  cpuMs: number
}

/** @param ended what the cell answered with, or what was thrown in its place */
export function executed(about: Pick<Executed, 'module' | 'hook'>, startedAt: number, cores: number, ended: { head: Usage } | { thrown: unknown }): Executed {
  const wallMs = performance.now() - startedAt
  const { module, hook } = about
  const told = 'head' in ended ? ended.head?.cpuMs : usageOf(ended.thrown)?.cpuMs
  const cpuMs = typeof told === 'number' && told > 0 ? Math.min(told, wallMs * cores) : 0
  if ('head' in ended) return { module, hook, outcome: 'ok', limit: undefined, wallMs, cpuMs }
  const error = ended.thrown instanceof BulkheadError ? ended.thrown : undefined
  return { module, hook, outcome: error?.code ?? 'INTERNAL', limit: error && limitOf(error)?.limit, wallMs, cpuMs }
}

function usageOf(thrown: unknown): Partial<Usage> | undefined {
  const details = thrown instanceof BulkheadError ? (thrown.details as { usage?: Partial<Usage> } | undefined) : undefined
  return details?.usage
}
