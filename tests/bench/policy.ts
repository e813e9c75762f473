import { setTimeout as delay } from 'node:timers/promises'
import { startRuntime } from '../../runtime/runtime.ts'
import { openDatabase } from '../../runtime/store/database.ts'
import { ECHO } from './echo.ts'
import { callAtPace } from './load.ts'
import { contextOf, openScratch, quiet } from './scratch.ts'
import { median, type Row, quantile } from './table.ts'

const TURN_MS = 8_000
const EVERY_MS = 5
const LOOPERS = ['chat:after_ai', 'product:before_ai', 'product:after_ai', 'run:complete']

/** Four loopers and their neighbour in one runtime, each looper called again as soon as it has failed. */
export async function benchPolicy(loopCpuMs: number): Promise<Row> {
  await using scratch = await openScratch()
  await scratch.write({ ...ECHO, name: 'neighbour' })
  for (const [index, hook] of LOOPERS.entries()) {
    await scratch.write({ name: `looper-${index}`, handler: 'for (;;);', hook, limits: { maxCpuMs: loopCpuMs } })
  }
  await using database = await openDatabase({ folder: scratch.folder, log: quiet })
  await using runtime = await startRuntime({ modules: scratch.modules, data: scratch.folder, cells: 1, database, log: quiet })
  const context = contextOf(2_500)

  const stop = new AbortController()
  let kills = 0
  const looping = LOOPERS.map(async (hook) => {
    while (!stop.signal.aborted) {
      const { failures } = await runtime.executeHook(hook, contextOf(2_500, hook))
      if (failures[0]?.code === 'CPU_LIMIT') kills++
      else await delay(10)
    }
  })
  const { took, failures } = await callAtPace(
    async () => {
      const outcome = await runtime.executeHook(context.hook, context)
      if (outcome.failures[0]) throw new Error(outcome.failures[0].message)
    },
    EVERY_MS,
    TURN_MS,
  )
  stop.abort()
  await Promise.all(looping)
  return {
    what: '4 loopers under a supervisor',
    figures: {
      'p50 ms': median(took),
      'p99 ms': quantile(took, 0.99),
      'max ms': quantile(took, 1),
      'failed calls': Object.values(failures).reduce((a, b) => a + b, 0),
      'kills/s': kills / (TURN_MS / 1000),
    },
  }
}
