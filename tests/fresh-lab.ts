import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BulkheadError } from '../bridge/errors.ts'
import { bundleModule } from '../runtime/bundle.ts'
import type { Cell } from '../runtime/cell-client.ts'
import { type Instance, placeInstance } from '../runtime/instance.ts'
import { openLoneCells } from '../runtime/lone-cell.ts'
import { parseManifest } from '../runtime/manifest.ts'
import { buildPrograms } from '../runtime/programs.ts'
import { scriptTerms } from '../runtime/terms.ts'

const HOOK = 'product:before_ai'
const PERMISSIONS = ['log', 'emit', 'kv', 'env:MODE']

/** Modules whose contexts are fresh, each in a real cell without server or database. */
export interface FreshLab extends AsyncDisposable {
  readonly records: Array<{ type: string; data: unknown }>
  readonly lines: string[]
  /**
   * Loads a module of one hook, whose `wants` are functions of a value and the context.
   *
   * @param limits as in a manifest
   */
  place(top: string, wants: string, limits?: string): Promise<FreshModule>
}

export interface FreshModule {
  readonly instance: Instance
  readonly cell: Cell
  /** What one of `wants` returned, or the code of what the call ended with. */
  ask(want: string, value?: unknown): Promise<unknown>
  /** From the next execution on, `Deno.env.get('MODE')` is this. */
  mode(mode: string): Promise<void>
}

export const termsOf = (mode: string) => scriptTerms(PERMISSIONS, { MODE: mode })

export async function openFreshLab(): Promise<FreshLab> {
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-fresh-'))
  const records: FreshLab['records'] = []
  const lines: string[] = []
  const programs = await buildPrograms(join(folder, 'programs'))
  const cells = await openLoneCells((record) => records.push(record), ({ message }) => lines.push(message), programs)
  let placed = 0

  return {
    records,
    lines,
    async place(top, wants, limits = '{}') {
      const name = `fresh-${++placed}`
      await mkdir(join(folder, name))
      await writeFile(join(folder, name, 'index.ts'), `${top}
        const wants = { ${wants} }
        export default { async handle(hook, ctx) {
          const said = await wants[ctx.input.want](ctx.input.value, ctx)
          return { action: 'continue', modifications: { output: { said } } }
        } }`)
      const artifact = await bundleModule({ folder: join(folder, name), name, cache: join(folder, 'bundles') })
      const manifest = parseManifest(`name: ${name}\nversion: 1.0.0\ndescription: A test\ncontext: fresh\nhooks: ["${HOOK}"]\nlimits: ${limits}`, name)
      const cell = await cells.open()
      const { instance } = await placeInstance(`${name}~1`, { manifest, artifact, terms: termsOf('ok') }, cell)
      return {
        instance,
        cell,
        mode: (mode) => instance.take(termsOf(mode)()),
        async ask(want, value) {
          try {
            const { text } = await instance.call({ hook: HOOK }, JSON.stringify({ hook: HOOK, input: { want, value } }), 60_000)
            const { modifications } = JSON.parse(text) as { modifications: { output: { said?: unknown } } }
            return modifications.output.said
          } catch (thrown) {
            if (thrown instanceof BulkheadError) return thrown.code
            throw thrown
          }
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await cells[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}
