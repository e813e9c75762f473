import { monitorEventLoopDelay } from 'node:perf_hooks'
import { asBulkheadError, type ErrorCode, type ErrorText } from '../../bridge/errors.ts'
import { completeContext } from '../context.ts'
import type { Fixture } from './fixtures.ts'
import { pause } from './pulse.ts'
import type { Stage } from './stage.ts'

/** How a misbehaviour ended, and what it did to the others. */
export interface Trial {
  readonly fixture: Fixture
  /** `escaped` where the module says that it found a way out. */
  readonly end: ErrorCode | 'harmless' | 'escaped'
  readonly error: ErrorText | undefined
  readonly afterMs: number
  readonly neighbour: { answered: number; failed: number; silentMs: number; together: boolean }
  /** The longest that the host's event loop was held up, ms; other processes on the machine count too. */
  readonly hostDelayMs: number
  readonly cellsLost: number
  /** What should not have been. */
  readonly faults: readonly string[]
}

// Generous: they tell a hang from a busy machine. How fast things end is measured by the benchmark.
const OVERTIME_MS = 4_000
const SILENCE_MS = 8_000
const HOST_DELAY_MS = 1_000
/** Within this the cell of a thread that does not end is ended; a fixture that follows should find another. */
const SETTLE_MS = 700
const ENDS_AN_ISOLATE = new Set(['CPU_LIMIT', 'TIMEOUT', 'MEMORY_LIMIT', 'CALL_LIMIT', 'CELL_LOST'])

/** Lets a module misbehave beside its neighbour, and tells how it ended. */
export async function tryFixture(stage: Stage, fixture: Fixture): Promise<Trial> {
  const { runtime, pulse, events } = stage
  const { expectation, name } = fixture
  const faults: string[] = []
  const patienceMs = fixture.manifest.limits.maxExecutionMs + OVERTIME_MS
  const inTime = <Result>(what: string, work: Promise<Result>, fallback: Result): Promise<Result> =>
    within(patienceMs, work, () => {
      faults.push(`${what} did not end within ${patienceMs} ms`)
      return fallback
    })

  if (!(await pulse.answers(1, SILENCE_MS))) faults.push('the neighbour did not answer before')
  const { answered } = pulse
  const failed = total(pulse.failed)
  const eventsBefore = events.length
  pulse.longestSilenceMs()
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  let startedAt = performance.now()
  let error: ErrorText | undefined
  let escaped: string | undefined
  let together = true

  const loadError = await inTime('its load', runtime.enable(name).then(() => undefined, asBulkheadError), undefined)
  if (expectation.during === 'load') error = loadError?.toJSON()
  else if (loadError) faults.push(`it did not load: ${loadError.code}, ${loadError.message}`)
  else {
    together = await stage.bringTogether(name)
    for (let call = 0; call < expectation.calls && !error && escaped === undefined; call++) {
      startedAt = performance.now()
      const context = completeContext('chat:before_ai', { message: { content: 'misbehave' } }, `${name}-${call}`)
      const outcome = await inTime('a call', runtime.executeHook('chat:before_ai', context), undefined)
      if (outcome?.action === 'block') escaped = outcome.reason ?? 'it blocked'
      const [failure] = outcome?.failures ?? []
      if (failure) error = { details: runtime.module(name).error?.details, ...failure }
    }
    if (expectation.during === 'unload') {
      startedAt = performance.now()
      await inTime('its unload', runtime.disable(name).then(() => {}, () => {}), undefined)
    }
  }
  const afterMs = Math.round(performance.now() - startedAt)
  const end = escaped === undefined ? (error?.code ?? 'harmless') : 'escaped'

  if (ENDS_AN_ISOLATE.has(end) || expectation.during === 'unload') await pause(SETTLE_MS)
  if (!(await pulse.answers(5, SILENCE_MS))) faults.push(`the neighbour did not answer again within ${SILENCE_MS} ms`)
  await inTime('its removal', runtime.disable(name).then(() => {}, () => {}), undefined)
  delay.disable()
  const hostDelayMs = Math.round(delay.max / 1e6)
  const silentMs = Math.round(pulse.longestSilenceMs())

  if (escaped !== undefined) faults.push(escaped)
  if (!expectation.ends.some((expected) => expected === end)) {
    faults.push(`it ended with ${end}${error ? ` (${error.message})` : ''}, expected ${expectation.ends.join(' or ')}`)
  }
  if (error) faults.push(...unnamedLimit(error, fixture))
  if (!together) faults.push('the neighbour could not be brought into its cell')
  if (silentMs > SILENCE_MS) faults.push(`the neighbour was silent for ${silentMs} ms`)
  if (hostDelayMs > HOST_DELAY_MS) faults.push(`the host's event loop was held up for ${hostDelayMs} ms`)
  const kept = await countRecords(stage, name, expectation.records)
  if (kept < expectation.records) faults.push(`${kept} of ${expectation.records} acknowledged records are in the database`)
  return {
    fixture,
    end,
    error,
    afterMs,
    neighbour: { answered: pulse.answered - answered, failed: total(pulse.failed) - failed, silentMs, together },
    hostDelayMs,
    cellsLost: events.slice(eventsBefore).filter((event) => event.type === 'cell:lost' && event.culprits.length > 0).length,
    faults,
  }
}

/** An error about a limit says which, what it is, and what was used. */
function unnamedLimit({ code, details }: ErrorText, { manifest }: Fixture): string[] {
  const limits = { CPU_LIMIT: 'maxCpuMs', TIMEOUT: 'maxExecutionMs', MEMORY_LIMIT: 'maxMemoryMB' } as const
  if (!Object.hasOwn(limits, code)) return []
  const limit = limits[code as keyof typeof limits]
  const named = (details ?? {}) as { limit?: unknown; value?: unknown; used?: unknown }
  if (named.limit === limit && named.value === manifest.limits[limit] && typeof named.used === 'number') return []
  return [`its error does not name the limit ${limit}, its value and the use: ${JSON.stringify(details)}`]
}

async function countRecords({ runtime }: Stage, module: string, expected: number): Promise<number> {
  if (expected === 0) return 0
  const { items } = await runtime.records.listExtractions({ module, limit: 200 })
  return items.length
}

function total(counts: ReadonlyMap<string, number>): number {
  let sum = 0
  for (const count of counts.values()) sum += count
  return sum
}

async function within<Result>(ms: number, work: Promise<Result>, late: () => Result): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const timer = setTimeout(() => resolve(late()), ms)
  work.then(resolve, reject)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}
