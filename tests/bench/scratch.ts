import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Capabilities } from '../../bridge/capabilities.ts'
import { bundleModule, stopBundler } from '../../runtime/bundle.ts'
import { type Cells, type CellsEvents, openCells } from '../../runtime/cells.ts'
import { completeContext } from '../../runtime/context.ts'
import type { Version } from '../../runtime/instance.ts'
import { type Manifest, readManifest } from '../../runtime/manifest.ts'
import { fixedTerms } from '../../runtime/terms.ts'
import type { Context } from '../../runtime/pipeline.ts'
import { buildPrograms } from '../../runtime/programs.ts'

/** What a benchmark works in: a folder that goes away afterwards, modules made of text, and cells. */
export interface Scratch extends AsyncDisposable {
  /** For the data of a runtime. */
  folder: string
  /** Where `write` puts its modules. */
  modules: string
  write(module: Written): Promise<string>
  /** The version in a folder: bundled, or from the cache where it was before. */
  read(folder: string): Promise<Version>
  /** One shared cell for each group of trust, watched as the runtime's are. */
  cells(options?: { capabilities?: Capabilities; events?: Partial<CellsEvents> }): Promise<Cells>
}

export interface Written {
  name: string
  /** The body of a handler, which has `ctx`. */
  handler: string
  /** What stands before the module's definition. */
  top?: string
  hook?: string
  limits?: Partial<Manifest['limits']>
  permissions?: string[]
  context?: Manifest['context']
}

export const quiet = { debug() {}, info() {}, warn() {}, error() {} }

export async function openScratch(): Promise<Scratch> {
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-bench-'))
  const modules = join(folder, 'modules')
  const opened: Cells[] = []
  return {
    folder,
    modules,
    async write({ name, handler, top = '', hook = 'chat:before_ai', limits = {}, permissions = ['emit', 'log'], context = 'lasting' }) {
      const moduleFolder = join(modules, name)
      await mkdir(moduleFolder, { recursive: true })
      const manifest = { name, version: '1.0.0', description: 'A part of a benchmark', hooks: [hook], blocking: { [hook]: true }, permissions, limits, context }
      await writeFile(join(moduleFolder, 'module.yaml'), JSON.stringify(manifest))
      await writeFile(join(moduleFolder, 'index.js'), `${top}\nexport default { hooks: { async '${hook}'(ctx) { ${handler} } } }\n`)
      return moduleFolder
    },
    async read(moduleFolder) {
      const manifest = await readManifest(moduleFolder)
      const artifact = await bundleModule({ folder: moduleFolder, name: manifest.name, cache: join(folder, 'cache/artifacts') })
      return { manifest, artifact, terms: fixedTerms(manifest) }
    },
    async cells({ capabilities = {}, events = {} } = {}) {
      const cells = openCells({
        programs: await buildPrograms(join(folder, 'cache')),
        capabilities,
        perTrust: 1,
        threads: availableParallelism(),
        events: { fell() {}, move() {}, executed() {}, tell() {}, ...events },
      })
      opened.push(cells)
      return cells
    },
    async [Symbol.asyncDispose]() {
      for (const cells of opened) await cells[Symbol.asyncDispose]()
      await stopBundler()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A chat of so many characters of JSON: some earlier messages, and the newest filled up to the size. */
export function contextOf(characters: number, hook = 'chat:before_ai'): Context {
  const earlier = Array.from({ length: 6 }, (_, index) => ({
    id: `m${index + 1}`,
    role: index % 2 ? ('assistant' as const) : ('user' as const),
    content: `What was said in turn ${index + 1}, at some length, about photosynthesis and why leaves are green.`,
  }))
  const ofContent = (content: string) =>
    completeContext(
      hook,
      {
        user: { id: 'u1', email: 'jane@example.org', name: 'Jane Doe', role: 'student' },
        session: { id: 's1' },
        messages: earlier,
        message: { id: 'm7', content },
      },
      'r1',
    )
  return ofContent('And why do they turn red? '.repeat(characters).slice(0, characters - JSON.stringify(ofContent('')).length))
}
