import type { Capabilities } from '../bridge/capabilities.ts'
import { BulkheadError } from '../bridge/errors.ts'
import { type Cell, openCell, suspectsOf, type Trust } from './cell-client.ts'
import type { Tell } from './events.ts'
import type { Executed } from './executed.ts'
import { nameOf } from './instance.ts'
import type { Programs } from './programs.ts'
import { watchCell } from './watch-cells.ts'
import type { Report } from './progress.ts'
import { within } from './within.ts'

/** How long a doomed cell may finish what runs in it, ms. */
const DRAIN_MS = 250

/** Loads after which a cell is renewed: each leaves some tens of KB behind (0.1 MB after a kill, measured over 300). */
const WORN_AFTER_LOADS = 300
/** As many suspects of one death live alone; of more, each may be innocent, and they are halved and halved again. */
const LONE_SUSPECTS = 4

/** Why an instance fell: for nothing of its own, for what its own isolate did, or as a suspect, to live apart. */
export type Blame = 'nobody' | 'isolate' | { apart: Trust }

export interface CellsEvents {
  /** An instance is gone, or its cell takes no more work: its module has to be placed elsewhere. */
  fell(instance: string, blame: Blame, reason: BulkheadError): void
  /** Instances whose cell is to be renewed: they are brought up elsewhere before they leave. */
  move(instances: readonly string[]): void
  executed(report: Executed): void
  tell: Tell
}

export interface Cells {
  /** A cell for a module of this group: the least laden of its cells, or a new one while there are fewer than allowed. */
  cellFor(trust: Trust): Promise<Cell>
  all(): readonly Cell[]
  /** Ends a cell that no module is left in. */
  releaseEmpty(): void
  /**
   * Puts another process in the place of each cell, one after the other: what is in it is brought up elsewhere first.
   * @param report told of each
   * @returns how many were ended, and the pids of those that something did not leave in time
   */
  renewAll(withinMs: number, report?: Report): Promise<{ renewed: number; left: number[] }>
  [Symbol.asyncDispose](): Promise<void>
}

interface CellsOptions {
  programs: Programs
  capabilities: Capabilities
  /** Cells of one group of trust; a module that is alone has one of its own besides. */
  perTrust: number
  threads: number
  events: CellsEvents
}

/** The set of cells: started on demand, filled evenly, and ended by SIGKILL only. */
export function openCells({ programs, capabilities, perTrust, threads, events }: CellsOptions): Cells {
  const cells = new Set<Cell>()
  const starting = new Map<Trust, Set<Promise<Cell>>>()
  const released = new WeakSet<Cell>()
  let closing = false

  async function start(trust: Trust): Promise<Cell> {
    let watch: Disposable | undefined
    let blamed: string[] = []
    let opened: Cell | undefined
    const cell = await openCell(trust, {
      programs,
      capabilities,
      settings: { threads },
      events: {
        lost: (instance, error) => events.fell(instance, 'isolate', error),
        executed: events.executed,
        doomed: (why, culprit) => doom(cell, why, culprit),
        ending({ reason, instances, culprits }) {
          watch?.[Symbol.dispose]()
          if (opened) cells.delete(opened)
          blamed = [...culprits].map(nameOf)
          if (!closing) fall(trust, instances, culprits, reason)
        },
      },
    })
    if (closing) {
      cell.kill(new BulkheadError('CELL_LOST', 'the host is stopping'))
      throw new BulkheadError('UNAVAILABLE', 'the host is stopping')
    }
    opened = cell
    cells.add(cell)
    watch = watchCell(cell, () => release(cell))
    void cell.ended.then(({ reason, violation, stderr }) => {
      if (violation !== undefined) events.tell({ type: 'cell:violation', pid: cell.pid, violation, modules: [...cell.instances].map(nameOf) })
      else if (!closing && !released.has(cell)) events.tell({ type: 'cell:lost', pid: cell.pid, reason: reason.message, culprits: blamed, ...(stderr && { stderr }) })
    })
    return cell
  }

  function fall(trust: Trust, instances: readonly string[], culprits: ReadonlySet<string>, reason: BulkheadError): void {
    const suspects = [...culprits]
    for (const key of instances) events.fell(key, culprits.has(key) ? { apart: quarantine(trust, suspects, key) } : 'nobody', reason)
  }

  function doom(cell: Cell, why: string, culprit: string | undefined): void {
    if (cell.doomed) return
    cell.doomed = true
    const culprits = new Set(culprit === undefined ? suspectsOf(cell.open.values()) : [culprit])
    fall(cell.trust, [...cell.instances], culprits, new BulkheadError('CELL_LOST', `its cell was ended, ${why}`))
    const deadline = performance.now() + DRAIN_MS
    const timer = setInterval(() => {
      if (cell.open.size > 0 && performance.now() < deadline) return
      clearInterval(timer)
      cell.kill(new BulkheadError('CELL_LOST', `the cell that ran this was ended, ${why}`), culprit)
    }, 5)
  }

  function release(cell: Cell): void {
    released.add(cell)
    cell.kill(new BulkheadError('CELL_LOST', 'the cell was empty'))
  }

  /** Lets what is in a worn cell move to another, with all its calls; empty, it is released. */
  function renew(cell: Cell): void {
    cell.doomed = true
    events.move([...cell.instances])
  }

  const usable = (trust: Trust) => [...cells].filter((cell) => cell.trust === trust && !cell.doomed)

  async function choose(trust: Trust): Promise<Cell> {
    if (closing) throw new BulkheadError('UNAVAILABLE', 'the host is stopping')
    for (const cell of usable(trust)) if (cell.loads >= WORN_AFTER_LOADS) renew(cell)
    const group = usable(trust)
    const pending = starting.get(trust) ?? new Set()
    const allowed = trust.includes(':') ? 1 : perTrust
    if (group.length + pending.size < allowed) {
      const started = start(trust)
      starting.set(trust, pending.add(started))
      return started.finally(() => pending.delete(started))
    }
    const [least] = group.toSorted((a, b) => a.instances.size - b.instances.size)
    return least ?? (await Promise.race(pending))
  }

  return {
    async cellFor(trust) {
      const cell = await choose(trust)
      cell.expected++
      return cell
    },
    all: () => [...cells],
    releaseEmpty() {
      for (const cell of cells) {
        if (cell.instances.size > 0 || cell.open.size > 0 || cell.expected > 0) continue
        release(cell)
      }
    },
    async renewAll(withinMs, report) {
      const left: number[] = []
      const old = [...cells]
      for (const [index, cell] of old.entries()) {
        renew(cell)
        const isGone = await within(withinMs, cell.ended)
        if (!isGone) left.push(cell.pid)
        report?.({ step: isGone ? `renewed the cell ${cell.pid}` : `the cell ${cell.pid} was not left in time`, done: index + 1, of: old.length })
      }
      return { renewed: old.length - left.length, left }
    },
    async [Symbol.asyncDispose]() {
      closing = true
      const ends = [...cells].map((cell) => {
        cell.kill(new BulkheadError('CELL_LOST', 'the host is stopping'))
        return cell.ended
      })
      await Promise.all(ends)
      await Promise.allSettled([...starting.values()].flatMap((pending) => [...pending]))
    },
  }
}

/** Where a suspect lives until it has behaved: alone, or where there are many, in one of a few cells of suspects. */
function quarantine(trust: Trust, suspects: readonly string[], key: string): Trust {
  if (suspects.length <= LONE_SUSPECTS) return `alone:${nameOf(key)}`
  return `suspects:${trust.split(':')[0]}:${suspects.indexOf(key) % LONE_SUSPECTS}`
}
