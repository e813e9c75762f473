import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type pacote from 'pacote'
import { valid as isVersion, validRange } from 'semver'
import { BulkheadError } from '../bridge/errors.ts'
import type { ArchiveLimits } from './archive-names.ts'
import { placeFiles, readArchive, sweepDrafts, withoutFirstFolder } from './archive.ts'
import { describeRegistryFault, isUnreachable } from './registry-faults.ts'

export interface PackagesOptions {
  /** The address of an npm registry, without credentials; without it npm's own. */
  registry?: string | undefined
  /** The folder that keeps what was fetched. */
  cache: string
  limits?: Readonly<ArchiveLimits>
  /** How long one request may take, in milliseconds. */
  timeoutMs?: number
}

/** A version that a registry has. `name` is the package's own, which an alias hides. */
export interface ResolvedPackage {
  readonly name: string
  readonly version: string
}

/** A package on this disk. */
export interface FetchedPackage extends ResolvedPackage {
  /** `sha512-…` of the archive that the registry gave out, to be pinned. */
  readonly integrity: string
  /** Its files. Shared by all who use this version: to be read only. */
  readonly folder: string
  /** Its package.json. */
  readonly manifest: Readonly<Record<string, unknown>>
}

export interface Packages {
  /**
   * The best version for a range: as npm picks it, the one tagged `latest` where that fits.
   *
   * @param range a version, a range, a tag, or an alias such as `npm:other@^2`
   * @throws BulkheadError `NOT_FOUND` for an unknown package or version, `UNAVAILABLE` where the registry cannot be
   * reached and nothing suitable was kept, `INVALID` for what is no such name or range
   */
  resolve(name: string, range: string): Promise<ResolvedPackage>
  /**
   * A package's files, from the disk where they were fetched before. Nothing in it is run.
   *
   * @param spec `name`, `name@version`, `name@range` or `name@tag`
   * @param pin.integrity `sha512-…`, which the archive must have; what was fetched before needs no network then
   * @throws BulkheadError as `resolve` does; `INVALID` where the archive has another hash or is one that is not unpacked
   * @example await packages.fetch('semver@^7') // { name: 'semver', version: '7.8.6', integrity: 'sha512-…', folder: … }
   */
  fetch(spec: string, pin?: { integrity?: string }): Promise<FetchedPackage>
}

/** Packages are larger than modules, as most of what is in them is not used. */
const PACKAGE_ARCHIVE: Readonly<ArchiveLimits> = Object.freeze({
  compressedBytes: 32 * 1024 * 1024,
  unpackedBytes: 128 * 1024 * 1024,
  ratio: 200,
  files: 20_000,
  depth: 32,
  pathBytes: 400,
})
const AT_ONCE = 6

/** It takes 170 ms to load, and a host that installs nothing needs none of it. */
const loadPacote = async (): Promise<typeof pacote> => (await import('pacote')).default

