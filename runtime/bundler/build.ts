import { posix } from 'node:path'
import * as esbuild from 'esbuild'
import { sha256, type KeptArtifact } from '../artifacts.ts'
import { SourceError } from '../sources.ts'
import { blame } from './blame.ts'
import { type BundleFault, MAX_FAULTS, PlacedError } from './faults.ts'
import type { Harness } from './harnesses.ts'
import { META } from './import-meta.ts'
import { lowerAwaits } from './lower-awaits.ts'
import { NO_PINS, type Pins } from './pins.ts'
import { openPlaces, type Places, splitInput } from './places.ts'
import { ENTRY, GLOBALS, HARNESS, modulePlugin, type Reading } from './plugin.ts'
import { openResolver } from './resolve.ts'
import { type NamedSettings, readSettings, type Settings } from './settings.ts'

/** What is to be bundled. */
export interface BuildRequest {
  /** The module's folder, absolute. */
  folder: string
  /** The entry file, relative to the folder. */
  entry: string
  /** What `import.meta.url` is made of. */
  name: string
  /** What stands between the module and whoever loads it; without one, nothing does. */
  harness?: Harness
  /** Whether what nothing uses is kept. */
  whole?: boolean
  /** Files that take the place of its settings. */
  settings?: NamedSettings
  /** What was fetched for it so far. */
  pins?: Pins
}

/** Something that the host has to fetch before the module can be bundled: an address, or a request of `npm:` or `jsr:`. */
export interface Need {
  what: string
  /** Where it is imported. */
  place: Omit<BundleFault, 'text'>
}

/** What the host has to know of the module's settings to fetch. */
export type FetchSettings = Pick<Settings, 'lock' | 'frozen'>

export type BuildAnswer = { built: KeptArtifact } | { faults: BundleFault[] } | { needs: Need[]; settings: FetchSettings }

/** Bytes of code that an isolate is given at most, and of its source map. */
export const OUTPUT_LIMITS = { code: 4 * 1024 * 1024, map: 16 * 1024 * 1024 } as const

