import { setTimeout as delay } from 'node:timers/promises'

/** Waits for a promise, but no longer than that. Resolves with whether it settled in time; @throws what it rejects with */
export async function within(ms: number, settled: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController()
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false)
  try {
    return await Promise.race([settled.then(() => true), late])
  } finally {
    timer.abort()
  }
}
