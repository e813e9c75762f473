import { fileURLToPath } from 'node:url'
import { type Instance, placeInstance } from '../../runtime/instance.ts'
import { ECHO, openEchoWorker } from './echo.ts'
import { openScratch } from './scratch.ts'
import { median, quantile, report } from './table.ts'

const ROUNDS = 40
const WARM_UP_ROUNDS = 3
const PII_FILTER = fileURLToPath(new URL('../../modules/pii-filter', import.meta.url))

/** From a module's folder, its bundle in the cache, to an isolate that can be called; beside a worker thread's start. */
export async function benchStart(): Promise<void> {
  await using scratch = await openScratch()
  const folders = { 'module, a few lines': await scratch.write(ECHO), 'module, pii-filter': PII_FILTER }
  const cell = await (await scratch.cells()).cellFor('installed')

  const modules = Object.entries(folders).map(([what, folder]) => ({ what, folder, whole: [] as number[], reading: [] as number[] }))
  const workers: number[] = []
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const { folder, whole, reading } of modules) {
      const start = performance.now()
      const version = await scratch.read(folder)
      const read = performance.now()
      const { instance }: { instance: Instance } = await placeInstance(`${version.manifest.name}~${round}`, version, cell)
      const placed = performance.now()
      await instance.retire()
      if (round < 0) continue
      reading.push(read - start)
      whole.push(placed - start)
    }
    const start = performance.now()
    const worker = await openEchoWorker()
    const ready = performance.now()
    await worker[Symbol.asyncDispose]()
    if (round >= 0) workers.push(ready - start)
  }

  const worker = median(workers)
  const rows = modules.map(({ what, whole, reading }) => ({
    what,
    figures: { 'p50 ms': median(whole), 'p99 ms': quantile(whole, 0.99), 'p50 of reading it ms': median(reading), '× worker': median(whole) / worker },
  }))
  report(
    'start',
    `Start of one module, ${ROUNDS} rounds`,
    [{ what: 'worker_threads', figures: { 'p50 ms': worker, 'p99 ms': quantile(workers, 0.99), '× worker': 1 } }, ...rows],
    modules.map(({ what, whole }) => ({ what: `start, ${what}`, value: median(whole), atMost: 15, unit: 'ms' })),
  )
}
