import { startRuntime } from '../../runtime/runtime.ts'
import { openDatabase } from '../../runtime/store/database.ts'
import { callInTurn } from './load.ts'
import { contextOf, openScratch, quiet } from './scratch.ts'
import { median, quantile, report } from './table.ts'

const CHAINS = { 'product:before_ai': 1, 'chat:after_ai': 5, 'chat:before_ai': 20 }
const ROUNDS = 7
const WARM_UP_MS = 500
const TURN_MS = 600
const CONTEXT_CHARACTERS = 2_500

/** Hooks with 1, 5 and 20 modules, each of which takes the context of 2.5 KB that the one before has left and adds to it. */
export async function benchChain(): Promise<void> {
  await using scratch = await openScratch()
  for (const [hook, modules] of Object.entries(CHAINS)) {
    for (let index = 0; index < modules; index++) {
      const handler = `return { action: 'continue', modifications: { output: { step${index}: ctx.requestId } } }`
      await scratch.write({ name: `${hook.replaceAll(/[:_]/g, '-')}-${index}`, hook, handler })
    }
  }
  await using database = await openDatabase({ folder: scratch.folder, log: quiet })
  await using runtime = await startRuntime({ modules: scratch.modules, data: scratch.folder, cells: 2, database, log: quiet })
  const measured = Object.entries(CHAINS).map(([hook, modules]) => {
    const context = contextOf(CONTEXT_CHARACTERS, hook)
    const call = async () => {
      const { failures, modifications } = await runtime.executeHook(hook, context)
      if (failures[0]) throw new Error(failures[0].message)
      if (Object.keys(modifications?.output ?? {}).length !== modules) throw new Error(`not all of ${modules} modules were asked`)
    }
    return { modules, call, p50: [] as number[], p99: [] as number[] }
  })
  for (const { call } of measured) await callInTurn(call, WARM_UP_MS)
  for (let round = 0; round < ROUNDS; round++) {
    for (const { call, p50, p99 } of measured) {
      const took = await callInTurn(call, TURN_MS)
      p50.push(median(took))
      p99.push(quantile(took, 0.99))
    }
  }
  const figures = measured.map(({ modules, p50, p99 }) => ({ modules, p50: median(p50), p99: median(p99) }))
  const [one, five] = figures as [(typeof figures)[0], (typeof figures)[0]]
  report(
    'chain',
    `A pipeline with a context of ${CONTEXT_CHARACTERS} characters, medians of ${ROUNDS} rounds`,
    figures.map(({ modules, p50, p99 }) => ({
      what: `${modules} ${modules === 1 ? 'module' : 'modules'}`,
      figures: { 'p50 µs': p50, '× one module': p50 / one.p50, 'p99 µs': p99 },
    })),
    [{ what: 'p50 of five modules', value: five.p50 / one.p50, atMost: 5, unit: '× one module' }],
  )
}
