import { completeContext } from '../context.ts'
import type { Runtime } from '../runtime.ts'

const EVERY_MS = 5
/** Calls that may wait at one time, so that a neighbour that is away for a second is not buried under calls. */
const MAX_WAITING = 4

/** What a well-behaved neighbour did while it was called without a pause. */
export interface Pulse {
  readonly answered: number
  /** How often a call failed, by code; `WRONG` where the answer was another's. */
  readonly failed: ReadonlyMap<string, number>
  /** What it was sent in the calls that it answered, each of them a record of its own. */
  readonly acknowledged: ReadonlySet<string>
  /** The longest time without an answer since this was last asked, ms. */
  longestSilenceMs(): number
  /** Resolves once it has answered as often again; false where it did not within the time. */
  answers(count: number, withinMs: number): Promise<boolean>
  stop(): Promise<void>
}

/** Calls the neighbour every few milliseconds. */
export function startPulse(runtime: Runtime): Pulse {
  const failed = new Map<string, number>()
  const acknowledged = new Set<string>()
  const waiting = new Set<Promise<void>>()
  let sent = 0
  let lastAnswer = performance.now()
  let longest = 0

  const fail = (code: string): void => {
    failed.set(code, (failed.get(code) ?? 0) + 1)
  }
  const call = async (): Promise<void> => {
    const text = `call ${++sent}`
    const { modifications, extractions, failures } = await runtime.executeHook(
      'chat:after_ai',
      completeContext('chat:after_ai', { response: text }, `pulse-${sent}`),
    )
    const [failure] = failures
    if (failure) return fail(failure.code)
    // Nobody was asked while one neighbour takes over from another.
    if (!modifications) return
    if (modifications.response !== `heard ${text}` || extractions.length !== 1) return fail('WRONG')
    acknowledged.add(text)
    longest = Math.max(longest, performance.now() - lastAnswer)
    lastAnswer = performance.now()
  }
  const timer = setInterval(() => {
    if (waiting.size >= MAX_WAITING) return
    const done: Promise<void> = call()
      .catch(() => fail('THROWN'))
      .then(() => void waiting.delete(done))
    waiting.add(done)
  }, EVERY_MS)

  return {
    get answered() {
      return acknowledged.size
    },
    failed,
    acknowledged,
    longestSilenceMs() {
      const silence = Math.max(longest, performance.now() - lastAnswer)
      longest = 0
      return silence
    },
    async answers(count, withinMs) {
      const enough = acknowledged.size + count
      const deadline = performance.now() + withinMs
      while (acknowledged.size < enough && performance.now() < deadline) await pause(EVERY_MS)
      return acknowledged.size >= enough
    },
    async stop() {
      clearInterval(timer)
      await Promise.all(waiting)
    },
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
