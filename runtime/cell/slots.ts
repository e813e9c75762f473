/** A stay longer than this belongs in the slow lane, ms. */
const LONG_STAY_MS = 20
/**
 * A module that stayed long enters by the slow lane only, for so many times as long as it stayed. One that was merely held
 * up, on a busy machine, is soon back beside the others; loopers are not while they take turns.
 */
const SLOW_FOR = 20
const SLOW_FOR_AT_MOST_MS = 10_000
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
  readonly waiting: Waiter[]
}

interface Waiter {
  readonly module: string
  enter(lane: Lane): void
}

interface Holder {
  readonly module: string
  readonly since: number
  lane: Lane
}

/**
 * A fast lane as wide as given, and a slow one for a single thread, so that at most twice as many and one are at work.
 * With one lane, as many loopers as it has slots keep everybody else waiting until they are killed (a neighbour's p99 beside 4 of them: 2,168 ms); with the slow one
 * they keep each other waiting (7.7 ms, and 4.9 beside 16; two slow slots, or 5 ms, did worse).
 */
export function createSlots(count: number): Slots {
  const fast: Lane = { free: count, waiting: [] }
  const slow: Lane = { free: 1, waiting: [] }
  const holders = new Set<Holder>()
  const slowUntil = new Map<string, number>()
  const uses = new Map<string, { ms: number; at: number }>()

  const isSlow = (module: string, now: number) => {
    const until = slowUntil.get(module)
    if (until === undefined) return false
    if (until > now) return true
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
    next.enter(lane)
  }
  const isHeavy = (module: string, now: number) => fast.free <= 1 && usedMs(module, now) > HEAVY_MS
  const enqueue = (waiter: Waiter, lane: Lane) => {
    if (lane.free <= 0) return void lane.waiting.push(waiter)
    lane.free--
    waiter.enter(lane)
  }
  /** A looper may hold the slow lane for as long as its limits are: only those like it wait that long for it. */
  const letBack = (now: number) => {
    const back = slow.waiting.filter(({ module }) => !isSlow(module, now) && !isHeavy(module, now))
    if (back.length === 0) return
    slow.waiting.splice(0, Infinity, ...slow.waiting.filter((waiter) => !back.includes(waiter)))
    for (const waiter of back) enqueue(waiter, fast)
  }

  return {
    acquire(module, start) {
      const asked = performance.now()
      const enter = (lane: Lane) => {
        const holder: Holder = { module, since: performance.now(), lane }
        holders.add(holder)
        start(() => {
          if (!holders.delete(holder)) return
          const now = performance.now()
          uses.set(module, { ms: usedMs(module, now) + now - holder.since, at: now })
          giveBack(holder.lane)
        })
      }
      enqueue({ module, enter }, isHeavy(module, asked) || isSlow(module, asked) ? slow : fast)
    },
    demote(now) {
      for (const holder of holders) {
        const stayMs = now - holder.since
        if (stayMs < LONG_STAY_MS) continue
        slowUntil.set(holder.module, Math.max(slowUntil.get(holder.module) ?? 0, now + Math.min(stayMs * SLOW_FOR, SLOW_FOR_AT_MOST_MS)))
        // Newcomers that loop may crowd the slow lane, once each: as many as the fast one would have been blocked by.
        if (holder.lane === slow || slow.free <= -count) continue
        slow.free--
        holder.lane = slow
        giveBack(fast)
      }
      if (slow.waiting.length > 0) letBack(now)
    },
  }
}
