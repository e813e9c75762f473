/** One look at whether a module can do its work. */
export interface Beat {
  /** Milliseconds since 1970. */
  at: number
  healthy: boolean
  /** How much later than planned it came; 0 for the first. */
  lateMs: number
  /** How long a write took; null where there was none. */
  storeMs: number | null
  /** Why it is not healthy. */
  reason?: string
}

export interface Pulse {
  since: number
  beats: number
  unhealthy: number
  history: Beat[]
}

export interface Settings {
  maxStoreMs: number
  maxLateMs: number
  history: number
}

/** As the manifest has it. */
export const EVERY_MS = 10_000
const MAX_REASON = 200

export function openPulse(since: number): Pulse {
  return { since, beats: 0, unhealthy: 0, history: [] }
}

/** Judges what a beat found. */
export function judge(at: number, previous: Beat | undefined, written: { ms: number } | { error: unknown }, settings: Settings): Beat {
  const lateMs = previous ? Math.max(0, at - previous.at - (previous.storeMs ?? 0) - EVERY_MS) : 0
  const storeMs = 'ms' in written ? written.ms : null
  const reason = reasonOf(lateMs, written, settings)
  return { at, healthy: reason === undefined, lateMs, storeMs, ...(reason === undefined ? {} : { reason }) }
}

/** Remembers a beat. Answers whether it found something else than the one before it. */
export function keep(pulse: Pulse, beat: Beat, most: number): boolean {
  const before = pulse.history.at(-1)
  pulse.history.push(beat)
  pulse.history.splice(0, pulse.history.length - most)
  pulse.beats++
  if (!beat.healthy) pulse.unhealthy++
  return before ? before.healthy !== beat.healthy : !beat.healthy
}

function reasonOf(lateMs: number, written: { ms: number } | { error: unknown }, { maxStoreMs, maxLateMs }: Settings): string | undefined {
  if ('error' in written) return `cannot write: ${written.error instanceof Error ? written.error.message : written.error}`.slice(0, MAX_REASON)
  if (written.ms > maxStoreMs) return `a write took ${written.ms} ms and may take ${maxStoreMs} ms`
  if (lateMs > maxLateMs) return `it came ${lateMs} ms late and may be ${maxLateMs} ms late`
  return
}
