/** Failures older than this no longer count, ms. */
const WINDOW_MS = 60_000
/** As many failures within the window disable a module. */
export const MAX_FAILURES = 5
const FIRST_DELAY_MS = 1_000
const MAX_DELAY_MS = 30_000

/** A module's failures of late, and what follows from them. */
export interface Strikes {
  readonly count: number
  /**
   * Notes a failure.
   *
   * @returns ms to wait before the restart, or undefined where the module is to be disabled. The first failure of a
   *   window restarts at once, those after it 1 s·2ⁿ later (RC section 4: at most 30 s, five restarts)
   */
  note(now: number): number | undefined
  clear(): void
}

export function createStrikes(): Strikes {
  let times: number[] = []
  return {
    get count() {
      return times.length
    },
    note(now) {
      times = [...times.filter((time) => now - time < WINDOW_MS), now]
      if (times.length >= MAX_FAILURES) return
      return times.length === 1 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (times.length - 2), MAX_DELAY_MS)
    },
    clear() {
      times = []
    },
  }
}

/** How long a module that ended a cell stays in one of its own, ms. */
export const APART_MS = WINDOW_MS
