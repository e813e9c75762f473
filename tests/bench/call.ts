import { startRuntime } from '../../runtime/runtime.ts'
import { openDatabase } from '../../runtime/store/database.ts'
import { readVerdict } from '../../runtime/verdict.ts'
import { ECHO, openEchoWorker } from './echo.ts'
import { callAtOnce, callInTurn, count } from './load.ts'
import { openResident } from './resident.ts'
import { contextOf, openScratch, quiet } from './scratch.ts'
import { median, quantile, report } from './table.ts'

const ROUNDS = 7
const TURN_MS = 600
const WARM_UP_MS = 1_000
const IN_FLIGHT = 64
const CONTEXT_CHARACTERS = 2_500

/**
 * A call with a context of 2.5 KB, from the object that an application holds to the verdict as an object: of a worker
 * thread, of a module in its cell, and of a hook with that module through pipeline, supervisor and admission; and of
 * modules that have a context of their own for each call, as the first one and one that names common globals.
 */
export async function benchCall(): Promise<void> {
  await using scratch = await openScratch()
  const echo = await scratch.read(await scratch.write(ECHO))
  const lost: Record<string, number> = { module: 0, hook: 0 }
  await using database = await openDatabase({ folder: scratch.folder, log: quiet })
  await using runtime = await startRuntime({ modules: scratch.modules, data: scratch.folder, cells: 1, database, log: quiet })
  // The runtime, which is there already, does not find them.
  const cells = await scratch.cells()
  const fresh = async (name: string, top: string) =>
    openResident(await scratch.read(await scratch.write({ ...ECHO, name, top, context: 'fresh' })), { cells, trust: () => 'installed' })
  const freshModule = await fresh('fresh', '')
  const freshNaming = await fresh('fresh-naming', '[() => URL, () => ReadableStream]')
  const module = openResident(echo, { cells: await scratch.cells({ events: { tell: ({ type }) => void (type === 'cell:lost' && count(lost, 'module')) } }), trust: () => 'installed' })
  await using worker = await openEchoWorker()

  const context = contextOf(CONTEXT_CHARACTERS)
  runtime.subscribe(({ type }) => type === 'cell:lost' && count(lost, 'hook'))
  const subjects = {
    worker_threads: () => worker.call(context),
    module: async () => readVerdict(await module.call(context)),
    'module, fresh context': async () => readVerdict(await freshModule.call(context)),
    'the same, naming URL': async () => readVerdict(await freshNaming.call(context)),
    hook: async () => {
      const { failures } = await runtime.executeHook(context.hook, context)
      if (failures[0]) throw new Error(failures[0].message)
    },
  }
  const measured = Object.entries(subjects).map(([what, call]) => ({ what, call, p50: [] as number[], p99: [] as number[], perSecond: [] as number[] }))
  for (const { call } of measured) await callAtOnce(call, 8, WARM_UP_MS)
  for (let round = 0; round < ROUNDS; round++) {
    for (const { call, p50, p99, perSecond } of measured) {
      const took = await callInTurn(call, TURN_MS)
      p50.push(median(took))
      p99.push(quantile(took, 0.99))
      perSecond.push(await callAtOnce(call, IN_FLIGHT, TURN_MS))
    }
  }

  const figures = measured.map(({ what, p50, p99, perSecond }) => ({ what, p50: median(p50), p99: median(p99), perSecond: median(perSecond) }))
  const [base, ours] = figures as [(typeof figures)[0], (typeof figures)[0]]
  report(
    'call',
    `Call with a context of ${CONTEXT_CHARACTERS} characters, medians of ${ROUNDS} rounds`,
    figures.map(({ what, p50, p99, perSecond }) => ({
      what,
      figures: {
        'p50 µs': p50,
        '× worker p50': p50 / base.p50,
        'p99 µs': p99,
        '× worker p99': p99 / base.p99,
        [`calls/s at ${IN_FLIGHT}`]: perSecond,
        '× worker calls/s': perSecond / base.perSecond,
        ...(what in lost ? { 'cells lost': lost[what] as number } : {}),
      },
    })),
    [{ what: 'p50 of a call to a module', value: ours.p50 / base.p50, atMost: 1.5, unit: "× worker_threads'" }],
  )
}