/** Packages of an npm registry, and those that were fetched from it before. */
export function openPackages({ registry, cache, limits = PACKAGE_ARCHIVE, timeoutMs = 60_000 }: PackagesOptions): Packages {
  // Only what a registry has: no git, folder or address of a stranger's choice.
  const options = {
    ...(registry === undefined ? {} : { registry }),
    cache: join(cache, 'registry'),
    allowGit: 'none', allowFile: 'none', allowDirectory: 'none',
    retry: { retries: 2, minTimeout: 100, maxTimeout: 500 },
  }
  let swept: Promise<void> | undefined
  const underWay = new Map<string, Promise<FetchedPackage>>()
  const turn = atMost(AT_ONCE)

  async function find(spec: PackageSpec) {
    const { manifest } = await loadPacote()
    const ask = (more: object) => manifest(spec.text, { ...options, allowRemote: 'none', signal: AbortSignal.timeout(timeoutMs), ...more } as pacote.Options)
    // What a version holds never changes, so that a kept answer which has it is good enough.
    const kept = isVersion(spec.range) ? await ask({ offline: true }).catch(() => undefined) : undefined
    if (kept) return kept
    return ask({}).catch(async (thrown: unknown) => {
      if (!isUnreachable(thrown)) throw describeRegistryFault(spec.text, thrown)
      return ask({ offline: true }).catch(() => {
        throw describeRegistryFault(spec.text, thrown)
      })
    })
  }

  /** The archive, whose hash is that of the registry's own list. */
  async function download(spec: string, address: string, integrity: string | undefined): Promise<Buffer> {
    const ended = new AbortController()
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(timeoutMs)])
    const { cache: _, ...uncached } = options // what is unpacked is kept instead
    const { tarball } = await loadPacote()
    try {
      return await tarball.stream(
        address,
        async (stream) => {
          const chunks: Buffer[] = []
          let bytes = 0
          stream.on('error', () => {}) // an aborted one throws again once nobody listens any more
          for await (const chunk of stream as AsyncIterable<Buffer>) {
            bytes += chunk.length
            if (bytes > limits.compressedBytes) throw tooLarge(spec, limits.compressedBytes, bytes)
            chunks.push(chunk)
          }
          return Buffer.concat(chunks)
        },
        { ...uncached, preferOnline: true, signal, ...(integrity === undefined ? {} : { integrity }) } as pacote.Options,
      )
    } catch (thrown) {
      throw describeRegistryFault(spec, thrown)
    } finally {
      ended.abort() // a download that was given up does not go on
    }
  }

  async function kept(integrity: string): Promise<FetchedPackage | undefined> {
    const home = join(cache, hexOf(integrity))
    const text = await readFile(join(home, 'about.json'), 'utf8').catch(() => undefined)
    return text === undefined ? undefined : { ...(JSON.parse(text) as Omit<FetchedPackage, 'folder'>), folder: join(home, 'files') }
  }

  async function keep({ name, version }: ResolvedPackage, archive: Buffer): Promise<FetchedPackage> {
    await (swept ??= sweepDrafts(cache))
    const integrity = integrityOf(archive)
    const files = withoutFirstFolder(await readArchive(once(archive), { limits, links: 'skip' }))
    const about = { name, version, integrity, manifest: readManifest(files.get('package.json')) }
    const stored = new Map([...files].map(([path, content]) => [`files/${path}`, content]))
    await placeFiles(stored.set('about.json', Buffer.from(JSON.stringify(about))), join(cache, hexOf(integrity))).catch((thrown) => {
      // Somebody else was faster with the same.
      if (!(thrown instanceof BulkheadError && thrown.code === 'CONFLICT')) throw thrown
    })
    return { ...about, folder: join(cache, hexOf(integrity), 'files') }
  }

  async function fetch(spec: PackageSpec, pin: string | undefined): Promise<FetchedPackage> {
    const pinned = pin === undefined ? undefined : await kept(pin)
    if (pinned && pinned.name === spec.name && (!isVersion(spec.range) || isVersion(spec.range) === pinned.version)) return pinned
    const found = await find(spec)
    if (found._resolved === undefined) throw describeRegistryFault(spec.text, new Error('the version has no archive'))
    const listed = /sha512-[A-Za-z0-9+/]{86}==/.exec(found._integrity ?? '')?.[0]
    const earlier = listed === undefined ? undefined : await kept(listed)
    const fetched = earlier ?? await keep(found, await download(spec.text, found._resolved, found._integrity)).catch((thrown: unknown) => {
      throw describeRegistryFault(spec.text, thrown)
    })
    if (pin !== undefined && fetched.integrity !== pin) {
      throw new BulkheadError('INVALID', `cannot fetch npm package "${spec.text}": its hash is not the pinned one`, { pinned: pin, found: fetched.integrity })
    }
    return fetched
  }

  return {
    async resolve(name, range) {
      const { name: own, version } = await find(parseSpec(`${name}@${range}`))
      return { name: own, version }
    },
    async fetch(text, { integrity } = {}) {
      if (integrity !== undefined && !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)) {
        throw new BulkheadError('INVALID', `cannot fetch npm package "${text}": the pinned hash is not of the form sha512-…`)
      }
      const spec = parseSpec(text)
      const key = `${spec.text} ${integrity ?? ''}`
      const running = underWay.get(key) ?? turn(() => fetch(spec, integrity)).finally(() => underWay.delete(key))
      underWay.set(key, running)
      return running
    },
  }
}

interface PackageSpec {
  /** The package's own name, not an alias. */
  name: string
  range: string
  text: string
}

const SPEC = /^((?:@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*)(?:@(.*))?$/i
const TAG = /^[a-z][\w.-]{0,63}$/i

/** @throws BulkheadError `INVALID` for anything but a package of a registry: addresses, git, folders */
function parseSpec(text: string): PackageSpec {
  const [, name, range = ''] = (text.length > 400 ? null : SPEC.exec(text)) ?? []
  if (name === undefined) throw new BulkheadError('INVALID', `${JSON.stringify(text.slice(0, 400))} is not an npm package's name with a version or range`)
  if (range.startsWith('npm:')) return parseSpec(range.slice(4))
  if (range !== '' && validRange(range) === null && !TAG.test(range)) {
    throw new BulkheadError('INVALID', `"${range}" is not a version, range or tag of npm package "${name}"`)
  }
  return { name, range: range || 'latest', text: `${name}@${range || 'latest'}` }
}

function readManifest(content: Buffer | undefined): Record<string, unknown> {
  try {
    const manifest: unknown = JSON.parse(content?.toString().replace(/^\uFEFF/, '') ?? '')
    if (typeof manifest === 'object' && manifest !== null && !Array.isArray(manifest)) return manifest as Record<string, unknown>
  } catch {}
  throw new BulkheadError('INVALID', 'it has no package.json that can be read')
}

function integrityOf(archive: Buffer): string {
  return `sha512-${createHash('sha512').update(archive).digest('base64')}`
}

function hexOf(integrity: string): string {
  return Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex')
}

function tooLarge(spec: string, value: number, used: number): BulkheadError {
  return new BulkheadError('INVALID', `cannot fetch npm package "${spec}": it is over ${value} bytes`, { limit: 'compressedBytes', value, used })
}

async function* once(chunk: Buffer): AsyncGenerator<Buffer> {
  yield chunk
}

/** Lets no more than that many run at a time; the others wait in order. */
function atMost(count: number): <Result>(run: () => Promise<Result>) => Promise<Result> {
  let free = count
  const waiting: (() => void)[] = []
  return async (run) => {
    if (free > 0) free -= 1
    else await new Promise<void>((go) => waiting.push(go))
    try {
      return await run()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free += 1
    }
  }
}
