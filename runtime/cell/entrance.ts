import type { DeliveryKind } from '../../bridge/contract.ts'
import type { Execution } from './execution.ts'
import type { Isolate } from './isolate.ts'
import type { Realms } from './realms.ts'
import type { Slots } from './slots.ts'

// Executions that are cheap enter together: a thread's way into an isolate and back costs more than they do.
const MAX_BATCH = 32
const CHEAP_CPU_MS = 0.5

export interface Delivery {
  kind: DeliveryKind
  id: string
  text: string
  execution: Execution
}

/** One stay of a thread in the isolate, on behalf of these executions. */
export interface Entry {
  readonly executions: readonly Execution[]
  readonly startedAt: number
  readonly cpuAtStart: number
  readonly processCpuAtStart: number
  /** MB of the process's growth laid at this entry's door. */
  grownMB: number
}

/** The one door to an isolate: a single thread is inside at any time, and what it uses there is somebody's. */
export interface Entrance {
  enqueue(delivery: Delivery): void
  /** Nobody is to enter that realm any more. */
  drop(realm: number): void
  /** The entry a thread is in now, even if the isolate has been disposed under it. */
  readonly entry: Entry | undefined
  /** ms of CPU that the running entry has used so far. */
  usedMs(entry: Entry): number
  /** Lets nobody in any more. */
  close(): void
}

/**
 * @param module by whose name its threads take their slots
 * @param onEnded called with what was to be delivered in the name of an execution that has ended meanwhile
 * @param onFailure called with what an entry to a realm was rejected with, when its thread has left
 */
export function openEntrance(
  module: string,
  isolate: Pick<Isolate, 'cpuMs'>,
  realms: Pick<Realms, 'enter'>,
  slots: Slots,
  onEnded: (delivery: Delivery) => void,
  onFailure: (realm: number, thrown: unknown) => void,
): Entrance {
  let queue: Delivery[] = []
  let taken = false
  let awaited = false
  let closed = false
  let release = () => {}
  let entry: Entry | undefined
  let meanCpuMs = CHEAP_CPU_MS

  /** What comes in one turn of the event loop enters together. */
  function pumpSoon(): void {
    if (taken || awaited) return
    awaited = true
    queueMicrotask(() => {
      awaited = false
      pump()
    })
  }

  function pump(): void {
    if (taken || closed || queue.length === 0) return
    take(() => {
      clearEnded()
      const [first] = queue
      if (!first) return leave()
      const batch = queue.splice(0, meanCpuMs < CHEAP_CPU_MS ? batchSize(first) : 1)
      stay(batch, first.execution.realm)
    })
  }

  /** Between two timers the guest's microtasks run, which they do when the thread leaves. It enters one realm at a time. */
  function batchSize({ execution: { realm } }: Delivery): number {
    const next = queue.findIndex(({ kind, execution }, at) => at > 0 && (kind === 'timer' || execution.realm !== realm))
    return next < 0 ? MAX_BATCH : Math.min(next, MAX_BATCH)
  }

  /** What ended while it waited has no say any more, and its time is over: the isolate would pay for it. */
  function clearEnded(): void {
    if (!queue.some(({ execution }) => execution.over)) return
    const ended = queue.filter(({ execution }) => execution.over)
    queue = queue.filter(({ execution }) => !execution.over)
    ended.forEach(onEnded)
  }

  function take(inside: () => void): void {
    taken = true
    slots.acquire(module, (given) => {
      release = given
      if (closed) leave()
      else inside()
    })
  }

  function stay(batch: readonly Delivery[], realm: number): void {
    const executions = [...new Set(batch.map(({ execution }) => execution))]
    const flat: string[] = []
    for (const { kind, id, text } of batch) flat.push(kind, id, text)
    entry = { executions, startedAt: performance.now(), cpuAtStart: isolate.cpuMs(), processCpuAtStart: processCpuMs(), grownMB: 0 }
    realms.enter(realm, flat).then(leave, (thrown: unknown) => {
      leave()
      onFailure(realm, thrown)
    })
  }

  function leave(): void {
    if (entry) {
      const share = usedMs(entry) / Math.max(1, entry.executions.length)
      meanCpuMs = meanCpuMs * 0.9 + share * 0.1
      for (const execution of entry.executions) execution.cpuMs += share
    }
    entry = undefined
    taken = false
    release()
    pump()
  }

  function usedMs(running: Entry): number {
    // isolated-vm counts a running thread by the wall clock; under contention the process's own clock says less.
    return Math.min(isolate.cpuMs() - running.cpuAtStart, processCpuMs() - running.processCpuAtStart)
  }

  return {
    enqueue(delivery) {
      if (closed) return
      queue.push(delivery)
      pumpSoon()
    },
    drop(realm) {
      queue = queue.filter(({ execution }) => execution.realm !== realm)
    },
    get entry() {
      return entry
    },
    usedMs,
    close() {
      closed = true
      queue.length = 0
    },
  }
}

function processCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
