import { asBulkheadError, type BulkheadError } from '../bridge/errors.ts'
import type { LogRecord } from '../bridge/log.host.ts'
import { type Instance, placeInstance, type Version } from './instance.ts'
import { openLoneCells } from './lone-cell.ts'
import type { Context } from './pipeline.ts'
import { peakMB, residentMB } from './process-memory.ts'
import type { Usage } from './protocol.ts'
import { readVerdict, type Verdict } from './verdict.ts'

export interface RunReport {
  verdict?: Verdict
  error?: BulkheadError
  extractions: Array<{ type: string; data: unknown }>
  /** `peakMemoryMB`: what the cell took at most beyond what it takes when idle. */
  usage: Usage & { peakMemoryMB: number }
}

/**
 * Runs one version once, in an isolate in a cell of its own, without server or database: its load alone, or one hook.
 *
 * @param onLog called with each line as it comes
 */
export async function runOnce(version: Version, context: Context | undefined, onLog: (line: LogRecord) => void): Promise<RunReport> {
  const extractions: RunReport['extractions'] = []
  await using cells = await openLoneCells((record) => extractions.push(record), onLog)
  const cell = await cells.open()
  const idleMB = residentMB(cell.pid)
  const peakMemoryMB = () => Math.max(0, Math.round((peakMB(cell.pid) - idleMB) * 10) / 10)
  try {
    const { instance, usage: loadUsage } = await placeInstance('once~1', version, cell)
    if (!context) return { extractions, usage: { ...loadUsage, peakMemoryMB: peakMemoryMB() } }
    const { verdict, usage } = await callOnce(instance, context)
    extractions.push(...(verdict.extractions ?? []))
    return { verdict, extractions, usage: { ...usage, peakMemoryMB: peakMemoryMB() } }
  } catch (thrown) {
    const error = asBulkheadError(thrown)
    const { usage } = (error.details ?? {}) as { usage?: Usage }
    return { error, extractions, usage: { wallMs: 0, cpuMs: 0, calls: 0, ...usage, peakMemoryMB: peakMemoryMB() } }
  }
}

async function callOnce(instance: Instance, context: Context): Promise<{ verdict: Verdict; usage: Usage }> {
  const { text, usage } = await instance.call({ hook: context.hook }, JSON.stringify(context), Infinity)
  return { verdict: readVerdict(text), usage }
}
