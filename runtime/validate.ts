import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { join, posix } from 'node:path'
import type { Handlers } from '../bridge/contract.ts'
import type { Probed } from '../bridge/probe.guest.ts'
import { asBulkheadError, BulkheadError } from '../bridge/errors.ts'
import type { Data } from '../sdk/context.ts'
import { bundleModule } from './bundle.ts'
import type { BundleFault } from './bundler/faults.ts'
import type { Catalogue } from './catalogue.ts'
import { pathText, show, type ToldFault } from './faults.ts'
import { placeInstance } from './instance.ts'
import type { ImportSources } from './loading/gathering.ts'
import type { Cell } from './cell-client.ts'
import { openLoneCells } from './lone-cell.ts'
import { type Manifest, parseManifest, readManifest } from './manifest.ts'
import { isData, moduleConfig } from './module-config.ts'
import { didYouMean } from './nearest.ts'
import type { Programs } from './programs.ts'
import { fixedTerms } from './terms.ts'
import { type Fault, parseYaml } from './yaml.ts'

/** Something wrong with a module: where, from 1, and what. */
export type ModuleFault = Pick<ToldFault, 'file' | 'message'> &
  Partial<Pick<ToldFault, 'line' | 'column' | 'path'>> & {
    /** It could not be loaded where it is lent neither database nor neighbours; a host may be able to. */
    loading?: true
  }

export interface ValidationOptions {
  /** The hooks that there are. */
  catalogue?: Catalogue
  /** What runs in a cell, where it has been made already. */
  programs?: Programs
  /** Where imports come from that are not in the folder. */
  imports?: ImportSources
}

export interface Validation {
  faults: ModuleFault[]
  /** What the module is, where its manifest could be read. */
  manifest?: Manifest
}

/**
 * Finds everything that is wrong with a module's folder: in its manifest, in what it imports, in what it does when it
 * is loaded, and between what the manifest says and what the code has. The code is run, in a cell, for as long as its
 * own limits allow.
 *
 * @param cache the folder in which bundles are kept
 * @example (await validateModule('modules/pii-filter', cache)).faults // []
 */
export async function validateModule(folder: string, cache: string, { catalogue, programs, imports = {} }: ValidationOptions = {}): Promise<Validation> {
  const faults: ModuleFault[] = []
  const manifest = await readManifest(folder, catalogue).catch((thrown: unknown) => void faults.push(...manifestFaults(thrown)))
  const bundle = (harness?: 'probe') =>
    bundleModule({ folder, name: manifest?.name ?? 'module', ...(harness && { harness }), cache, imports })
  const artifact = await bundle().catch((thrown: unknown) => void faults.push(...bundleFaults(thrown, folder)))
  if (!manifest) return { faults }
  if (!artifact) return { faults, manifest }

  await using cells = await openLoneCells(() => {}, () => {}, programs)
  const inManifest = await manifestPlaces(folder)
  try {
    const cell = await cells.open()
    const probed = await probe(manifest, await bundle('probe'), cell)
    faults.push(...[...hookFaults(manifest, probed), ...configFaults(manifest, probed.config)].map(inManifest))
    // What has no function is told already; the rest is loaded as the host would load it.
    const hooks = manifest.hooks.filter((hook) => probed.handle || probed.hooks.includes(hook))
    const config = { ...manifest.defaults, ...knownValues(manifest, probed.config) }
    const asked = { ...manifest, hooks, ...(manifest.config && { defaults: config }) }
    const version = { manifest: asked, artifact, terms: fixedTerms(asked) }
    const { instance } = await placeInstance('validated~1', version, cell)
    faults.push(...handlerFaults(manifest, instance.handlers).map(inManifest))
  } catch (thrown) {
    faults.push({ ...loadFault(thrown, folder), loading: true })
  }
  return { faults, manifest }
}

async function probe({ name, limits }: Manifest, artifact: Awaited<ReturnType<typeof bundleModule>>, cell: Cell): Promise<Probed> {
  const bare = { ...parseManifest('name: probe\nversion: 0.0.0\ndescription: A look at a module', 'probe'), name, limits }
  const { instance } = await placeInstance('probed~1', { manifest: bare, artifact, terms: fixedTerms(bare) }, cell)
  return (await instance.invoke({ target: 'service', name: 'probe', args: [] })) as Probed
}

function hookFaults({ hooks }: Manifest, probed: Probed): Fault[] {
  const faults: Fault[] = []
  for (const [index, hook] of hooks.entries()) {
    if (probed.handle || probed.hooks.includes(hook)) continue
    const message = `${show(hook)} has no function in the code${didYouMean(hook, probed.hooks) || '; add it to hooks of defineModule, or write handle()'}`
    faults.push({ path: ['hooks', index], message })
  }
  for (const hook of probed.hooks) {
    if ((hooks as readonly string[]).includes(hook)) continue
    faults.push({ path: ['hooks'], message: `the code answers ${show(hook)}, which is not listed here and would never be called`, onKey: true })
  }
  return faults
}

