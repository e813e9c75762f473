import { mkdir } from 'node:fs/promises'
import { basename, join, posix, resolve } from 'node:path'
import { stop as stopEsbuild, version as esbuildVersion } from 'esbuild'
import { BulkheadError } from '../bridge/errors.ts'
import packageFile from '../package.json' with { type: 'json' }
import { artifactCache, sha256, type KeptArtifact } from './artifacts.ts'
import { ABSENT, type BuildRequest, type FetchSettings } from './bundler/build.ts'
import type { BundleFault } from './bundler/faults.ts'
import type { Harness } from './bundler/harnesses.ts'
import { NO_PINS } from './bundler/pins.ts'
import { openPlaces, splitInput } from './bundler/places.ts'
import { createBundler } from './bundler/process.ts'
import type { NamedSettings } from './bundler/settings.ts'
import { type Gathering, type ImportSources, openGathering } from './loading/gathering.ts'
import { emptyLock, type Lock, mergeLocks, parseLock } from './loading/lock.ts'
import { decodeText, openSources, SourceError } from './sources.ts'

export interface BundleOptions {
  /** The module's folder. Nothing of this disk is read outside it, but for `@bulkhead/sdk` and what was fetched. */
  folder: string
  /** The entry file, relative to the folder; without it the first there is of index.ts, .tsx, .js and .mjs. */
  entry?: string
  /** What `import.meta.url` is made of; without it the folder's own name. */
  name?: string
  /** What stands between the module and whoever loads it. */
  harness?: Harness
  /** Keeps what nothing uses, which otherwise is left out: it counts where coverage is measured. */
  whole?: boolean
  /** Files of the folder to be read instead of its deno.json and its import map. */
  settings?: NamedSettings
  /** The folder in which artifacts are kept between starts, and in `imports` what they import from elsewhere. */
  cache: string
  /** Where imports come from that are not in the folder. */
  imports?: ImportSources
}

/** One version's bundle. Immutable: another content is another artifact. */
export interface Artifact {
  /** SHA-256 of `code`, in hexadecimal. */
  readonly hash: string
  /** One expression: an async function of `__bulkhead_export`, which it calls once with the module's namespace. */
  readonly code: string
  /** The source map of `code`, as JSON; its sources are relative to the module's folder. */
  readonly map: string
  /** The module's own files that went into it, relative to its folder, sorted. */
  readonly inputs: readonly string[]
  /** What it imports from elsewhere, each with its hash; none where it imports nothing. */
  readonly lock?: Lock
}

// Changes with all that makes another output of the same input.
const FORMAT = 2
/** What an artifact was made by: one that was made by another may not run any more, and is made anew from its files. */
export const BUILT_WITH = `${FORMAT} ${esbuildVersion} ${packageFile.version}`
const ENTRIES = ['index.ts', 'index.tsx', 'index.js', 'index.mjs']
/** How often a module may ask for more once it has what it asked for. */
const MAX_ROUNDS = 50
const FETCH_MS = 180_000
const bundler = createBundler()

/**
 * Makes one script of a module or of a single file with what it imports. The script is an expression, an async
 * function that runs the module's top level when called and hands the namespace to its argument. An artifact whose
 * input files are unchanged comes from the cache.
 *
 * What it imports from elsewhere (`npm:`, `jsr:`, `https:`) is fetched by this process, and pinned: by deno.lock where
 * the folder has one, and by what was found when it was made for the first time.
 *
 * @throws BulkheadError `BUNDLE_FAILED` with a list of `{ text, file?, line?, column?, lineText? }` as details
 * @example
 * const artifact = await bundleModule({ folder: 'modules/pii-filter', cache: '.bulkhead/artifacts' })
 * // artifact.code: '(async (__bulkhead_export) => {"use strict"; … })'
 */
