import { setTimeout as delay } from 'node:timers/promises'
import { asBulkheadError } from '../../bridge/errors.ts'

type Call = () => Promise<unknown>

/** Calls one after the other for some ms. Answers with how long each took, in µs. */
export async function callInTurn(call: Call, forMs: number): Promise<number[]> {
  const took: number[] = []
  const end = performance.now() + forMs
  for (let now = performance.now(); now < end; ) {
    await call()
    const after = performance.now()
    took.push((after - now) * 1000)
    now = after
  }
  return took
}

/** Keeps so many calls in flight for some ms. Answers with calls per second. */
export async function callAtOnce(call: Call, inFlight: number, forMs: number): Promise<number> {
  let done = 0
  const start = performance.now()
  const caller = async () => {
    for (; performance.now() - start < forMs; done++) await call()
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  return done / ((performance.now() - start) / 1000)
}

export interface Paced {
  /** From the moment a call was due to its answer, ms. */
  took: number[]
  failures: Record<string, number>
}

/**
 * Makes a call every few ms whether or not earlier ones are answered, as independent users would: a stall then
 * counts for everyone who came while it lasted, not for one caller alone.
 */
export async function callAtPace(call: Call, everyMs: number, forMs: number): Promise<Paced> {
  const took: number[] = []
  const failures: Paced['failures'] = {}
  const calls: Promise<void>[] = []
  const callDue = async (due: number) => {
    const from = Math.min(due, performance.now()) // a timer may fire a little early
    try {
      await call()
      took.push(performance.now() - from)
    } catch (thrown) {
      count(failures, asBulkheadError(thrown).code)
    }
  }
  const start = performance.now()
  for (let due = start; due < start + forMs; due += everyMs) {
    const early = due - performance.now()
    if (early > 0) await delay(early)
    calls.push(callDue(due))
  }
  await Promise.all(calls)
  return { took, failures }
}

export function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1
}
