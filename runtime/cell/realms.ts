import type { DeliveryKind, Post, WasmElsewhere } from '../../bridge/contract.ts'
import type { GuestContext, Isolate } from './isolate.ts'
import { openTimers } from './timers.ts'

interface Realm {
  context: GuestContext
  timers: ReturnType<typeof openTimers>
  /** What it holds of WebAssembly. */
  wasm: { megabytes: number; memories: number }
  /** What it was told last that others hold. */
  told: string
  inside: boolean
  /** Its execution is over; what its thread still does there has no effect. */
  left: boolean
}

interface RealmsOptions {
  /** Whether each execution has a realm of its own, or one is everybody's. */
  fresh: boolean
  /** Timers that may wait in one of them. */
  maxTimers: number
  heard(realm: number, ...post: Parameters<Post>): void
  /** A timer is due. */
  fire(realm: number, timer: number): void
}

/**
 * The contexts of an isolate by their numbers, each with what is its alone: its timers, and its part of what the isolate
 * holds of WebAssembly. V8 counts the rest of what they hold, ended ones included until it has collected them.
 */
export interface Realms {
  /** The one that a new execution runs in. */
  open(): number
  enter(realm: number, flat: readonly string[]): Promise<void>
  /** No execution of it is open any more: nothing waits in it, and a fresh one is gone. Whether it is. */
  leave(realm: number): boolean
  /** All are gone, as their isolate is. */
  close(): void
}

export function openRealms(isolate: Isolate, { fresh, maxTimers, heard, fire }: RealmsOptions): Realms {
  const realms = new Map<number, Realm>()
  // Of contexts that ended, until V8 is known to have collected them.
  const ended = { megabytes: 0, memories: 0 }
  let last = 0
  let leaving: Promise<void> | undefined

  function take(realm: number): Realm {
    const post: Post = (kind, execution, ask, name, text) => {
      if (kind === 'wasm') return holds(own, ask, Number(name), text === 'collected')
      if (own.left) return
      if (kind === 'timer') own.timers.set(ask, Number(name))
      else if (kind === 'untimer') own.timers.clear(ask)
      else heard(realm, kind, execution, ask, name, text)
    }
    const own: Realm = {
      context: isolate.openContext(post),
      timers: openTimers(maxTimers, (timer) => fire(realm, timer)),
      wasm: { megabytes: 0, memories: 0 },
      told: '[0,0,0,0]',
      inside: false,
      left: false,
    }
    realms.set(realm, own)
    return own
  }

  function holds({ wasm }: Realm, megabytes: number, memories: number, hasCollected: boolean): void {
    wasm.megabytes = megabytes
    wasm.memories = memories
    if (hasCollected) ended.megabytes = ended.memories = 0
  }

  function release(realm: number, { wasm, context }: Realm): void {
    realms.delete(realm)
    ended.megabytes += wasm.megabytes
    ended.memories += wasm.memories
    context.release()
  }

  /** Exact when it is told: one thread is in the isolate, and what it says comes before the next one enters. */
  function elsewhere(realm: Realm): string {
    let [megabytes, memories] = [0, 0]
    for (const { wasm } of realms.values()) {
      megabytes += wasm.megabytes
      memories += wasm.memories
    }
    const { wasm } = realm
    return JSON.stringify([megabytes - wasm.megabytes, memories - wasm.memories, ended.megabytes, ended.memories] satisfies WasmElsewhere)
  }

  return {
    open() {
      const realm = fresh ? ++last : 0
      if (!realms.has(realm)) take(realm)
      return realm
    },
    async enter(realm, flat) {
      if (leaving) await leaving
      const own = realms.get(realm)
      if (!own) return // it ended meanwhile
      const held = elsewhere(own)
      const isTold = held === own.told
      own.told = held
      own.inside = true
      try {
        await own.context.enter(isTold ? flat : ['elsewhere' satisfies DeliveryKind, '', held, ...flat])
      } finally {
        // Not waited for here: what ended could pass its time meanwhile, and cost the isolate.
        if (fresh) leaving = isolate.left()
        own.inside = false
        if (own.left) release(realm, own)
      }
    },
    leave(realm) {
      const own = realms.get(realm)
      own?.timers.clearAll()
      if (!own || !fresh) return false
      own.left = true
      if (!own.inside) release(realm, own)
      return true
    },
    close() {
      for (const { timers } of realms.values()) timers.clearAll()
      realms.clear()
    },
  }
}
