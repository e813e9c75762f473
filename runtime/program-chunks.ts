import { readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { CHUNKS, SHARED } from '../bridge/web/chunks.ts'

const BRIDGE = join(import.meta.dirname, '../bridge')
const ENDING = '.guest.ts'

/** What takes the place of an import inside a package, so that less of it is needed. */
const INSTEAD: ReadonlyArray<{ in: string; of: string; file: string }> = [
  { in: 'whatwg-url', of: 'tr46', file: 'web/vendor/tr46' },
  { in: 'whatwg-url', of: './URL-impl.js', file: 'web/vendor/url-impl' },
  { in: 'whatwg-url', of: './encoding', file: 'web/vendor/encoding' },
  { in: 'whatwg-url', of: '@exodus/bytes/whatwg.js', file: 'web/vendor/percent' },
  { in: 'whatwg-url', of: '@exodus/bytes/encoding.js', file: 'web/vendor/nothing' },
]

/** What packages say otherwise than Deno. */
const EDITS: ReadonlyArray<{ file: RegExp; edit: (text: string) => string }> = [
  { file: /web-streams-polyfill\/dist\/ponyfill\.mjs$/, edit: hideInternals },
]

/** What `web-streams-polyfill` keeps under names of its objects, `_state` and the like, under symbols instead: an object of an interface has no keys. */
function hideInternals(text: string): string {
  const names = new Set(Array.from(text.matchAll(/\._([a-zA-Z]\w*)/g), ([, name]) => name as string))
  const own = (name: string, hidden: string, otherwise: string) => (names.has(name) ? hidden : otherwise)
  const hidden = text
    .replace(/\._([a-zA-Z]\w*)/g, '[_$$$1]')
    .replace(/"_([a-zA-Z]\w*)"/g, (all, name: string) => own(name, `_$${name}`, all))
    .replace(/(?<=[{,])_([a-zA-Z]\w*):/g, (all, name: string) => own(name, `[_$${name}]:`, all))
    .replace(/(?<=[{}])_([a-zA-Z]\w*)\(/g, (all, name: string) => own(name, `[_$${name}](`, all))
  return `const ${Array.from(names, (name) => `_$${name}=Symbol("_${name}")`).join(',')};${hidden}`
}

/** The text of each chunk, an expression for a function of `require` and `module`, by name. */
export async function buildChunks(): Promise<Record<string, string>> {
  const built = await Promise.all(Object.keys(CHUNKS).map(buildChunk))
  const owners = new Map<string, string>()
  for (const { name, inputs } of built) {
    for (const input of inputs) {
      const owner = owners.get(input)
      if (owner !== undefined) throw new Error(`cannot build the chunk ${name}, ${input} is in ${owner} already; make it a chunk or shared`)
      owners.set(input, name)
    }
  }
  return Object.fromEntries(built.map(({ name, text }) => [name, text]))
}

async function buildChunk(name: string): Promise<{ name: string; text: string; inputs: string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(BRIDGE, name + ENDING)],
    bundle: true,
    write: false,
    metafile: true,
    minifySyntax: true,
    minifyWhitespace: true,
    target: 'esnext',
    format: 'cjs',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    loader: { '.json': 'json' },
    legalComments: 'none',
    absWorkingDir: BRIDGE,
    inject: [join(BRIDGE, 'web/vendor/withheld.guest.ts')],
    plugins: [seams(name)],
  })
  const own = Object.keys(metafile.inputs).filter((input) => input.endsWith(ENDING) && !input.includes('vendor/'))
  const text = `((require,module)=>{"use strict";${outputFiles[0]?.text ?? ''}\n})\n//# sourceURL=bulkhead:${name}`
  return { name, text, inputs: own }
}

/** Leaves what other chunks and the snapshot hold to `require`, under its name. */
function seams(chunk: string): Plugin {
  const elsewhere = new Set<string>([...Object.keys(CHUNKS), ...SHARED])
  return {
    name: 'seams',
    setup({ onLoad, onResolve }) {
      for (const { file, edit } of EDITS) {
        onLoad({ filter: file }, async ({ path }) => ({ contents: edit(await readFile(path, 'utf8')), loader: 'js' }))
      }
      onResolve({ filter: /./ }, ({ path, importer, resolveDir }) => {
        if (importer === '') return
        const instead = INSTEAD.find((one) => one.of === path && importer.includes(`${sep}${one.in}${sep}`))
        const file = instead ? join(BRIDGE, instead.file + ENDING) : path.startsWith('.') ? join(resolveDir, path) : ''
        if (!file.endsWith(ENDING)) return
        const name = relative(BRIDGE, file).slice(0, -ENDING.length).replaceAll(sep, '/')
        if (name !== chunk && elsewhere.has(name)) return { path: name, external: true }
        return instead ? { path: file } : undefined
      })
    },
  }
}
