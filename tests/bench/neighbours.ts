import { setTimeout as delay } from 'node:timers/promises'
import { readVerdict } from '../../runtime/verdict.ts'
import { ECHO } from './echo.ts'
import { callAtPace } from './load.ts'
import { benchPolicy } from './policy.ts'
import { openResident } from './resident.ts'
import { contextOf, openScratch } from './scratch.ts'
import { median, quantile, report } from './table.ts'

const ROUNDS = 3
const TURN_MS = 1_500
const EVERY_MS = 5
/** CPU that a looper gets before it is ended. */
const LOOP_CPU_MS = 100

const SETTINGS = [
  { what: 'alone', loopers: 0, apart: false },
  { what: 'beside 1 looper', loopers: 1, apart: false },
  { what: 'beside 4 loopers', loopers: 4, apart: false },
  { what: 'beside 16 loopers', loopers: 16, apart: false },
  { what: '4 loopers in another cell', loopers: 4, apart: true },
]

/**
 * A well-behaved module, called every few ms, while others in its cell loop until they are ended, are placed anew at
 * once and loop again. Last with the supervisor, which makes them wait and in the end gives them up.
 */
export async function benchNeighbours(): Promise<void> {
  await using scratch = await openScratch()
  const echo = await scratch.read(await scratch.write(ECHO))
  const looper = await scratch.read(
    await scratch.write({ name: 'looper', handler: 'for (;;);', limits: { maxCpuMs: LOOP_CPU_MS } }),
  )
  const context = contextOf(2_500)

  const measure = async (loopers: number, apart: boolean) => {
    const cells = await scratch.cells()
    const neighbour = openResident(echo, { cells, trust: () => 'installed' })
    for (let call = 0; call < 500; call++) await neighbour.call(context)
    const stop = new AbortController()
    let kills = 0
    const loopAgain = async (index: number) => {
      const resident = openResident(looper, { cells, trust: () => (apart ? 'alone:loopers' : 'installed') })
      await delay(index) // so that they do not all begin at once
      while (!stop.signal.aborted) await resident.call(context).catch(() => kills++)
    }
    const looping = Array.from({ length: loopers }, (_, index) => loopAgain(index))
    await delay(200)
    const before = kills
    const paced = await callAtPace(async () => readVerdict(await neighbour.call(context)), EVERY_MS, TURN_MS)
    const killed = kills - before
    stop.abort()
    await cells[Symbol.asyncDispose]()
    await Promise.all(looping)
    return { ...paced, killed }
  }

  const measured = SETTINGS.map((setting) => ({ ...setting, turns: [] as Awaited<ReturnType<typeof measure>>[] }))
  for (let round = 0; round < ROUNDS; round++) {
    for (const { loopers, apart, turns } of measured) turns.push(await measure(loopers, apart))
  }
  const rows = measured.map(({ what, turns }) => ({
    what,
    figures: {
      'p50 ms': median(turns.map(({ took }) => median(took))),
      'p99 ms': median(turns.map(({ took }) => quantile(took, 0.99))),
      'max ms': quantile(turns.flatMap(({ took }) => took), 1),
      'failed calls': turns.reduce((sum, { failures }) => sum + Object.values(failures).reduce((a, b) => a + b, 0), 0),
      'kills/s': turns.reduce((sum, { killed }) => sum + killed, 0) / ((turns.length * TURN_MS) / 1000),
    },
  }))
  const policy = await benchPolicy(LOOP_CPU_MS)
  const p99 = (what: string) => rows.find((row) => row.what === what)?.figures['p99 ms'] ?? Number.NaN
  report(
    'neighbours',
    `A module called every ${EVERY_MS} ms beside others that loop for ${LOOP_CPU_MS} ms of CPU each, medians of ${ROUNDS} rounds`,
    [...rows, policy],
    [{ what: "neighbour's p99 beside 4 loopers", value: p99('beside 4 loopers'), atMost: 10, unit: 'ms' }],
  )
}
