import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { maxSatisfying, validRange } from 'semver'
import { BulkheadError } from '../../bridge/errors.ts'
import { requestKey, type PackageRequest } from '../bundler/specifiers.ts'
import type { Pins } from '../bundler/pins.ts'
import type { FetchedPackage, Packages } from '../packages.ts'
import { entryOf, type Lock, lockedDependency, splitId } from './lock.ts'

/**
 * What one module may need of packages, directly and through others: how many, how large they are unpacked, and how
 * many one of them may name.
 */
export const TREE_LIMITS = { packages: 400, bytes: 256 * 1024 * 1024, dependencies: 500 }

/** A package that another one needs, or the module itself. */
interface Wanted {
  /** Whose dependency it is; none where the module asks for it. */
  by: string | undefined
  /** What it is called there, which an alias may be. */
  alias: string
  range: string
  isPeer: boolean
}

/** The packages of one module, as they are found. */
export interface NpmTree {
  /** Fetches a package and all that it needs. @throws BulkheadError where one of them cannot be had */
  add(requests: readonly PackageRequest[]): Promise<void>
}

/**
 * Finds and fetches packages with all that they depend on. One version serves all who accept it. Of peers there is one
 * for the whole module: what is there already, or the best that fits. Optional dependencies, which are engines for
 * other platforms nearly always, and packages of types alone are left out; no script is ever run.
 *
 * @param seed what was found earlier, and is found again
 * @param lock what is found now is written into it
 */
export function openNpmTree(packages: Packages, pins: Pins, seed: Lock, lock: Lock, limits = TREE_LIMITS): NpmTree {
  const fetched = new Map<string, FetchedPackage>()
  let bytes = 0

  async function find({ by, alias, range }: Wanted): Promise<string> {
    const [name, ownRange] = unaliased(alias, range)
    const locked = by === undefined ? seed.specifiers[`npm:${alias}@${range}`] : lockedDependency(seed, by, alias)
    const version = locked === undefined ? present(name, ownRange) : locked.replace(/_.*$/, '')
    const id = version === undefined ? undefined : `${name}@${version}`
    if (id !== undefined && fetched.has(id)) return id
    return fetch(id ?? `${name}@${ownRange === '*' ? 'latest' : ownRange}`, id)
  }

  /** The best version that is there already, among those that somebody else has asked for. */
  function present(name: string, range: string): string | undefined {
    const versions = [...fetched.values()].filter((known) => known.name === name).map(({ version }) => version)
    return validRange(range) === null ? undefined : (maxSatisfying(versions, range) ?? undefined)
  }

  async function fetch(spec: string, id: string | undefined): Promise<string> {
    const integrity = id === undefined ? undefined : entryOf(seed, id)?.integrity
    const isPinned = integrity !== undefined && /^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)
    const found = await packages.fetch(spec, isPinned ? { integrity } : {})
    const own = `${found.name}@${found.version}`
    if (fetched.has(own)) return own
    fetched.set(own, found)
    if (fetched.size > limits.packages) throw excess(spec, `more than ${limits.packages} packages`)
    const size = await folderBytes(found.folder)
    bytes += size
    if (bytes > limits.bytes) throw excess(spec, `packages of more than ${limits.bytes} bytes together`)
    pins.npm[own] ??= { folder: found.folder, dependencies: {} }
    lock.npm[own] ??= { integrity: found.integrity, dependencies: [] }
    return own
  }

  function wantsOf(id: string): Wanted[] {
    const { dependencies, peerDependencies, peerDependenciesMeta, optionalDependencies } = fetched.get(id)!.manifest as Manifest
    const isLeftOut = (name: string) => name.startsWith('@types/') || Object.hasOwn(optionalDependencies ?? {}, name)
    const entries = (from: Record<string, unknown> | undefined, isPeer: boolean) =>
      Object.entries(from ?? {})
        .filter(([name, range]) => typeof range === 'string' && !isLeftOut(name))
        .filter(([name]) => !isPeer || peerDependenciesMeta?.[name]?.optional !== true || present(name, '*') !== undefined)
        .map(([alias, range]) => ({ by: id, alias, range: range as string, isPeer }))
    const wants = [...entries(dependencies, false), ...entries(peerDependencies, true)]
    if (wants.length > limits.dependencies) throw excess(id, `a package that has more than ${limits.dependencies} dependencies`)
    return wants
  }

  return {
    async add(requests) {
      const seen = new Set<string>()
      let level: Wanted[] = requests.map(({ name, range }) => ({ by: undefined, alias: name, range, isPeer: false }))
      // Peers last: somebody else of the same level may bring them.
      while (level.length > 0) {
        const ids = new Map<Wanted, string>()
        for (const isPeer of [false, true]) {
          const ones = level.filter((want) => want.isPeer === isPeer)
          const found = await Promise.all(ones.map((want) => (isPeer ? peer(want) : find(want)).catch((thrown: unknown) => Promise.reject(named(thrown, want)))))
          for (const [index, want] of ones.entries()) ids.set(want, found[index]!)
        }
        for (const [want, id] of ids) note(want, id)
        const news = [...new Set(ids.values())].filter((id) => !seen.has(id))
        for (const id of news) seen.add(id)
        level = news.flatMap(wantsOf)
      }
    },
  }

  async function peer(want: Wanted): Promise<string> {
    const [name] = unaliased(want.alias, want.range)
    // The module's own choice counts even where a package would have another.
    const version = present(name, want.range) ?? present(name, '*')
    return version === undefined ? find(want) : `${name}@${version}`
  }

  function note({ by, alias, range }: Wanted, id: string): void {
    const [name, version] = splitId(id)
    if (by === undefined) {
      const key = requestKey({ kind: 'npm', name: alias, range })
      pins.specifiers[key] = id
      lock.specifiers[key] = version
      return
    }
    pins.npm[by]!.dependencies[alias] = id
    const { dependencies = [] } = lock.npm[by]!
    const written = alias === name ? id : `${alias}@npm:${id}`
    if (!dependencies.includes(written)) dependencies.push(written)
  }
}

function excess(spec: string, what: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot fetch npm package "${spec}", the module needs ${what}`)
}

async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(entries.map((entry) => (entry.isFile() ? stat(join(entry.parentPath, entry.name)).then(({ size }) => size) : 0)))
  return sizes.reduce((sum, size) => sum + size, 0)
}

interface Manifest {
  dependencies?: Record<string, unknown>
  peerDependencies?: Record<string, unknown>
  peerDependenciesMeta?: Record<string, { optional?: unknown } | undefined>
  optionalDependencies?: Record<string, unknown>
}

/** The package and the range that a dependency means, which may be written `npm:other@^2`. */
function unaliased(alias: string, range: string): [name: string, range: string] {
  if (!range.startsWith('npm:')) return [alias, range]
  const [name, version] = splitId(range.slice('npm:'.length))
  return [name, version || '*']
}

function named(thrown: unknown, { by, alias, range }: Wanted): unknown {
  if (!(thrown instanceof BulkheadError) || by === undefined || /, which /.test(thrown.message)) return thrown
  return new BulkheadError(thrown.code, `${thrown.message}, which ${by} needs as ${alias}@${range}`, thrown.details, thrown)
}

