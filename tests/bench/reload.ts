import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tarball } from '../../runtime/tarball.setup.ts'
import { type Runtime, startRuntime } from '../../runtime/runtime.ts'
import { openDatabase } from '../../runtime/store/database.ts'
import { contextOf, openScratch, quiet } from './scratch.ts'
import { median, quantile, report, type Row } from './table.ts'

const SAVES = 60
const RELOADS = 200
const LOADED_RELOADS = 500
const CALLERS = 6
const INSTALLS = 15
const KB = 1024

/** From a save to the answer of the new version, a reload by itself and under load, and an installation. */
export async function benchReload(): Promise<void> {
  await using scratch = await openScratch()
  const context = contextOf(2_500)
  const saying = (version: number) => `return { action: 'continue', modifications: { output: { version: ${version} } } }`
  const folder = await scratch.write({ name: 'saved', handler: saying(0) })
  const write = (version: number) => writeFile(join(folder, 'index.js'), `export default { hooks: { async 'chat:before_ai'(ctx) { ${saying(version)} } } }\n`)
  await using database = await openDatabase({ folder: scratch.folder, log: quiet })
  const start = (watch: boolean) => startRuntime({ modules: scratch.modules, data: scratch.folder, cells: 2, database, log: quiet, watch })
  const answer = async (runtime: Runtime) => (await runtime.executeHook(context.hook, { ...context, output: {} })).modifications?.output?.['version']

  const saves: number[] = []
  {
    await using runtime = await start(true)
    for (let version = 1; version <= SAVES; version++) {
      const saved = performance.now()
      await write(version)
      while ((await answer(runtime)) !== version) await new Promise((done) => setTimeout(done, 1))
      saves.push(performance.now() - saved)
      await new Promise((done) => setTimeout(done, 200))
    }
  }

  await using runtime = await start(false)
  const reloads: number[] = []
  for (let version = SAVES + 1; version <= SAVES + RELOADS; version++) {
    await write(version)
    const started = performance.now()
    await runtime.reload('saved')
    reloads.push(performance.now() - started)
  }

  const loaded: number[] = []
  const calls: number[] = []
  let isOver = false
  let lost = 0
  const callers = Array.from({ length: CALLERS }, async () => {
    while (!isOver) {
      const called = performance.now()
      const version = await answer(runtime).catch(() => undefined)
      if (typeof version !== 'number') lost++
      calls.push(performance.now() - called)
      await new Promise((done) => setTimeout(done, 1))
    }
  })
  for (let version = 1; version <= LOADED_RELOADS; version++) {
    await write(1_000_000 + version)
    const started = performance.now()
    await runtime.reload('saved')
    loaded.push(performance.now() - started)
  }
  isOver = true
  await Promise.all(callers)

  const installs: number[] = []
  for (let version = 0; version < INSTALLS; version++) {
    const archive = archiveOf(version)
    const started = performance.now()
    await runtime.versions.install({ upload: once(archive) }, { by: 'a benchmark' })
    installs.push(performance.now() - started)
  }

  const row = (what: string, values: number[]): Row => ({ what, figures: { n: values.length, 'p50 ms': median(values), 'p99 ms': quantile(values, 0.99), 'max ms': Math.max(...values) } })
  report(
    'reload',
    `From one version to the next; ${LOADED_RELOADS} reloads with ${CALLERS} callers, ${calls.length} calls of which ${lost} were lost`,
    [
      row('save → new version answers, 100 ms of waiting included', saves),
      row('reload', reloads),
      row('reload under load', loaded),
      row('call meanwhile', calls),
      row('install of 200 KB', installs),
    ],
    [
      { what: 'save → new version answers', value: median(saves), atMost: 250, unit: 'ms' },
      { what: 'calls lost', value: lost, atMost: 0, unit: 'calls' },
    ],
  )
}

/** A module of 20 files with 200 KB of code that cannot be made much smaller. */
function archiveOf(version: number): Buffer {
  const parts = Array.from({ length: 20 }, (_, at) => ({
    path: `lib/part-${at}.ts`,
    content: `export const text${at}: string = ${JSON.stringify(randomBytes(7.5 * KB).toString('base64'))}\n`,
  }))
  const imports = parts.map(({ path }, at) => `import { text${at} } from './${path}'`).join('\n')
  const sum = parts.map((_, at) => `text${at}.length`).join(' + ')
  return tarball([
    { path: 'module.yaml', content: `name: installed\nversion: 1.0.${version}\ndescription: A part of a benchmark\nhooks: [chat:after_ai]\n` },
    { path: 'index.ts', content: `${imports}\nexport default { handle: () => ({ action: 'continue', modifications: { output: { length: ${sum} } } }) }\n` },
    ...parts,
  ])
}

async function* once(archive: Buffer): AsyncGenerator<Buffer> {
  yield archive
}