function handlerFaults(manifest: Manifest, { jobs, service, lifecycle, messages }: Handlers): Fault[] {
  const faults: Fault[] = []
  const wanted = new Set<string>()
  for (const field of ['intervals', 'schedules'] as const) {
    for (const job of Object.keys(manifest[field])) {
      wanted.add(job)
      if (jobs.includes(job)) continue
      faults.push({ path: [field, job], message: `${show(job)} has no function in jobs of the code${didYouMean(job, jobs)}`, onKey: true })
    }
  }
  for (const job of jobs.filter((name) => !wanted.has(name))) {
    faults.push({ path: [], message: `the code has the job ${show(job)}, which neither intervals nor schedules name and nobody would run` })
  }
  if (manifest.subscribe.length > 0 && !messages) {
    faults.push({ path: ['subscribe'], message: 'names topics, but the code has neither topics nor onMessage()', onKey: true })
  }
  if (manifest.type === 'service' && service.length === 0) {
    faults.push({ path: ['type'], message: 'is service, but the code has no getService() that returns functions' })
  }
  if (manifest.type === 'daemon' && !lifecycle.includes('start')) {
    faults.push({ path: ['type'], message: 'is daemon, but the code has no start()' })
  }
  return faults
}

/** Where the configuration that the code has differs from what the host would give it. */
function configFaults(manifest: Manifest, written: unknown): Fault[] {
  if (!isData(written) || Object.keys(written).length === 0) return []
  const properties = dataOf(manifest.config?.['properties'])
  const given = defaultsOf(manifest)
  return Object.entries(written).flatMap(([name, value]): Fault[] => {
    if (!manifest.config) {
      return [{ path: [], message: `the code has the setting ${show(name)}, but there is no config here` }]
    }
    if (!Object.hasOwn(properties, name)) {
      const message = `the code has the setting ${show(name)}, which is not described here${didYouMean(name, Object.keys(properties))}`
      return [{ path: ['config', 'properties'], message, onKey: true }]
    }
    if (given[name] === undefined || isDeepStrictEqual(given[name], value)) return []
    const message = `is ${show(given[name])} by default, and ${show(value)} in the code`
    return [{ path: name in manifest.defaults ? ['defaults', name] : ['config', 'properties', name, 'default'], message }]
  })
}

function defaultsOf(manifest: Manifest): Data {
  try {
    return moduleConfig(manifest)
  } catch {
    return manifest.defaults // something is required that only an operator has
  }
}

/** The code's own values, in the place of what only an operator has. */
function knownValues({ config }: Manifest, written: unknown): Data {
  const properties = dataOf(config?.['properties'])
  return Object.fromEntries(Object.entries(dataOf(written)).filter(([name]) => Object.hasOwn(properties, name)))
}

function manifestFaults(thrown: unknown): ModuleFault[] {
  if (thrown instanceof BulkheadError && thrown.code === 'MANIFEST_INVALID') return thrown.details as ToldFault[]
  throw thrown
}

function bundleFaults(thrown: unknown, folder: string): ModuleFault[] {
  if (!(thrown instanceof BulkheadError) || thrown.code !== 'BUNDLE_FAILED') throw thrown
  return (thrown.details as BundleFault[]).map(({ file, line, column, text }) => ({
    file: file === undefined ? folder : posix.join(folder, file),
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
    message: text,
  }))
}

/** What loading it ended with, at the first place of the author's that the stack names. */
function loadFault(thrown: unknown, folder: string): ModuleFault {
  const { code, message, details } = asBulkheadError(thrown)
  if (code === 'INTERNAL') throw thrown
  const { stack = '' } = (details ?? {}) as { stack?: string }
  const [, file, line, column] = /^\s+at (?:.*\()?([^\s():]+):(\d+):(\d+)\)?$/m.exec(stack) ?? []
  const what = code === 'LOAD_FAILED' || code === 'MODULE_FAILED' ? 'cannot be loaded, it throws' : 'cannot be loaded,'
  if (file === undefined) return { file: folder, message: `${what} ${message}` }
  return { file: posix.join(folder, file), line: Number(line), column: Number(column), message: `${what} ${message}` }
}

async function manifestPlaces(folder: string): Promise<(fault: Fault) => ModuleFault> {
  const { locate } = parseYaml(await readFile(join(folder, 'module.yaml'), 'utf8'))
  const file = posix.join(folder, 'module.yaml')
  return (fault) => ({ file, ...locate(fault), path: pathText(fault.path), message: fault.message })
}

function dataOf(value: unknown): Data {
  return isData(value) ? value : {}
}
