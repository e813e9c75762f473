import type { Caller } from './capabilities.ts'
import { BulkheadError } from './errors.ts'
import { NET_CAPS } from './net-caps.ts'

interface Thing {
  close(): void
  readonly ended: Promise<void>
}

/** What one execution has open of one kind, by the numbers that the guest gave it; the executions of a background hand it on. */
export interface Hold<Held extends Thing> {
  /** @throws INVALID, CALL_LIMIT */
  add(id: unknown, open: () => Held): Held
  /** @throws UNAVAILABLE where it has ended */
  find(id: unknown): Held
  get(id: unknown): Held | undefined
  /** Counts what goes over the wire, for one execution. @throws SIZE_LIMIT */
  count(way: 'sent' | 'received', bytes: number): void
}

export interface Holds {
  /** Those of one kind, by who asks. What is open and what was sent is counted over all kinds together. */
  of<Held extends Thing>(what: string): (caller: Caller) => Hold<Held>
  closeAll(): void
}

interface State {
  /** Executions that have it now. */
  open: number
  readonly things: Set<Thing>
  readonly counted: { sent: number; received: number }
}

/** For so long the next execution of a background may come after the last one ended, ms. */
const HANDOVER_MS = 3_000
/** A background that waits for longer is answered with nothing, so that its next execution can go on waiting, ms. */
const PATIENCE_MS = 800
const BACKGROUND = 'background'

/** How long who asks may wait for something to read, ms; for as long as it runs where there is none. */
export function patienceOf({ hook }: Caller): number | undefined {
  return hook === BACKGROUND ? PATIENCE_MS : undefined
}

/**
 * Keeps what executions have open until they end. A daemon's background is one execution after another: what is opened
 * in one belongs to the next as well, and is closed when none follows.
 */
export function openHolds(): Holds {
  const byCaller = new WeakMap<Caller, State>()
  const backgrounds = new Map<string, State>()
  const all = new Set<State>()

  function join(caller: Caller): State {
    const key = caller.hook === BACKGROUND ? `${caller.module}@${caller.version}` : undefined
    const known = key === undefined ? undefined : backgrounds.get(key)
    const state: State = known ?? { open: 0, things: new Set(), counted: { sent: 0, received: 0 } }
    all.add(state)
    if (key !== undefined) backgrounds.set(key, state)
    state.open++
    state.counted.sent = state.counted.received = 0
    byCaller.set(caller, state)
    const leave = () => {
      if (state.open > 0) return
      closeThings(state)
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
    of<Held extends Thing>(what: string) {
      const holds = new WeakMap<State, Hold<Held>>()
      return (caller: Caller) => {
        const state = byCaller.get(caller) ?? join(caller)
        const hold = holds.get(state) ?? holdOf<Held>(what, state)
        holds.set(state, hold)
        return hold
      }
    },
    closeAll() {
      for (const state of all) closeThings(state)
    },
  }
}

function closeThings({ things }: State): void {
  for (const thing of things) thing.close()
  things.clear()
}

function holdOf<Held extends Thing>(what: string, { things, counted }: State): Hold<Held> {
  const byId = new Map<number, Held>()
  return {
    add(id, open) {
      if (!Number.isSafeInteger(id) || byId.has(id as number)) throw new BulkheadError('INVALID', `cannot open the ${what}, it has no number of its own`)
      if (things.size >= NET_CAPS.openPerExecution) {
        const limit = { limit: 'openPerExecution', value: NET_CAPS.openPerExecution, used: things.size + 1 }
        throw new BulkheadError('CALL_LIMIT', `cannot open the ${what}, an execution may have ${limit.value} open`, limit)
      }
      const thing = open()
      things.add(thing)
      byId.set(id as number, thing)
      void thing.ended.then(() => {
        things.delete(thing)
        byId.delete(id as number)
      })
      return thing
    },
    find(id) {
      const thing = byId.get(id as number)
      if (!thing) throw new BulkheadError('UNAVAILABLE', `cannot go on with the ${what}, it has ended`)
      return thing
    },
    get: (id) => byId.get(id as number),
    count(way, bytes) {
      counted[way] += bytes
      const limit = way === 'sent' ? 'sentBytes' : 'receivedBytes'
      if (counted[way] <= NET_CAPS[limit]) return
      const reached = { limit, value: NET_CAPS[limit], used: counted[way] }
      throw new BulkheadError('SIZE_LIMIT', `cannot go on with the ${what}, an execution may have ${NET_CAPS[limit]} bytes ${way}`, reached)
    },
  }
}
