import { monitorEventLoopDelay } from 'node:perf_hooks'
import { emitCapability } from '../../bridge/emit.host.ts'
import { asBulkheadError } from '../../bridge/errors.ts'
import { logCapability } from '../../bridge/log.host.ts'
import { residentMB } from '../../runtime/process-memory.ts'
import { openDatabase } from '../../runtime/store/database.ts'
import { openRecords } from '../../runtime/store/records.ts'
import { ECHO } from './echo.ts'
import { callAtPace, count } from './load.ts'
import { MISBEHAVIOUR_LIMITS, MISBEHAVIOURS } from './misbehaviours.ts'
import { openResident } from './resident.ts'
import { contextOf, openScratch, quiet } from './scratch.ts'
import { quantile, report, type Row } from './table.ts'

const SAMPLES = 12
const EVERY_MS = 10

/**
 * Every misbehaviour at once, each called again as soon as it has ended and placed anew as soon as it is gone, beside
 * a well-behaved module, with what they emit and log going to the database. A module that has ended a cell goes on in
 * one of its own.
 */
export async function benchSoak(minutes: number): Promise<void> {
  await using scratch = await openScratch()
  await using database = await openDatabase({ folder: scratch.folder, log: quiet })
  const records = openRecords(database.sql)
  const suspects = new Set<string>()
  let cellsLost = 0
  const cells = await scratch.cells({
    capabilities: { emit: emitCapability(records.addExtractions), log: logCapability(records.addLogs) },
    events: {
      tell(event) {
        if (event.type !== 'cell:lost') return
        cellsLost++
        for (const name of event.culprits) suspects.add(name)
      },
    },
  })
  const open = async (name: string, version: Awaited<ReturnType<typeof scratch.read>>) =>
    ({ name, ends: {} as Record<string, number>, resident: openResident(version, { cells, trust: () => (suspects.has(name) ? `alone:${name}` : 'installed') }) })
  const misbehaving = []
  for (const [name, misbehaviour] of Object.entries(MISBEHAVIOURS)) {
    misbehaving.push(await open(name, await scratch.read(await scratch.write({ name, ...misbehaviour, limits: MISBEHAVIOUR_LIMITS }))))
  }
  const neighbour = await open('echo', await scratch.read(await scratch.write({ ...ECHO, limits: { ...ECHO.limits, maxExecutionMs: 1_000 } })))
  const context = contextOf(2_500)

  const stop = new AbortController()
  const loops = misbehaving.map(async ({ resident, ends }) => {
    while (!stop.signal.aborted) {
      const end = await resident.call(context).then(() => 'answered', (thrown: unknown) => asBulkheadError(thrown).code)
      count(ends, end)
    }
  })
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const samples: Row[] = []
  const start = performance.now()
  for (let sample = 1; sample <= SAMPLES; sample++) {
    delay.reset()
    const { took, failures } = await callAtPace(() => neighbour.resident.call(context), EVERY_MS, (minutes * 60_000) / SAMPLES)
    samples.push({
      what: `${((performance.now() - start) / 60_000).toFixed(2)} min`,
      figures: {
        'host RSS MB': residentMB(process.pid),
        'host heap MB': process.memoryUsage().heapUsed / 2 ** 20,
        'cells RSS MB': cells.all().reduce((sum, { pid }) => sum + residentMB(pid), 0),
        'loop delay p99 ms': delay.percentile(99) / 1e6 - 5,
        'loop delay max ms': delay.max / 1e6 - 5,
        executions: misbehaving.reduce((sum, { ends }) => sum + Object.values(ends).reduce((a, b) => a + b, 0), 0),
        placements: misbehaving.reduce((sum, { resident }) => sum + resident.placements, 0),
        'cells lost': cellsLost,
        'neighbour p50 ms': quantile(took, 0.5),
        'neighbour p99 ms': quantile(took, 0.99),
        'neighbour failed': Object.values(failures).reduce((a, b) => a + b, 0),
      },
    })
  }
  stop.abort()
  await Promise.all(loops)
  await cells[Symbol.asyncDispose]()
  await records.close()

  const [first] = samples.slice(1)
  const last = samples.at(-1)
  const growth = (last?.figures['host RSS MB'] ?? Number.NaN) / (first?.figures['host RSS MB'] ?? Number.NaN)
  const worst = Math.max(...samples.map(({ figures }) => figures['loop delay max ms'] ?? 0))
  report('soak', `${minutes} min of ${misbehaving.length} misbehaving modules at full rate`, samples, [
    { what: 'host RSS at the end against the second sample', value: growth, atMost: 1.1, unit: '×' },
    { what: 'longest delay of the host', value: worst, atMost: 50, unit: 'ms' },
  ])
  report('soak', 'How their executions ended', misbehaving.map(({ name, ends, resident }) => ({ what: name, figures: { ...ends, placements: resident.placements } })))
}