export async function bundleModule({ folder, entry, name, harness, whole, settings, cache, imports = {} }: BundleOptions): Promise<Artifact> {
  const artifacts = artifactCache(cache)
  const root = resolve(folder)
  const start = entry === undefined ? await findEntry(root) : posix.normalize(entry)
  if (start.startsWith('..') || start.startsWith('/')) {
    throw failed([{ text: `"${start}" is not in the module's folder` }])
  }
  const request = { folder: root, entry: start, name: name ?? basename(root), ...(harness && { harness }), ...(whole && { whole }), ...(settings && { settings }) }
  const key = sha256(JSON.stringify([FORMAT, esbuildVersion, request]))

  const earlier = await artifacts.read(key)
  if (earlier && (await isFresh(earlier, root))) return earlier.artifact

  const open = async ({ lock, frozen }: FetchSettings): Promise<Gathering> => {
    const seed = mergeLocks(await readLock(root, lock), earlier?.artifact.lock)
    await mkdir(join(cache, 'imports'), { recursive: true, mode: 0o700 })
    return openGathering(imports, join(cache, 'imports'), seed, frozen)
  }
  const built = await buildAndFetch(request, open)
  await artifacts.write(key, built)
  return built.artifact
}

/** Bundles as often as it takes: what is missing is told, fetched, and there the next time. */
async function buildAndFetch(request: BuildRequest, open: (settings: FetchSettings) => Promise<Gathering>): Promise<KeptArtifact> {
  let gathering: Gathering | undefined
  const deadline = Date.now() + FETCH_MS
  for (let round = 0; round <= MAX_ROUNDS; round++) {
    const answer = await bundler.build({ ...request, ...(gathering && { pins: gathering.pins }) })
    if ('faults' in answer) throw failed(answer.faults)
    if ('built' in answer) {
      const { artifact, digests } = answer.built
      return { artifact: { ...artifact, ...(gathering && { lock: gathering.lock }) }, digests }
    }
    gathering ??= await open(answer.settings)
    const faults = await gathering.fetch(answer.needs)
    if (faults.length > 0) throw failed(faults)
    if (Date.now() > deadline) throw failed([{ text: `what it imports cannot be fetched within ${FETCH_MS} ms` }])
  }
  throw failed([{ text: `it imports what imports something else, more than ${MAX_ROUNDS} times over` }])
}

/** @throws BulkheadError `BUNDLE_FAILED` where there is a lock that cannot be read */
async function readLock(folder: string, path: string | undefined): Promise<Lock> {
  const sources = await openSources(folder)
  if (path === undefined || path.startsWith('..') || !(await sources.hasFile(path))) return emptyLock()
  try {
    return parseLock(decodeText(path, await sources.read(path)))
  } catch (thrown) {
    throw failed([{ text: `the lock cannot be read: ${(thrown as Error).message}`, file: path, line: 1, column: 1 }])
  }
}

/** Ends the processes that bundle, once they are done. They keep nothing alive, and the next bundle starts others. */
export async function stopBundler(): Promise<void> {
  await Promise.all([bundler.stop(), stopEsbuild()])
}

async function findEntry(folder: string): Promise<string> {
  const module = await openSources(folder).catch((thrown: unknown) => {
    throw thrown instanceof SourceError ? failed([{ text: thrown.message }]) : thrown
  })
  for (const candidate of ENTRIES) {
    if (await module.has(candidate)) return candidate
  }
  throw failed([{ text: `the folder has none of ${ENTRIES.join(', ')}` }])
}

async function isFresh({ digests }: KeptArtifact, folder: string): Promise<boolean> {
  const places = await openPlaces(folder, NO_PINS).catch(() => undefined)
  if (!places) return false
  for (const [input, digest] of Object.entries(digests)) {
    const content = await places.read(...splitInput(input)).catch(() => undefined)
    if ((content ? sha256(content) : ABSENT) !== digest) return false
  }
  return true
}

function failed(faults: BundleFault[]): BulkheadError {
  const lines = faults.map(({ file, line, column, text }) => (file ? `${file}:${line}:${column} ${text}` : text))
  return new BulkheadError('BUNDLE_FAILED', `cannot bundle the module: ${lines.join('\n')}`, faults)
}
