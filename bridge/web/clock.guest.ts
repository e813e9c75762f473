import { DateOf, uncurry } from '../primordials.guest.ts'

// High Resolution Time, 4: milliseconds since the isolate began, in steps of the clock that V8 gives to Temporal, which
// is finer than Date's. Wall clocks may be set back: what was shown once is never undercut.
const toNumber = Number
const { now: dateNow } = DateOf
let nanoseconds: () => bigint
let origin = 0n
let originMs = 0
let latest = 0

/** Called when an isolate begins, before any module code: the snapshot's own time is not its, and it had no Temporal. */
export function startClock(): void {
  const instant = Temporal.Now.instant.bind(Temporal.Now)
  const of = uncurry(Object.getOwnPropertyDescriptor(Temporal.Instant.prototype, 'epochNanoseconds')?.get as () => bigint)
  nanoseconds = () => of(instant())
  origin = nanoseconds()
  originMs = dateNow()
  latest = 0
}

/** Milliseconds since the isolate began, never less than before. */
export function now(): number {
  const elapsed = toNumber(nanoseconds() - origin) / 1e6
  return elapsed > latest ? (latest = elapsed) : latest
}

/** When the isolate began, in milliseconds since 1970. */
export function timeOrigin(): number {
  return originMs
}
