import { join } from 'node:path'
import { asBulkheadError, BulkheadError } from '../../bridge/errors.ts'
import type { FetchSettings, Need } from '../bundler/build.ts'
import type { BundleFault } from '../bundler/faults.ts'
import type { Pins } from '../bundler/pins.ts'
import { IMPORT_LIMITS } from '../bundler/places.ts'
import { type PackageRequest, parsePackageSpecifier, requestKey } from '../bundler/specifiers.ts'
import { openPackages } from '../packages.ts'
import { openJsr } from './jsr.ts'
import { emptyLock, type Lock } from './lock.ts'
import { openNpmTree } from './npm-tree.ts'
import { openRemoteFiles } from './remote-files.ts'

/** Where modules' imports come from. */
export interface ImportSources {
  /** The address of an npm registry; without it npm's own. */
  npmRegistry?: string | undefined
  /** The address of a registry with JSR's interface; without it JSR's own. */
  jsrRegistry?: string | undefined
  /** `host` or `host:port` of what may be imported from though it is private, and without TLS. */
  privateHosts?: readonly string[]
}

export const JSR_REGISTRY = 'https://jsr.io/'
const MAX_REDIRECTS = 10

/** The imports of one module from elsewhere, as they are fetched. */
export interface Gathering {
  /** What is there so far, for the process that bundles. */
  readonly pins: Pins
  /** The same, to find it again. */
  readonly lock: Lock
  /** @returns what could not be fetched, at the lines that ask for it */
  fetch(needs: readonly Need[]): Promise<BundleFault[]>
}

/**
 * @param seed what was found earlier, or the author has locked
 * @param frozen whether nothing else may be had
 */
export function openGathering(sources: ImportSources, cache: string, seed: Lock, frozen: FetchSettings['frozen']): Gathering {
  const { npmRegistry, jsrRegistry = JSR_REGISTRY, privateHosts = [] } = sources
  const remoteFolder = join(cache, 'remote')
  const pins: Pins = { specifiers: {}, npm: {}, jsr: {}, remote: {}, remoteFolder }
  const lock = emptyLock()
  const base = jsrRegistry.endsWith('/') ? jsrRegistry : `${jsrRegistry}/`
  const files = openRemoteFiles({ folder: remoteFolder, privateHosts, registry: sources.jsrRegistry === undefined ? undefined : base })
  const jsr = openJsr(base, files)
  const tree = openNpmTree(openPackages({ registry: npmRegistry, cache: join(cache, 'npm') }), pins, seed, lock)
  const checksums = new Map<string, Record<string, string>>()
  let count = 0

  async function fetchJsr(request: PackageRequest): Promise<void> {
    const key = requestKey(request)
    checkFrozen(key, seed.specifiers[key])
    const found = await jsr.find(request, { version: seed.specifiers[key], integrityOf: (version) => seed.jsr[`${request.name}@${version}`]?.integrity })
    const id = `${found.name}@${found.version}`
    checksums.set(found.base, found.checksums)
    pins.jsr[id] = { base: found.base, exports: found.exports }
    pins.specifiers[key] = id
    lock.specifiers[key] = found.version
    lock.jsr[id] = { integrity: found.integrity }
  }

  async function fetchRemote(url: string): Promise<void> {
    let address = url
    for (let hops = 0; ; hops++) {
      if (hops > MAX_REDIRECTS) throw new BulkheadError('INVALID', `cannot fetch ${url}, it leads on more than ${MAX_REDIRECTS} times`)
      if (++count > IMPORT_LIMITS.files) throw new BulkheadError('INVALID', `cannot fetch ${url}, the module imports more than ${IMPORT_LIMITS.files} files`)
      const ofJsr = checksumOf(address)
      if (ofJsr === undefined) checkFrozen(address, seed.remote[address] ?? seed.redirects[address])
      const found = await files.fetch(address, ofJsr ?? seed.remote[address])
      if (!('redirect' in found)) {
        pins.remote[address] = { file: found.file, media: found.media }
        if (ofJsr === undefined) lock.remote[address] = found.hash
        return
      }
      if (ofJsr !== undefined) throw new BulkheadError('INVALID', `cannot fetch ${url}, the registry leads elsewhere`)
      const locked = seed.redirects[address]
      if (locked !== undefined && locked !== found.redirect) throw new BulkheadError('INVALID', `cannot fetch ${address}, it leads elsewhere than the lock has`)
      pins.remote[address] = { redirect: found.redirect }
      lock.redirects[address] = found.redirect
      address = found.redirect
    }
  }

  /** What a file of a JSR package must have. @throws where the package has no such file */
  function checksumOf(url: string): string | undefined {
    for (const [folder, known] of checksums) {
      if (!url.startsWith(folder)) continue
      const found = known[`/${url.slice(folder.length)}`]
      if (found === undefined) throw new BulkheadError('NOT_FOUND', `cannot fetch ${url}, the package has no such file`)
      return found
    }
    return undefined
  }

  function checkFrozen(what: string, locked: string | undefined): void {
    if (frozen && locked === undefined) throw new BulkheadError('INVALID', `cannot fetch ${what}, the lock is frozen and does not have it`)
  }

  async function fetchNpm(requests: PackageRequest[]): Promise<void> {
    for (const request of requests) checkFrozen(requestKey(request), seed.specifiers[requestKey(request)])
    await tree.add(requests)
  }

  return {
    pins,
    lock,
    async fetch(needs) {
      const faults: BundleFault[] = []
      const attempt = (of: readonly Need[], work: () => Promise<void>) =>
        work().catch((thrown: unknown) => {
          const { code, message } = asBulkheadError(thrown)
          if (code === 'INTERNAL') throw thrown
          for (const { place } of of) faults.push({ text: message, ...place })
        })
      const npm = needs.filter(({ what }) => what.startsWith('npm:'))
      const others = needs.filter((need) => !npm.includes(need))
      await Promise.all([
        (async () => {
          // Together, so that they share what they can; apart where that fails, to tell which of them is at fault.
          const together = await fetchNpm(npm.map(({ what }) => parsePackageSpecifier(what)!)).then(() => true, () => false)
          if (!together) for (const need of npm) await attempt([need], () => fetchNpm([parsePackageSpecifier(need.what)!]))
        })(),
        ...others.map((need) =>
          attempt([need], () => (need.what.startsWith('jsr:') ? fetchJsr(parsePackageSpecifier(need.what)!) : fetchRemote(need.what))),
        ),
      ])
      return faults
    },
  }
}
