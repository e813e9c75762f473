import { Event, trusted } from './event.guest.ts'
import { abortWith, EventTarget, shapeHandler } from './event-target.guest.ts'
import { DOMException } from './dom-exception.guest.ts'
import { illegal, shapeInspection, shapeInterface } from './interface.guest.ts'

// DOM Standard, 3: aborting ongoing activities.

const OWN = Symbol()
type SetTimer = (callback: () => void, ms: number) => unknown
let setTimer: SetTimer
/** How AbortSignal.timeout waits, with a timer that keeps no script from ending. */
export function timeoutWith(set: SetTimer): void {
  setTimer = set
}

let make: () => AbortSignal
let signalAbort: (signal: AbortSignal, reason: unknown) => void
let addSteps: (signal: object, steps: () => void) => 'aborted' | 'added' | 'no signal'
let dropSteps: (signal: AbortSignal, steps: () => void) => void

export class AbortSignal extends EventTarget {
  #aborted = false
  #reason: unknown = undefined
  #steps: Array<() => void> = []
  /** Signals of `any` that follow this one, and for such a one those it follows. */
  #dependents: AbortSignal[] = []
  #sources: AbortSignal[] | undefined

  constructor(own?: unknown) {
    if (own !== OWN) throw illegal()
    super()
  }

  get aborted(): boolean {
    return this.#aborted
  }

  get reason(): unknown {
    return this.#reason
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason
  }

  static any(signals: unknown): AbortSignal {
    if (arguments.length < 1) throw new TypeError("Failed to execute 'AbortSignal.any': 1 argument required, but only 0 present")
    const all = [...(signals as Iterable<unknown>)]
    all.forEach((one, index) => {
      if (!isAbortSignal(one)) throw new TypeError(`Failed to execute 'AbortSignal.any': Argument 1, index ${index} is not of type AbortSignal`)
    })
    const result = make()
    const aborted = (all as AbortSignal[]).find((one) => one.#aborted)
    if (aborted) {
      result.#aborted = true
      result.#reason = aborted.#reason
      return result
    }
    result.#sources = []
    for (const one of all as AbortSignal[]) {
      for (const source of one.#sources ?? [one]) {
        if (result.#sources.includes(source)) continue
        result.#sources.push(source)
        source.#dependents.push(result)
      }
    }
    return result
  }

  static abort(reason: unknown = undefined): AbortSignal {
    const signal = make()
    signal.#aborted = true
    signal.#reason = reason === undefined ? aborted() : reason
    return signal
  }

  static timeout(ms: unknown): AbortSignal {
    if (arguments.length < 1) throw new TypeError("Failed to execute 'AbortSignal.timeout': 1 argument required, but only 0 present")
    const wait = Number(ms)
    const where = "Failed to execute 'AbortSignal.timeout': Argument 1"
    if (!Number.isFinite(wait)) throw new TypeError(`${where} is not a finite number`)
    if (Math.trunc(wait) < 0 || wait > Number.MAX_SAFE_INTEGER) throw new TypeError(`${where} is outside the accepted range of 0 to 9007199254740991, inclusive`)
    const signal = make()
    setTimer(() => signalAbort(signal, new DOMException('The operation was aborted due to timeout', 'TimeoutError')), wait)
    return signal
  }

  static {
    make = () => new AbortSignal(OWN)
    signalAbort = (signal, reason) => {
      if (signal.#aborted) return
      const reached = [signal, ...signal.#dependents.filter((one) => !one.#aborted)]
      for (const one of reached) {
        one.#aborted = true
        one.#reason = reason
      }
      for (const one of reached) {
        const steps = one.#steps
        one.#steps = []
        for (const step of steps) step()
        one.dispatchEvent(trusted(new Event('abort')))
      }
    }
    addSteps = (signal, steps) => {
      if (!(#aborted in signal)) return 'no signal'
      if (signal.#aborted) return 'aborted'
      signal.#steps.push(steps)
      return 'added'
    }
    dropSteps = (signal, steps) => {
      signal.#steps = signal.#steps.filter((one) => one !== steps)
    }
  }

  static isOne(value: unknown): value is AbortSignal {
    return typeof value === 'object' && value !== null && #aborted in value
  }
}
/** Whether a value is of the interface. */
export const isAbortSignal = AbortSignal.isOne
Reflect.deleteProperty(AbortSignal, 'isOne')
shapeInterface(AbortSignal)
shapeHandler(AbortSignal, 'abort')
shapeInspection(AbortSignal, ['aborted', 'reason', 'onabort'])
Object.defineProperty(AbortSignal.abort, 'length', { value: 0 })
Object.defineProperty(AbortSignal, 'length', { value: 0 })
abortWith(addSteps)

/**
 * Has steps run when a signal aborts, before its listeners; at once where it has. Returns how to take them back.
 */
export function whenAborted(signal: AbortSignal, steps: () => void): () => void {
  if (addSteps(signal, steps) === 'aborted') steps()
  return () => dropSteps(signal, steps)
}

export class AbortController {
  readonly #signal = make()

  get signal(): AbortSignal {
    return this.#signal
  }

  abort(reason: unknown = undefined): void {
    signalAbort(this.#signal, reason === undefined ? aborted() : reason)
  }
}
shapeInterface(AbortController)
shapeInspection(AbortController, ['signal'])
Object.defineProperty(AbortController.prototype.abort, 'length', { value: 0 })

function aborted(): DOMException {
  return new DOMException('The signal has been aborted', 'AbortError')
}
