import { setTimeout as delay } from 'node:timers/promises'
import { asBulkheadError } from '../../bridge/errors.ts'
import type { Manifest } from '../../runtime/manifest.ts'
import { openResident } from './resident.ts'
import { contextOf, openScratch } from './scratch.ts'
import { median, quantile, report } from './table.ts'

const ROUNDS = 12
const LIMIT_MS = 100
const CPU = { maxCpuMs: LIMIT_MS, maxExecutionMs: 5_000 }
const WALL = { maxCpuMs: 60_000, maxExecutionMs: LIMIT_MS }
/** How long to wait for a cell to end that has a thread in it which does not. */
const CELL_ENDS_MS = 3_000

interface Offence {
  what: string
  handler: string
  limits: Partial<Manifest['limits']>
  /** V8 does not interrupt it: the caller is answered, and the cell has to end. */
  endsCell?: boolean
}

const OFFENCES: Offence[] = [
  { what: 'loop, CPU limit', handler: 'for (;;);', limits: CPU },
  { what: 'loop after an await, CPU limit', handler: 'await null; for (;;);', limits: CPU },
  { what: 'loop of microtasks, CPU limit', handler: 'for (;;) await null', limits: CPU },
  { what: 'loop, time limit', handler: 'for (;;);', limits: WALL },
  { what: 'promise never kept, time limit', handler: 'await new Promise(() => {})', limits: WALL },
  { what: 'uninterruptible, CPU limit', handler: 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)', limits: CPU, endsCell: true },
]

/** From a call to the error that ends it, less the limit it ran into; and to the end of the cell where it comes to that. */
export async function benchKill(): Promise<void> {
  await using scratch = await openScratch()
  const cells = await scratch.cells()
  const context = contextOf(2_500)
  const measured = []
  for (const [index, offence] of OFFENCES.entries()) {
    const version = await scratch.read(await scratch.write({ name: `offence-${index}`, ...offence }))
    const trust = offence.endsCell ? ('alone:offence' as const) : ('installed' as const)
    measured.push({ ...offence, resident: openResident(version, { cells, trust: () => trust }), over: [] as number[], cellOver: [] as number[], codes: new Set<string>() })
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { resident, over, cellOver, codes, endsCell } of measured) {
      const { cell } = await resident.instance()
      const start = performance.now()
      const error = await resident.call(context).then(() => undefined, asBulkheadError)
      over.push(performance.now() - start - LIMIT_MS)
      codes.add(error?.code ?? 'none')
      if (!endsCell) continue
      const ended = await Promise.race([cell.ended, delay(CELL_ENDS_MS)])
      if (ended) cellOver.push(performance.now() - start - LIMIT_MS)
    }
  }
  const rows = measured.map(({ what, over, cellOver, codes }) => ({
    what: `${what} → ${[...codes].join(', ')}`,
    figures: {
      'over p50 ms': median(over),
      'over max ms': Math.max(...over),
      ...(cellOver.length > 0 ? { 'cell ended p50 ms': median(cellOver), 'cell ended max ms': Math.max(...cellOver) } : {}),
    },
  }))
  const loops = measured.filter(({ what }) => what.startsWith('loop')).flatMap(({ over }) => over)
  report(
    'kill',
    `How long over a limit of ${LIMIT_MS} ms an execution is ended, ${ROUNDS} rounds`,
    rows,
    [{ what: 'kill of a loop over its limit, p50', value: quantile(loops, 0.5), atMost: 20, unit: 'ms' }],
  )
}
