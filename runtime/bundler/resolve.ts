import { posix } from 'node:path'
import { resolveSpecifier } from '../../bridge/import-map.ts'
import { didYouMean } from '../nearest.ts'
import { SourceError } from '../sources.ts'
import { LONGEST_LINE } from './faults.ts'
import { NODE_MODULES, nodeModule, whyAbsent } from './node-modules.ts'
import type { PackageFiles } from './package-files.ts'
import type { Pins } from './pins.ts'
import { splitPackagePath, type Places, type Realm } from './places.ts'
import type { Settings } from './settings.ts'
import { type PackageRequest, parsePackageSpecifier, requestKey, splitBare } from './specifiers.ts'

/** A file of a bundle; or, in a realm of its own, what a package's `require` throws for what cannot be. */
export interface Target {
  realm: Realm | 'absent' | 'empty'
  path: string
  /** Nothing happens when it is run, so that what is not used of it may be left out. */
  pure?: boolean
}

/** What a file asks for. */
export interface Ask {
  specifier: string
  from: { realm: Realm; path: string }
  /** By `require`, which may stand where it is never reached, and goes by the rules of CommonJS. */
  isRequire: boolean
  /** By `import()` or `require`: what cannot be is told when it is reached. */
  isLate: boolean
  /** Of `with { type: … }`. */
  type: string | undefined
  isTest: boolean
}

/** Something that the host has to fetch first. */
export class NeedError extends SourceError {
  readonly need: string
  constructor(need: string) {
    super(`${need} was not fetched`)
    this.need = need
  }
}

const ACCEPTED = 'a module may import "./…" files of its own folder, "@bulkhead/sdk", and what npm:, jsr:, https:, node: and data: name'
const TYPES = ['json', 'text', 'bytes']

interface ResolverOptions {
  /** The address of the module's folder. */
  root: string
  settings: Settings
  pins: Pins
  places: Places
}

