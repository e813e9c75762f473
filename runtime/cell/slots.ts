/** A stay longer than this belongs in the slow lane, ms. */
const LONG_STAY_MS = 20
/** For so long a module that stayed long enters by the slow lane only, ms. */
const SLOW_FOR_MS = 1_000
/** Of late, a module that stayed so long in sum, if in short stays, leaves the last fast slot to others, ms. */
const HEAVY_MS = 100
const USE_HALVES_MS = 500

/** How many guest threads are at work at one time: isolated-vm starts one for each isolate entered, without a bound. */
export interface Slots {
  /** Calls back at once or when a slot falls free, in order of arrival; the callee gives the slot back by `release`. */
  acquire(module: string, start: (release: () => void) => void): void
  /** Moves those who stay long out of the way of the others. Called every few ms. */
  demote(now: number): void
}

interface Lane {
  free: number
  readonly waiting: Array<() => void>
}

interface Holder {
  readonly module: string
  readonly since: number
  lane: Lane
}

/**
 * A fast lane as wide as given, and a slow one for a single thread, so that at most twice as many and one are at work. With one lane, as many loopers as it has slots
 * keep everybody else waiting until they are killed (a neighbour's p99 beside 4 of them: 2,168 ms); with the slow one
 * they keep each other waiting (7.7 ms, and 4.9 beside 16; two slow slots, or 5 ms, did worse).
 */
export function createSlots(count: number): Slots {
  const fast: Lane = { free: count, waiting: [] }
  const slow: Lane = { free: 1, waiting: [] }
  const holders = new Set<Holder>()
  const slowUntil = new Map<string, number>()
  const uses = new Map<string, { ms: number; at: number }>()

  const isSlow = (module: string) => {
    const until = slowUntil.get(module)
    if (until === undefined) return false
    if (until > performance.now()) return true
    slowUntil.delete(module)
    return false
  }
  const usedMs = (module: string, now: number) => {
    const { ms, at } = uses.get(module) ?? { ms: 0, at: now }
    return ms * 0.5 ** ((now - at) / USE_HALVES_MS)
  }
  const giveBack = (lane: Lane) => {
    lane.free++
    if (lane.free <= 0) return
    const next = lane.waiting.shift()
    if (!next) return
    lane.free--
    next()
  }

  return {
    acquire(module, start) {
      const isHeavy = fast.free <= 1 && usedMs(module, performance.now()) > HEAVY_MS
      const lane = isHeavy || isSlow(module) ? slow : fast
      const enter = () => {
        const holder: Holder = { module, since: performance.now(), lane }
        holders.add(holder)
        start(() => {
          if (!holders.delete(holder)) return
          const now = performance.now()
          uses.set(module, { ms: usedMs(module, now) + now - holder.since, at: now })
          giveBack(holder.lane)
        })
      }
      if (lane.free <= 0) return void lane.waiting.push(enter)
      lane.free--
      enter()
    },
    demote(now) {
      for (const holder of holders) {
        if (now - holder.since < LONG_STAY_MS) continue
        slowUntil.set(holder.module, now + SLOW_FOR_MS)
        // Newcomers that loop may crowd the slow lane, once each: as many as the fast one would have been blocked by.
        if (holder.lane === slow || slow.free <= -count) continue
        slow.free--
        holder.lane = slow
        giveBack(fast)
      }
    },
  }
}
