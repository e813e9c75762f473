import { fileURLToPath } from 'node:url'
import { createRequire } from 'node:module'
import { dirname, posix } from 'node:path'
import { type Allowance, openAllowance, openKeptFiles, openSources, SourceError, type Sources } from '../sources.ts'
import { openPackageFiles, type PackageFiles } from './package-files.ts'
import type { Pins } from './pins.ts'

/**
 * Where a bundle's files come from: the module's folder, packages of npm, addresses, texts within a specifier; and of
 * ours the SDK, the bridge, and the libraries that stand in for Node.
 */
export type Realm = 'module' | 'npm' | 'remote' | 'data' | 'sdk' | 'bridge' | 'lib'

const SDK_FOLDER = fileURLToPath(new URL('../../sdk', import.meta.url))
const BRIDGE_FOLDER = fileURLToPath(new URL('../../bridge', import.meta.url))
/** What a module may import from elsewhere; most of what packages hold is never read. */
export const IMPORT_LIMITS = { bytes: 24 * 1024 * 1024, files: 6000 }

const IMPORTED_FILES = { files: 'the files that the module imports from elsewhere', count: 'the module imports too many files from elsewhere' }

/** @example splitInput('module:lib/a.ts') // ['module', 'lib/a.ts'] */
export function splitInput(input: string): [Realm, string] {
  const colon = input.indexOf(':')
  return [input.slice(0, colon) as Realm, input.slice(colon + 1)]
}

/** A package's file. @example splitPackagePath('@a/b@1.0.0/c.js') // ['@a/b@1.0.0', 'c.js'] */
export function splitPackagePath(path: string): [id: string, path: string] {
  const end = path.indexOf('/', path.startsWith('@') ? path.indexOf('/') + 1 : 0)
  return [path.slice(0, end), path.slice(end + 1)]
}

/** All that one build may read. */
export interface Places {
  read(realm: Realm, path: string): Promise<Buffer>
  /** The module's own folder. */
  readonly own: Sources
  /** @throws SourceError for a package that was not fetched */
  package(realm: 'npm' | 'lib', id: string): Promise<PackageFiles>
  /** The package that a name means within another. */
  dependency(realm: 'npm' | 'lib', id: string, name: string): string | undefined
}

export async function openPlaces(folder: string, pins: Pins): Promise<Places> {
  const [module, sdk, bridge] = await Promise.all([folder, SDK_FOLDER, BRIDGE_FOLDER].map((one) => openSources(one)))
  const realms: Partial<Record<Realm, Sources>> = { module: module!, sdk: sdk!, bridge: bridge! }
  const imported = openAllowance(IMPORT_LIMITS, IMPORTED_FILES)
  const packages = new Map<string, Promise<PackageFiles>>()
  let remote: Promise<Sources> | undefined

  const places: Places = {
    own: module!,
    async read(realm, path) {
      if (realm === 'npm' || realm === 'lib') {
        const [id, rest] = splitPackagePath(path)
        return (await places.package(realm, id)).read(rest)
      }
      if (realm === 'remote') {
        const pin = pins.remote[path]
        if (!pin || 'redirect' in pin) throw new SourceError(`"${path}" was not fetched`)
        return (await (remote ??= openKeptFiles(pins.remoteFolder, imported))).read(pin.file)
      }
      if (realm === 'data') return readData(path, imported)
      return realms[realm]!.read(path)
    },
    package(realm, id) {
      const key = `${realm}:${id}`
      const folderOf = realm === 'lib' ? libraryFolder(id) : pins.npm[id]?.folder
      if (folderOf === undefined) throw new SourceError(`the package ${id} was not fetched`)
      const known = packages.get(key) ?? openPackageFiles(id, folderOf, realm === 'lib' ? openAllowance(IMPORT_LIMITS) : imported)
      packages.set(key, known)
      return known
    },
    dependency: (realm, id, name) => (realm === 'lib' ? name : pins.npm[id]?.dependencies[name]),
  }
  return places
}

/** @throws SourceError where the text is no `data:` URL */
async function readData(url: string, allowance: Allowance): Promise<Buffer> {
  const content = await fetch(url).then((answer) => answer.arrayBuffer(), () => undefined)
  if (!content) throw new SourceError('the "data:" URL cannot be read')
  allowance.take(content.byteLength)
  return Buffer.from(content)
}

const nearLibraries = createRequire(import.meta.url)
// Of readable-stream, which is no dependency of ours itself.
const nearStreams = createRequire(nearLibraries.resolve('readable-stream'))

/** A library of ours, by the folder that npm has put it into. */
function libraryFolder(name: string): string {
  for (const near of [nearLibraries, nearStreams]) {
    const folder = (near.resolve.paths('any') ?? []).map((path) => posix.join(path, name)).find((path) => isPackage(near, path))
    if (folder !== undefined) return folder
  }
  throw new SourceError(`the library ${name} is not installed`)
}

function isPackage(near: NodeJS.Require, folder: string): boolean {
  try {
    return dirname(near.resolve(posix.join(folder, 'package.json'))) !== ''
  } catch {
    return false
  }
}
