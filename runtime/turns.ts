/** Work that takes turns: a version that comes while another is being brought up waits for it. */
export interface Turns {
  take<Result>(work: () => Promise<Result>): Promise<Result>
  readonly busy: boolean
  /** Resolves when nothing is left, whatever came of it. */
  idle(): Promise<void>
}

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  return {
    take(work) {
      waiting++
      const done = last.then(work, work)
      last = done.then(
        () => waiting--,
        () => waiting--,
      )
      return done
    },
    get busy() {
      return waiting > 0
    },
    async idle() {
      while (waiting > 0) await last
    },
  }
}
