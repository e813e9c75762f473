import type { Caller } from './capabilities.ts'
import { BulkheadError } from './errors.ts'
import { NET_CAPS } from './net-caps.ts'

interface Thing {
  close(): void
  readonly ended: Promise<void>
}

/** What one execution has open, by the numbers that the guest gave it; the executions of a background hand it on. */
export interface Hold<Held extends Thing> {
  /** @throws INVALID, CALL_LIMIT */
  add(id: unknown, open: () => Held): Held
  /** @throws UNAVAILABLE where it has ended */
  find(id: unknown): Held
  get(id: unknown): Held | undefined
  /** Counts what goes over the wire, for one execution. @throws SIZE_LIMIT */
  count(way: 'sent' | 'received', bytes: number): void
}

interface State<Held extends Thing> extends Hold<Held> {
  /** Executions that have it now. */
  open: number
  renew(): void
  closeAll(): void
}

/** For so long the next execution of a background may come after the last one ended, ms. */
const HANDOVER_MS = 3_000

/**
 * Keeps what executions have open until they end. A daemon's background is one execution after another: what is opened
 * in one belongs to the next as well, and is closed when none follows.
 */
export function openHolds<Held extends Thing>(what: string): { of(caller: Caller): Hold<Held>; closeAll(): void } {
  const byCaller = new WeakMap<Caller, State<Held>>()
  const backgrounds = new Map<string, State<Held>>()
  const all = new Set<State<Held>>()

  function join(caller: Caller): State<Held> {
    const key = caller.hook === BACKGROUND ? `${caller.module}@${caller.version}` : undefined
    const known = key === undefined ? undefined : backgrounds.get(key)
    const state = known ?? openState<Held>(what)
    all.add(state)
    if (key !== undefined) backgrounds.set(key, state)
    state.open++
    state.renew()
    byCaller.set(caller, state)
    const leave = () => {
      if (state.open > 0) return
      state.closeAll()
      all.delete(state)
      if (key !== undefined && backgrounds.get(key) === state) backgrounds.delete(key)
    }
    caller.atEnd.push(() => {
      state.open--
      if (key === undefined) leave()
      else setTimeout(leave, HANDOVER_MS).unref()
    })
    return state
  }

  return {
    of: (caller) => byCaller.get(caller) ?? join(caller),
    closeAll() {
      for (const state of all) state.closeAll()
    },
  }
}

export const BACKGROUND = 'background'

function openState<Held extends Thing>(what: string): State<Held> {
  const things = new Map<number, Held>()
  const counted = { sent: 0, received: 0 }
  const state: State<Held> = {
    open: 0,
    renew() {
      counted.sent = counted.received = 0
    },
    add(id, open) {
      if (!Number.isSafeInteger(id) || things.has(id as number)) throw new BulkheadError('INVALID', `cannot open the ${what}, it has no number of its own`)
      if (things.size >= NET_CAPS.openPerExecution) {
        const limit = { limit: 'openPerExecution', value: NET_CAPS.openPerExecution, used: things.size + 1 }
        throw new BulkheadError('CALL_LIMIT', `cannot open the ${what}, an execution may have ${limit.value} open`, limit)
      }
      const thing = open()
      things.set(id as number, thing)
      void thing.ended.then(() => things.delete(id as number))
      return thing
    },
    find(id) {
      const thing = things.get(id as number)
      if (!thing) throw new BulkheadError('UNAVAILABLE', `cannot go on with the ${what}, it has ended`)
      return thing
    },
    get: (id) => things.get(id as number),
    count(way, bytes) {
      counted[way] += bytes
      const limit = way === 'sent' ? 'sentBytes' : 'receivedBytes'
      if (counted[way] <= NET_CAPS[limit]) return
      const reached = { limit, value: NET_CAPS[limit], used: counted[way] }
      throw new BulkheadError('SIZE_LIMIT', `cannot go on with the ${what}, an execution may have ${NET_CAPS[limit]} bytes ${way}`, reached)
    },
    closeAll() {
      for (const thing of things.values()) thing.close()
      things.clear()
    },
  }
  return state
}
