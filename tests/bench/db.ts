import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lendFrom, openLendLab } from '../../runtime/lend/lend.setup.ts'
import { openPool } from '../../runtime/store/pool.ts'
import { openDatabase } from '../../runtime/store/database.ts'
import { startRuntime } from '../../runtime/runtime.ts'
import { callInTurn } from './load.ts'
import { contextOf, openScratch, quiet } from './scratch.ts'
import { median, quantile, report } from './table.ts'

const ROUNDS = 7
const TURN_MS = 500
const STATEMENTS = 300
const MODULES = 200
const ACTIVE = 20

/** Its own clock, as what the host sees of it has the call around it. */
const CODE = `
const now = () => Number(Temporal.Now.instant().epochNanoseconds % 1_000_000_000_000n) / 1000
export default { hooks: { async 'chat:before_ai'(ctx) {
  const took = []
  for (let count = 0; count < ${STATEMENTS}; count++) {
    const start = now()
    await ctx.db.sql\`select \${count}::int as one\`
    took.push(now() - start)
  }
  return { action: 'continue', modifications: { response: JSON.stringify(took) } }
} } }
`

/** Selecting one row: through the platform's own driver, through what lends the database, and from within a module. */
export async function benchDb(): Promise<void> {
  await benchSelect()
  await benchMany()
}

async function benchSelect(): Promise<void> {
  await using scratch = await openScratch()
  const folder = join(scratch.modules, 'asker')
  await mkdir(folder, { recursive: true })
  const limits = { maxExecutionMs: 30_000, maxCpuMs: 30_000 }
  const manifest = { name: 'asker', version: '1.0.0', description: 'A part of a benchmark', hooks: ['chat:before_ai'], permissions: ['db'], timeouts: { 'chat:before_ai': 30_000 }, limits }
  await writeFile(join(folder, 'module.yaml'), JSON.stringify(manifest))
  await writeFile(join(folder, 'index.js'), CODE)
  await using database = await openDatabase({ folder: scratch.folder, log: quiet })
  await using runtime = await startRuntime({ modules: scratch.modules, data: scratch.folder, cells: 1, database, log: quiet })
  const context = contextOf(500)
  const { path, database: name, user } = database.sql.options as { path: string; database: string; user: string }
  const direct = await openPool(1, undefined, { path, database: name, username: user })
  await using host = await lendFrom({ database, folder: scratch.folder, async [Symbol.asyncDispose]() {} }, {})
  let at = 0

  const subjects = {
    'postgres, in Node': () => callInTurn(() => direct`select ${at++}::int as one`, TURN_MS),
    'the capability, in the host': async () => {
      const { sql, end } = host.execution('host')
      const took: number[] = []
      for (let count = 0; count < STATEMENTS; count++) {
        const start = performance.now()
        await sql('select $1::int as one', String(count))
        took.push((performance.now() - start) * 1000)
      }
      end()
      return took
    },
    'ctx.db.sql, in a module': async () => {
      const { modifications, failures } = await runtime.executeHook('chat:before_ai', context)
      if (failures[0]) throw new Error(failures[0].message)
      return JSON.parse(String(modifications?.response)) as number[]
    },
  }
  const measured = Object.entries(subjects).map(([what, measure]) => ({ what, measure, p50: [] as number[], p99: [] as number[] }))
  for (const { measure } of measured) for (let turn = 0; turn < 5; turn++) await measure()
  for (let round = 0; round < ROUNDS; round++) {
    for (const { measure, p50, p99 } of measured) {
      const took = await measure()
      p50.push(median(took))
      p99.push(quantile(took, 0.99))
    }
  }
  await direct.end()
  const figures = measured.map(({ what, p50, p99 }) => ({ what, p50: median(p50), p99: median(p99) }))
  const [base, , ours] = figures as [(typeof figures)[0], (typeof figures)[0], (typeof figures)[0]]
  report(
    'db',
    `Selecting one row by a parameter on the embedded server, medians of ${ROUNDS} rounds`,
    figures.map(({ what, p50, p99 }) => ({ what, figures: { 'p50 µs': p50, '× direct p50': p50 / base.p50, 'p99 µs': p99, '× direct p99': p99 / base.p99 } })),
    [{ what: 'p50 of a statement', value: ours.p50 / base.p50, atMost: 2.5, unit: "× postgres'" }],
  )
}

/** Many modules that may, some that do. */
async function benchMany(): Promise<void> {
  await using lab = await openLendLab()
  const modules = Array.from({ length: MODULES }, (_, at) => `module-${at}`)
  const start = performance.now()
  for (const module of modules) await lab.lend.prepare(module)
  const prepareMs = (performance.now() - start) / MODULES
  const executions = modules.slice(0, ACTIVE).map((module) => lab.execution(module))
  for (let turn = 0; turn < 20; turn++) await Promise.all(executions.map(({ sql }) => sql('select 1')))
  const [row] = await lab.database.sql<Array<{ all: number }>>`select count(*)::int as all from pg_stat_activity where backend_type = 'client backend'`
  const connections = row?.all ?? Number.NaN
  report(
    'db-many',
    `${MODULES} modules with tables, ${ACTIVE} of them at work, on the embedded server`,
    [{ what: 'all', figures: { 'making a role ms': prepareMs, 'lent connections': lab.lend.connections, connections } }],
    [{ what: 'server connections', value: connections, atMost: 40, unit: 'connections' }],
  )
  for (const { end } of executions) end()
}