const OPTIONS = {
  bundle: true,
  write: false,
  metafile: true,
  format: 'esm',
  platform: 'neutral',
  target: 'esnext',
  supported: { decorators: false }, // V8 has none yet
  charset: 'utf8',
  legalComments: 'none',
  sourcemap: 'external',
  outfile: 'bundle.js',
  banner: { js: '(async (__bulkhead_export) => {"use strict";' },
  footer: { js: '})' },
  define: { 'import.meta': META, 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  logLevel: 'silent',
  logLimit: 0,
  logOverride: { 'unsupported-dynamic-import': 'warning' }, // an error in the module's own files, see blame.ts
} as const satisfies esbuild.BuildOptions

/** Bundles a module's folder. What is wrong with the module is an answer; only faults of ours are thrown. */
export async function build(request: BuildRequest): Promise<BuildAnswer> {
  try {
    return await buildPasses(request)
  } catch (thrown) {
    if (thrown instanceof PlacedError) return { faults: [thrown.fault] }
    if (thrown instanceof SourceError) return { faults: [{ text: thrown.message }] }
    throw thrown
  }
}

/** One pass after the other, until every global of Node that is named somewhere was there. */
async function buildPasses({ folder, entry, name, harness, whole = false, settings: named, pins = NO_PINS }: BuildRequest): Promise<BuildAnswer> {
  const start = posix.normalize(entry)
  const root = `file:///${encodeURIComponent(name)}/`
  const digests: Record<string, string> = {}
  const places = rereading(await openPlaces(folder, pins))
  const { own } = places
  const read = async (path: string) => {
    const content = (await own.hasFile(path)) ? await own.read(path) : undefined
    digests[`module:${path}`] = content ? sha256(content) : ABSENT
    return content?.toString()
  }
  const settings = await readSettings(read, root, named)
  if (settings.lock !== undefined) await read(settings.lock) // by the host; here for its digest
  const globals = new Set<string>()
  const resolve = openResolver({ root, settings, pins, places })
  for (;;) {
    const reading: Reading = { texts: new Map(), digests: { ...digests }, importers: new Map(), globals: new Set() }
    const result = await esbuild
      .build({
        ...OPTIONS,
        ...settings.compiler,
        ...(whole && { treeShaking: false }),
        inject: [...new Set([...globals].map((global) => `bulkhead:global/${GLOBALS[global]}`))],
        stdin: {
          contents: harness
            ? `import { wrap } from "${HARNESS}"; import * as module from "${ENTRY}"; __bulkhead_export(wrap(module))`
            : `import * as module from "${ENTRY}"; __bulkhead_export(module)`,
          sourcefile: ENTRY,
          loader: 'js',
        },
        plugins: [modulePlugin({ entry: start, root, harness, settings, pins, places, resolve, reading })],
      })
      .catch((thrown: unknown) => {
        if (isBuildFailure(thrown)) return thrown
        throw thrown
      })
    const { faults, needs } = blame(result, reading)
    // What is wrong with the module's own files is told before anything is fetched for it.
    if (faults.length > 0) return { faults: faults.slice(0, MAX_FAULTS) }
    if (needs.length > 0) return { needs, settings: { lock: settings.lock, frozen: settings.frozen } }
    if (isBuildFailure(result)) throw new Error('esbuild failed without a word')
    const more = [...reading.globals].filter((global) => !globals.has(global))
    if (more.length === 0) return finish(result, reading)
    for (const global of more) globals.add(global)
  }
}

/** Another pass reads what the first one did. */
function rereading(places: Places): Places {
  const read = new Map<string, Promise<Buffer>>()
  return {
    ...places,
    read(realm, path) {
      const content = read.get(`${realm}:${path}`) ?? places.read(realm, path)
      read.set(`${realm}:${path}`, content)
      return content
    },
  }
}

/** In the place of a digest: the file is not there. */
export const ABSENT = ''

async function finish(result: esbuild.BuildResult<typeof OPTIONS>, reading: Reading): Promise<BuildAnswer> {
  const left = Object.values(result.metafile.outputs).flatMap((output) => output.imports.filter(({ kind }) => /^(import|dynamic)/.test(kind)))
  if (left.length > 0) return { faults: [{ text: `the bundle still imports ${left[0]?.path}` }] }
  const isLowered = Object.keys(result.metafile.inputs).includes('bridge:node/async-hooks.guest.ts')
  const output = { code: outputOf(result, '.js'), map: outputOf(result, '.map') }
  const { code, map } = isLowered ? await lowerAwaits(output) : output
  const excess = excessOf('bundle', code, OUTPUT_LIMITS.code) ?? excessOf('source map', map, OUTPUT_LIMITS.map)
  if (excess) return { faults: [{ text: excess }] }
  const inputs = Object.keys(result.metafile.inputs).map(splitInput)
  const own = inputs.filter(([realm]) => realm === 'module').map(([, path]) => path.replace(/ with \{.*\}$/, ''))
  const artifact = { hash: sha256(code), code, map: relativeMap(map, reading), inputs: [...new Set(own)].toSorted() }
  const digests = Object.entries(reading.digests).filter(([input]) => /^(module|sdk|bridge|lib):/.test(input))
  return { built: { artifact, digests: Object.fromEntries(digests) } }
}

function excessOf(what: string, text: string, limit: number): string | undefined {
  return Buffer.byteLength(text) > limit ? `the ${what} is too large, the limit is ${limit} bytes` : undefined
}

function outputOf(result: esbuild.BuildResult<typeof OPTIONS>, ending: string): string {
  return result.outputFiles.find((file) => file.path.endsWith(ending))?.text ?? ''
}

/** The map as an author may see it: names relative to the module's folder, and the files as they were written. */
function relativeMap(map: string, { texts }: Reading): string {
  const { sources, sourcesContent: _, ...rest } = JSON.parse(map) as { sources: string[]; sourcesContent: unknown }
  const contents = sources.map((source) => (/^(module|remote|sdk):/.test(source) ? (texts.get(source) ?? null) : null))
  return JSON.stringify({ ...rest, sources: sources.map(shownSource), sourcesContent: contents })
}

function shownSource(source: string): string {
  const [realm, path] = splitInput(source)
  if (realm === 'module' || realm === 'remote') return path
  if (realm === 'npm') return source
  if (realm === 'data') return `${path.slice(0, 60)}${path.length > 60 ? '…' : ''}`
  return realm === 'sdk' ? `@bulkhead/sdk/${path}` : 'bulkhead:bundle'
}

function isBuildFailure(thrown: unknown): thrown is esbuild.BuildFailure {
  return thrown instanceof Error && 'errors' in thrown && Array.isArray(thrown.errors)
}
