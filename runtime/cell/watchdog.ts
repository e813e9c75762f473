import { memoryError } from './execution.ts'
import type { PlacedModule } from './placed.ts'
import type { Slots } from './slots.ts'

const TICK_MS = 5
/** A disposed isolate whose thread is still inside after this long is in something V8 does not interrupt. */
const STUCK_MS = 250
/** Growth of the process past the module's own limit at which it is held to be the culprit, in MB. */
const SLACK_MB = 64

const MB = 1024 * 1024

/**
 * Ends what is past its budget: CPU and time, which V8 would let run on, and memory that V8 does not count.
 * It samples the process every few ms and lays its growth at the door of the isolates that were running.
 */
export function startWatchdog(modules: Map<string, PlacedModule>, slots: Slots, doomed: (why: string, module: string) => void): void {
  let lastRssMB = rssMB()
  const stuck = new Set<string>()
  setInterval(() => {
    const now = performance.now()
    slots.demote(now)
    const running: PlacedModule[] = []
    for (const [key, module] of modules) {
      module.enforce(now)
      if (module.entry) running.push(module)
      else if (module.gone) modules.delete(key)
      if (module.stuckSince !== undefined && now - module.stuckSince > STUCK_MS && !stuck.has(key)) {
        stuck.add(key)
        doomed(`a thread of ${key} does not end`, key)
      }
    }
    if (running.length === 0) return void (lastRssMB = 0)
    const rss = rssMB()
    if (lastRssMB > 0) attribute(running, rss - lastRssMB)
    lastRssMB = rss
  }, TICK_MS)
}

function attribute(running: readonly PlacedModule[], grownMB: number): void {
  for (const module of running) {
    const { entry } = module
    if (!entry) continue
    entry.grownMB += grownMB / running.length
    if (entry.grownMB > module.memoryMB + SLACK_MB) module.dispose(memoryError(module.memoryMB, entry.grownMB))
  }
}

function rssMB(): number {
  return process.memoryUsage.rss() / MB
}
