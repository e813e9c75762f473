import { BulkheadError } from '../bridge/errors.ts'
import type { Cell } from './cell-client.ts'
import { residentMB } from './process-memory.ts'

const TICK_MS = 50

/**
 * A cell that leaves a ping unanswered this long has lost its main thread to a lock, ms. Its longest piece of work of its
 * own is a snapshot: 55 ms, and ten times that on a machine that has other things to do.
 */
const SILENT_MS = 1_000
/** What a cell gets past an execution's wall time to end it by itself, ms. */
const OVERDUE_MS = 500
/**
 * Resident memory of a cell before it is killed: three times what a booted one takes (58 MB measured, 91 when worn by
 * 300 kills), what each of its modules may hold, and for those at work as much again and what the cell's own watchdog
 * lets pass: V8's limit is known to be passed by up to that before it acts.
 */
const CELL_MB = 192
const WATCHDOG_SLACK_MB = 64

/**
 * Watches a cell from outside, since a cell that has run hostile code may not watch itself.
 *
 * @param onSpent called when it takes no more work and nothing is left in it
 * @param silentMs how long it may leave a ping unanswered
 */
export function watchCell(cell: Cell, onSpent = () => {}, silentMs = SILENT_MS): Disposable {
  let pinged: number | undefined
  let lastTick = performance.now()

  const tick = () => {
    const now = performance.now()
    const hostWasBusy = now - lastTick > TICK_MS * 3
    lastTick = now
    if (cell.doomed && cell.instances.size === 0 && cell.open.size === 0 && cell.expected === 0) return onSpent()
    const [usedMB, limitMB] = [residentMB(cell.pid), allowedMB(cell)]
    // Idle, it does no harm, and its garbage is yet to be collected.
    if (usedMB > limitMB && cell.open.size > 0) return cell.kill(overfull(cell, limitMB, usedMB))
    // What a busy host has not read yet is no silence of the cell.
    if (hostWasBusy) return void (pinged = undefined)
    for (const { instance, startedAt, wallMs } of cell.open.values()) {
      if (now - startedAt > wallMs + OVERDUE_MS) return cell.kill(overdue(wallMs, now - startedAt), instance)
    }
    if (pinged !== undefined && now - pinged > silentMs) {
      return cell.kill(new BulkheadError('CELL_LOST', 'the cell that ran this did not answer any more and was ended'))
    }
    if (pinged === undefined && cell.open.size > 0) {
      const sent = (pinged = now)
      cell.ping().then(() => (pinged = pinged === sent ? undefined : pinged), () => {})
    }
  }
  const timer = setInterval(tick, TICK_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function allowedMB(cell: Cell): number {
  const working = new Map<string, number>()
  for (const { instance, memoryMB } of cell.open.values()) working.set(instance, memoryMB)
  let allowed = CELL_MB + cell.memoryMB
  for (const memoryMB of working.values()) allowed += memoryMB + WATCHDOG_SLACK_MB
  return allowed
}

/** Where one module alone was at work, it is its own limit that was passed. */
function overfull(cell: Cell, cellMB: number, cellUsedMB: number): BulkheadError {
  const working = new Map([...cell.open.values()].map(({ instance, memoryMB }) => [instance, memoryMB]))
  const [ownMB] = working.size === 1 ? working.values() : []
  const used = Math.round(cellUsedMB)
  const [limit, value] = ownMB === undefined ? ['cellMemoryMB', cellMB] : ['maxMemoryMB', ownMB]
  const message = `execution ended with its cell, which took ${used} MB and may take ${cellMB} MB`
  return new BulkheadError('MEMORY_LIMIT', message, { limit, value, used })
}

function overdue(limitMs: number, usedMs: number): BulkheadError {
  const used = Math.round(usedMs)
  return new BulkheadError('TIMEOUT', `execution ended with its cell, it ran for ${used} ms and may run for ${limitMs} ms`, {
    limit: 'maxExecutionMs',
    value: limitMs,
    used,
  })
}
