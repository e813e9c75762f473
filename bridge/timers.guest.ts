import type { Post } from './contract.ts'
import { refusal } from './errors.guest.ts'
import { now } from './web/clock.guest.ts'
import { apply, defineProperty, min, table, toNumber, TypeErrorOf } from './primordials.guest.ts'

interface Waiting {
  callback: (...args: unknown[]) => unknown
  args: unknown[]
  everyMs: number | undefined
  /** When it is to run, by the isolate's clock. */
  due: number
  /** Whether a script waits for it. */
  held: boolean
}

/** Timers may be set so many times as often, between the starts of two executions, as may wait at once. */
const SETS_PER_TIMER = 10

/**
 * setTimeout and setInterval over the cell's clock. They run while some execution of the module is open;
 * when the last one ends, the cell drops what is left. As in Deno 2, each returns an object that reads as its number.
 */
export function openTimers(post: Post, currentExecution: () => string, maxTimers: number) {
  const timers = table<number, Waiting>()
  // The same in the order in which they were set.
  const ids: number[] = []
  let lastId = 0
  let waiting = 0
  let held = 0
  let sets = 0
  let onIdle: (() => void) | undefined

  const hold = (timer: Waiting, wanted: boolean) => {
    if (timer.held === wanted) return
    timer.held = wanted
    held += wanted ? 1 : -1
    if (held === 0) onIdle?.()
  }
  const forget = (id: number) => {
    const timer = timers.get(id)
    if (!timer) return
    timers.delete(id)
    waiting--
    let at = 0
    while (ids[at] !== id) at++
    for (; at < waiting; at++) ids[at] = ids[at + 1] as number
    ids.length = waiting
    hold(timer, false)
  }
  /** The timer that is to run before this one, although the cell's clock has told of this one first. */
  const overtaken = (id: number, { due }: Waiting): number | undefined => {
    let first: number | undefined
    let earliest = due
    for (let at = 0; at < waiting; at++) {
      const other = ids[at] as number
      const otherDue = (timers.get(other) as Waiting).due
      if (otherDue < earliest || (otherDue === earliest && first === undefined && other < id)) {
        first = other
        earliest = otherDue
      }
    }
    return first
  }
  const countSet = () => {
    // Each one set and cleared again is work for the cell, which has to stay able to watch.
    const maxSets = maxTimers * SETS_PER_TIMER
    if (++sets > maxSets) throw refusal('CALL_LIMIT', `cannot set a timer, ${maxSets} were set`, { limit: 'timersSet', value: maxSets, used: sets })
  }
  const arm = (id: number, ms: number) => post('timer', currentExecution(), id, '' + ms, '')
  const drop = (id: number) => {
    if (!timers.get(id)) return
    forget(id)
    post('untimer', currentExecution(), id, '', '')
  }

  class Timeout {
    readonly #id: number
    readonly #ms: number

    constructor(id: number, ms: number) {
      this.#id = id
      this.#ms = ms
    }

    refresh(): this {
      if (!timers.get(this.#id)) return this
      countSet()
      const timer = timers.get(this.#id) as Waiting
      timer.due = now() + this.#ms
      arm(this.#id, this.#ms)
      return this
    }

    unref(): this {
      const timer = timers.get(this.#id)
      if (timer) hold(timer, false)
      return this
    }

    ref(): this {
      const timer = timers.get(this.#id)
      if (timer) hold(timer, true)
      return this
    }

    close(): this {
      drop(this.#id)
      return this
    }

    hasRef(): boolean {
      return timers.get(this.#id)?.held ?? false
    }

    [Symbol.dispose](): void {
      drop(this.#id)
    }

    [Symbol.toPrimitive](): number {
      return this.#id
    }

    static idOf(value: unknown): number {
      return typeof value === 'object' && value !== null && #id in value ? value.#id : toNumber(value)
    }
  }
  const { idOf } = Timeout
  Reflect.deleteProperty(Timeout, 'idOf')

  const start = (callback: unknown, ms: unknown, args: unknown[], repeat: boolean, isHeld = true): Timeout => {
    if (typeof callback !== 'function') {
      const error = new TypeErrorOf(`The "callback" argument must be of type function. Received ${callback === null ? 'null' : typeof callback}`)
      defineProperty(error, 'code', { value: 'ERR_INVALID_ARG_TYPE', enumerable: true })
      throw error
    }
    if (waiting >= maxTimers) throw refusal('CALL_LIMIT', `cannot set a timer, ${maxTimers} are waiting`, { limit: 'timers', value: maxTimers, used: waiting })
    countSet()
    const wanted = toNumber(ms)
    const delayMs = wanted > 0 ? min(wanted, 2 ** 31 - 1) : 0
    const id = ++lastId
    ids[waiting++] = id
    const timer: Waiting = { callback: callback as Waiting['callback'], args, everyMs: repeat ? delayMs : undefined, due: now() + (delayMs > 1 ? delayMs : 1), held: false }
    timers.set(id, timer)
    hold(timer, isHeld)
    arm(id, delayMs)
    return new Timeout(id, delayMs)
  }
  const clear = (timer?: unknown): void => {
    if (timer !== undefined && timer !== null && typeof timer !== 'symbol') drop(idOf(timer))
  }

  return {
    globals: {
      setTimeout: (callback: unknown, ms: unknown, ...args: unknown[]) => start(callback, ms, args, false),
      setInterval: (callback: unknown, ms: unknown, ...args: unknown[]) => start(callback, ms, args, true),
      setImmediate: (callback: unknown, ...args: unknown[]) => start(callback, 0, args, false),
      clearTimeout: (timer: unknown) => clear(timer),
      clearInterval: (timer: unknown) => clear(timer),
      clearImmediate: (timer: unknown) => clear(timer),
    },
    /** A timer that keeps no script from ending. */
    setUnheld: (callback: () => void, ms: number): unknown => start(callback, ms, [], false, false),
    fire(told: number): void {
      const due = timers.get(told)
      if (!due) return
      const earlier = overtaken(told, due)
      if (earlier !== undefined) arm(told, 0)
      const id = earlier ?? told
      const timer = timers.get(id) as Waiting
      if (timer.everyMs !== undefined) {
        timer.due = now() + (timer.everyMs > 1 ? timer.everyMs : 1)
        arm(id, timer.everyMs)
      }
      try {
        apply(timer.callback, undefined, timer.args)
      } finally {
        if (timer.everyMs === undefined) forget(id)
      }
    },
    /** Another execution starts: what was set so far no longer counts. */
    replenish(): void {
      sets = 0
    },
    /** Calls back once no timer is waited for, at once where none is. */
    whenIdle(callback: () => void): void {
      if (held === 0) callback()
      else onIdle = callback
    },
  }
}
