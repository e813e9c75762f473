import { startRuntime } from '../../runtime/runtime.ts'
import { openDatabase } from '../../runtime/store/database.ts'
import { contextOf, openScratch, quiet } from './scratch.ts'
import { median, report } from './table.ts'

const SIZES = [10, 50, 200]
const KILLS = 3

interface Recovery {
  /** ms from the kill to the first answer of each module. */
  answered: number[]
  /** ms from the kill to each module's being ready. */
  ready: number[]
}

/** From `kill -9` of the one cell to the first answer of each of its modules, with the runtime and its database. */
export async function benchRecovery(): Promise<void> {
  const rows = []
  let lastOfFifty = Number.NaN
  for (const size of SIZES) {
    const kills = await recover(size)
    const lasts = kills.map(({ answered }) => Math.max(...answered))
    if (size === 50) lastOfFifty = median(lasts)
    rows.push({
      what: `${size} modules`,
      figures: {
        'first answer ms': median(kills.map(({ answered }) => Math.min(...answered))),
        'median module ms': median(kills.flatMap(({ answered }) => answered)),
        'last module ms': median(lasts),
        'worst of all ms': Math.max(...lasts),
        'last ready ms': median(kills.map(({ ready }) => Math.max(...ready))),
      },
    })
  }
  report(
    'recovery',
    `From kill -9 of a cell to the first answer of its modules, ${KILLS} kills each`,
    rows,
    [{ what: 'recovery of 50 modules', value: lastOfFifty, atMost: 1_000, unit: 'ms' }],
  )
}

async function recover(size: number): Promise<Recovery[]> {
  await using scratch = await openScratch()
  for (let index = 0; index < size; index++) {
    // Each notes when it ran; the pipeline asks them in order, so that one is never earlier than those before it.
    const name = `module-${String(index).padStart(3, '0')}`
    await scratch.write({ name, handler: `return { action: 'continue', modifications: { output: { '${name}': Date.now() } } }` })
  }
  await using database = await openDatabase({ folder: scratch.folder, log: quiet })
  await using runtime = await startRuntime({ modules: scratch.modules, data: scratch.folder, cells: 1, database, log: quiet })
  const context = { ...contextOf(2_500), output: {} }

  const answers = async (): Promise<number[]> => {
    const { modifications, failures } = await runtime.executeHook(context.hook, context)
    if (failures[0]) throw new Error(`${failures.length} modules failed: ${failures[0].message}`)
    return Object.values(modifications?.output ?? {}) as number[]
  }
  await answers()
  const recoveries: Recovery[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const pids = new Set(runtime.modules().map(({ cell }) => cell))
    const [pid] = pids
    if (pids.size !== 1 || !pid) throw new Error(`the modules are in ${pids.size} cells`)
    const noticed = Promise.withResolvers<void>()
    const readyAt: number[] = []
    const unsubscribe = runtime.subscribe(({ type }) => {
      if (type === 'cell:lost') noticed.resolve()
      if (type === 'module:ready') readyAt.push(Date.now())
    })
    const killedAt = Date.now()
    process.kill(pid, 'SIGKILL')
    await noticed.promise
    const answered = await answers()
    unsubscribe()
    if (answered.length !== size) throw new Error(`${answered.length} of ${size} modules answered`)
    recoveries.push({ answered: answered.map((at) => at - killedAt), ready: readyAt.map((at) => at - killedAt) })
  }
  return recoveries
}