/** Finds what each import of a bundle means. It reads package.json files, and nothing else. */
export function openResolver({ root, settings, pins, places }: ResolverOptions): (ask: Ask) => Promise<Target> {
  async function resolve(ask: Ask): Promise<Target> {
    checkType(ask)
    const { from: { realm, path } } = ask
    if (realm === 'sdk') return { realm, path: posix.join(posix.dirname(path), ask.specifier) }
    if (realm === 'npm' || realm === 'lib') return fromPackage(ask, realm, path)
    if (realm === 'bridge') return fromBridge(ask)
    return fromAuthor(ask)
  }

  /** From a file that an author wrote, here or elsewhere: by the import map, then by package.json. */
  async function fromAuthor(ask: Ask): Promise<Target> {
    const { specifier, from, isTest } = ask
    const shown = JSON.stringify(specifier.slice(0, LONGEST_LINE))
    if (from.realm === 'module') {
      if (specifier === '@bulkhead/sdk') return { realm: 'sdk', path: 'index.ts' }
      if (specifier === '@bulkhead/sdk/testing' && isTest) return { realm: 'sdk', path: 'testing.ts' }
      if (specifier.startsWith('@bulkhead/sdk/')) {
        throw new SourceError(`${shown} cannot be imported by a module, it is for its tests; ${ACCEPTED}`)
      }
    }
    return locate(addressOf(ask, shown), ask, shown)
  }

  function addressOf({ specifier, from }: Ask, shown: string): string {
    const importer = from.realm === 'module' ? root + encodePath(from.path) : from.path
    try {
      return resolveSpecifier(specifier, importer, settings.map)
    } catch (thrown) {
      if (!(thrown as Error).message.startsWith('Import ')) throw new SourceError((thrown as Error).message)
    }
    const bare = bareAddress(specifier)
    if (bare !== undefined && from.realm === 'module') return bare
    const isNode = nodeModule(specifier) !== undefined
    const guess = isNode ? `, did you mean "node:${specifier}"?` : didYouMean(specifier, ['@bulkhead/sdk', ...Object.keys(settings.dependencies), ...settings.map.imports.map(([key]) => key)])
    throw new SourceError(`${shown} is neither among the imports of deno.json nor among the dependencies of package.json${guess || '; a package of npm is written "npm:name"'}`)
  }

  function bareAddress(specifier: string): string | undefined {
    const [name, subpath] = splitBare(specifier)
    const request = Object.hasOwn(settings.dependencies, name) ? parsePackageSpecifier(settings.dependencies[name]!) : undefined
    if (request) return `${requestKey(request)}${subpath.slice(1)}`
    return settings.hasPackageJson && nodeModule(specifier) !== undefined ? `node:${specifier}` : undefined
  }

  async function locate(address: string, ask: Ask, shown: string): Promise<Target> {
    if (address.startsWith('file:')) return ownFile(address, ask, shown)
    if (address.startsWith('node:')) return builtIn(address.slice('node:'.length), ask)
    if (/^https?:/.test(address)) return remoteFile(address)
    if (address.startsWith('data:')) return { realm: 'data', path: address }
    const request = parsePackageSpecifier(address)
    if (request?.kind === 'npm') return packageEntry(request, ask)
    if (request?.kind === 'jsr') return jsrFile(request)
    if (/^(npm|jsr):/.test(address)) throw new SourceError(`${shown} names no package${address.startsWith('jsr:') ? ', such as jsr:@scope/name@^1' : ''}`)
    throw new SourceError(`${shown} cannot be imported; ${ACCEPTED}`)
  }

  async function ownFile(address: string, { from, specifier }: Ask, shown: string): Promise<Target> {
    if (from.realm !== 'module') throw new SourceError(`${shown} is a file of the module, which what it imports cannot name`)
    const isAbsolute = specifier.startsWith('/') || specifier.startsWith('file:')
    if (isAbsolute && !address.startsWith(root)) throw new SourceError(`${shown} is an absolute path; ${ACCEPTED}`)
    if (!address.startsWith(root)) throw new SourceError(`${shown} leads out of the module's folder; ${ACCEPTED}`)
    const path = decodePath(address.slice(root.length).replace(/[?#].*$/, ''))
    return { realm: 'module', path: settings.sloppy ? await probeOwn(path) : path }
  }

  async function probeOwn(path: string): Promise<string> {
    for (const candidate of [path, ...SLOPPY.map((ending) => path + ending), ...SLOPPY.map((ending) => path.replace(/\.[cm]?jsx?$/, ending))]) {
      if (await places.own.hasFile(candidate)) return candidate
    }
    return path
  }

  function remoteFile(address: string): Target {
    const url = address.replace(/#.*$/, '')
    let pin = pins.remote[url]
    let final = url
    for (let hops = 0; pin && 'redirect' in pin && hops < 20; hops++) {
      final = pin.redirect
      pin = pins.remote[final]
    }
    if (!pin || 'redirect' in pin) throw new NeedError(final)
    return { realm: 'remote', path: final }
  }

  function jsrFile(request: PackageRequest): Target {
    const key = requestKey(request)
    const found = pins.jsr[pins.specifiers[key] ?? '']
    if (!found) throw new NeedError(key)
    const path = found.exports[request.subpath]
    if (path === undefined) throw new SourceError(`${pins.specifiers[key]} does not export "${request.subpath}", it exports ${Object.keys(found.exports).slice(0, 8).join(', ')}`)
    return remoteFile(new URL(path, found.base).href)
  }

  async function packageEntry(request: PackageRequest, { isRequire }: Ask): Promise<Target> {
    const key = requestKey(request)
    const id = pins.specifiers[key]
    if (id === undefined || !pins.npm[id]) throw new NeedError(key)
    return targetIn('npm', id, await places.package('npm', id), (files) => files.entry(request.subpath, isRequire))
  }

  async function targetIn(realm: 'npm' | 'lib', id: string, files: PackageFiles, find: (files: PackageFiles) => Promise<string>): Promise<Target> {
    const found = await find(files)
    // What stands in for a file where there is no Node is right here too, as there is none.
    const standIn = realm === 'npm' ? files.browserStandIn(`./${found}`) : undefined
    if (standIn === false) return { realm: 'empty', path: `${id}/${found}` }
    const path = standIn?.startsWith('./') ? await files.file(standIn) : found
    return { realm, path: `${id}/${path}`, pure: files.isPure(path) }
  }

  /** From a package's file, as Node does it. */
  async function fromPackage(ask: Ask, realm: 'npm' | 'lib', path: string): Promise<Target> {
    const { specifier, isRequire, isLate } = ask
    const [id, own] = splitPackagePath(path)
    const files = await places.package(realm, id)
    try {
      if (/^\.{1,2}(\/|$)/.test(specifier)) return await targetIn(realm, id, files, () => files.file(posix.join(posix.dirname(own), specifier)))
      if (specifier.startsWith('#')) {
        const meant = files.ownImport(specifier, isRequire)
        if (meant.startsWith('./')) return await targetIn(realm, id, files, () => files.file(meant))
        return await fromPackage({ ...ask, specifier: meant }, realm, path)
      }
      if (realm === 'lib' && Object.hasOwn(IN_PLACE, specifier)) {
        const own = IN_PLACE[specifier]!
        return own === '' ? { realm: 'empty', path: specifier } : await builtIn(own, ask)
      }
      const builtin = nodeModule(specifier)
      if (builtin !== undefined) {
        if (Object.hasOwn(NODE_MODULES, builtin)) return await builtIn(builtin, ask)
        const standIn = files.browserStandIn(specifier)
        if (standIn === false) return { realm: 'empty', path: specifier }
        if (standIn !== undefined && standIn !== specifier) return await fromPackage({ ...ask, specifier: standIn }, realm, `${id}/package.json`)
        return await builtIn(builtin, ask)
      }
      if (/^[a-z]+:/.test(specifier)) return await locate(specifier, ask, JSON.stringify(specifier.slice(0, LONGEST_LINE)))
      const [name, subpath] = splitBare(specifier.replace(/\/$/, ''))
      const dependency = places.dependency(realm, id, name)
      if (dependency !== undefined) return await targetIn(realm, dependency, await places.package(realm, dependency), (other) => other.entry(subpath, isRequire))
      if (name === files.name) return await targetIn(realm, id, files, () => files.entry(subpath, isRequire))
      throw new SourceError(`"${specifier.slice(0, LONGEST_LINE)}" is none of the dependencies of ${id}`)
    } catch (thrown) {
      if (!isLate || !(thrown instanceof SourceError) || thrown instanceof NeedError) throw thrown
      return { realm: 'absent', path: `${specifier} (${thrown.message})` }
    }
  }

  /** @throws SourceError for what no module can have, unless it is asked for where that may be caught */
  async function builtIn(name: string, { from, isLate }: Pick<Ask, 'from' | 'isLate'>): Promise<Target> {
    const file = Object.hasOwn(NODE_MODULES, name) ? NODE_MODULES[name] : undefined
    if (file?.startsWith('./')) return { realm: 'bridge', path: posix.join('node', file), pure: isPureBridge(posix.join('node', file)) }
    if (file !== undefined) return library(file, false)
    const text = `"node:${name}" cannot be imported, ${whyAbsent(name)}`
    if (isLate && from.realm !== 'module') return { realm: 'absent', path: text }
    throw new SourceError(text)
  }

  async function fromBridge({ specifier, from, isRequire }: Ask): Promise<Target> {
    if (specifier.startsWith('.')) {
      const path = posix.join(posix.dirname(from.path), specifier)
      return { realm: 'bridge', path, pure: isPureBridge(path) }
    }
    if (specifier.startsWith('node:')) return builtIn(specifier.slice('node:'.length), { from, isLate: false })
    return library(specifier, isRequire)
  }

  async function library(specifier: string, isRequire: boolean): Promise<Target> {
    const [name, subpath] = splitBare(specifier)
    return targetIn('lib', name, await places.package('lib', name), (files) => files.entry(subpath, isRequire))
  }

  return resolve
}

/** A file that stands in for Node may be left out where nothing of it is used; but for one that changes the globals. */
function isPureBridge(path: string): boolean {
  return path.startsWith('node/') && path !== 'node/async-hooks.guest.ts'
}

/** What our libraries bring along and have here anyway: a module of Node, or nothing. */
const IN_PLACE: Readonly<Record<string, string>> = { 'process/': 'process', 'abort-controller': '', 'safe-buffer': 'buffer' }

const SLOPPY = ['.ts', '.tsx', '.js', '.jsx', '.mts', '.mjs', '/index.ts', '/index.tsx', '/index.js']

function checkType({ specifier, type, from }: Ask): void {
  if (type === undefined) return
  const shown = JSON.stringify(specifier.slice(0, LONGEST_LINE))
  if (!TYPES.includes(type)) throw new SourceError(`${shown} cannot be imported as ${JSON.stringify(type.slice(0, 40))}, only as ${TYPES.join(', ')}`)
  const isOther = from.realm === 'module' && type === 'json' && /^\.{1,2}\//.test(specifier) && !specifier.endsWith('.json')
  if (isOther) throw new SourceError(`${shown} cannot be imported as "json", only .json files can`)
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
