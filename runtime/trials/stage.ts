import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BulkheadError } from '../../bridge/errors.ts'
import type { RuntimeEvent } from '../events.ts'
import { type Runtime, type RuntimeOptions, startRuntime } from '../runtime.ts'
import { openDatabase } from '../store/database.ts'
import { openModuleStates } from '../store/module-states.ts'
import type { Fixture } from './fixtures.ts'
import { type Pulse, startPulse } from './pulse.ts'

/** A neighbour that was executing when its cell died is kept apart for a while: the next one takes its place. */
const NEIGHBOURS = 12

/** A runtime and a database of its own, with one well-behaved module in it that is called without a pause. */
export interface Stage extends AsyncDisposable {
  readonly runtime: Runtime
  readonly pulse: Pulse
  readonly events: readonly RuntimeEvent[]
  /** The processes that cells were. */
  readonly cells: ReadonlySet<number>
  /** Sees to it that the neighbour lives in the same cell as this module. */
  bringTogether(module: string): Promise<boolean>
}

/**
 * Opens a runtime in a temporary folder. Of its modules only the neighbour is enabled.
 *
 * @param neighbour folder of the well-behaved module
 * @throws UNAVAILABLE where no database can be started
 */
export async function openStage(fixtures: readonly Fixture[], neighbour: string, log: RuntimeOptions['log']): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-stage-'))
  const modules = join(folder, 'modules')
  const data = join(folder, 'data')
  await using opened = new AsyncDisposableStack()
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const names = Array.from({ length: NEIGHBOURS }, (_, index) => `neighbour-${index + 1}`)
  await mkdir(modules)
  await Promise.all([
    ...fixtures.map((fixture) => cp(fixture.folder, join(modules, fixture.name), { recursive: true })),
    ...names.map((name) => copyAs(name, neighbour, modules)),
  ])
  const database = opened.use(await openDatabase({ folder: data, log }))
  const states = openModuleStates(database.sql)
  for (const name of [...fixtures.map((fixture) => fixture.name), ...names]) await states.set(name, false)
  const runtime = opened.use(await startRuntime({ modules, data, cells: 1, database, log }))
  const events: RuntimeEvent[] = []
  const cells = new Set<number>()
  runtime.subscribe((event) => {
    events.push(event)
    for (const { cell } of runtime.modules()) if (cell !== null) cells.add(cell)
  })
  let current = 0
  await runtime.enable(names[current] as string)
  const pulse = startPulse(runtime)
  opened.defer(() => pulse.stop())
  const resources = opened.move()

  return {
    runtime,
    pulse,
    events,
    cells,
    async bringTogether(module) {
      for (let attempt = 0; attempt < NEIGHBOURS; attempt++) {
        const { cell } = runtime.module(names[current] as string)
        if (cell !== null && cell === runtime.module(module).cell) return true
        await runtime.disable(names[current] as string)
        current = (current + 1) % names.length
        await runtime.enable(names[current] as string).catch(() => {})
      }
      return false
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function copyAs(name: string, source: string, modules: string): Promise<void> {
  const target = join(modules, name)
  await cp(source, target, { recursive: true })
  const manifest = join(target, 'module.yaml')
  const text = await readFile(manifest, 'utf8')
  if (!/^name: .*$/m.test(text)) throw new BulkheadError('MANIFEST_INVALID', `${manifest} has no name`)
  await writeFile(manifest, text.replace(/^name: .*$/m, `name: ${name}`))
}
