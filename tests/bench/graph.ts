import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startRuntime } from '../../runtime/runtime.ts'
import { openDatabase } from '../../runtime/store/database.ts'
import { contextOf, openScratch, quiet } from './scratch.ts'
import { median, quantile, report } from './table.ts'

const MODULES = 100
const LAYER = 10
const STARTS = 3
const CALLS = 200
const ROUNDS = 15

/** A hundred modules in ten layers, each needing two of the layer below: until all are ready. And a call between two modules. */
export async function benchGraph(): Promise<void> {
  await using scratch = await openScratch()
  const write = async (name: string, manifest: object, code: string) => {
    await mkdir(join(scratch.modules, name), { recursive: true })
    await writeFile(join(scratch.modules, name, 'module.yaml'), JSON.stringify({ name, version: '1.0.0', description: 'A part of a benchmark', ...manifest }))
    await writeFile(join(scratch.modules, name, 'index.js'), code)
  }
  for (let n = 0; n < MODULES - 2; n++) {
    const below = n < LAYER ? [] : [n - LAYER, n - LAYER - (n % LAYER === 0 ? -1 : 1)]
    await write(`m${n}`, { dependencies: below.map((needed) => `m${needed}`) }, 'export default { healthCheck: () => ({ healthy: true }) }')
  }
  await write('greeter', { type: 'service' }, `export default { getService: () => ({ greet: (name) => 'hello ' + name }) }`)
  await write('asker', { hooks: ['product:before_ai'], permissions: ['module:greeter'], dependencies: ['greeter'] }, `
    export default { async handle(hook, ctx) { for (let n = 0; n < ${CALLS}; n++) await ctx.call('greeter', 'greet', 'Ann') } }`)

  await using database = await openDatabase({ folder: scratch.folder, log: quiet })
  const starts: number[] = []
  const trips: number[] = []
  for (let start = 0; start <= STARTS; start++) {
    const before = performance.now()
    await using runtime = await startRuntime({ modules: scratch.modules, data: scratch.folder, cells: 2, database, log: quiet })
    const ready = runtime.modules().filter(({ status }) => status === 'ready').length
    if (ready !== MODULES) throw new Error(`${ready} of ${MODULES} modules are ready`)
    // The first start bundles them all.
    if (start > 0) starts.push(performance.now() - before)
    if (start < STARTS) continue
    const context = contextOf(500, 'product:before_ai')
    for (let round = 0; round < ROUNDS; round++) {
      const called = performance.now()
      const { failures } = await runtime.executeHook('product:before_ai', context)
      if (failures[0]) throw new Error(failures[0].message)
      trips.push(((performance.now() - called) * 1000) / CALLS)
    }
  }
  report(
    'graph',
    `${MODULES} modules in ten layers, and a call from one module to another, there and back`,
    [
      { what: `start of ${MODULES} modules`, figures: { 'median ms': median(starts), 'max ms': Math.max(...starts) } },
      { what: 'call between modules', figures: { 'median µs': median(trips), 'p90 µs': quantile(trips, 0.9) } },
    ],
    [
      { what: `start of ${MODULES} modules`, value: median(starts), atMost: 3_000, unit: 'ms' },
      { what: 'call between modules', value: median(trips), atMost: 1_000, unit: 'µs' },
    ],
  )
}
