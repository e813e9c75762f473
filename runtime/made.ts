import { join } from 'node:path'
import { BulkheadError } from '../bridge/errors.ts'
import { bundleModule } from './bundle.ts'
import type { Catalogue } from './catalogue.ts'
import type { Decisions } from './decisions.ts'
import type { Log } from './events.ts'
import type { Version, VersionSource } from './instance.ts'
import type { ImportSources } from './loading/gathering.ts'
import { readManifest } from './manifest.ts'
import { type Maxima, underMaxima } from './maxima.ts'
import { SourceError } from './sources.ts'
import { type ModuleFiles, readModuleFiles } from './version-files.ts'
import type { Versions } from './versions.ts'

/** A version that can be brought up, and its files, where it is to be kept. */
export interface Made {
  version: Version & { source: VersionSource }
  files: ModuleFiles | undefined
}

interface MakingOptions {
  catalogue: Catalogue
  artifacts: string
  imports: ImportSources
  maxima: Maxima
  decisions: Pick<Decisions, 'terms'>
  versions: Versions
  log: Log
}

/** Makes versions: from what a folder holds, or from what was kept. */
export interface Making {
  /**
   * @param onManifest told of the manifest before the code is looked at: also where that cannot be made, it counts
   * @throws MANIFEST_INVALID; CONFLICT where it goes by another name than the module; BUNDLE_FAILED
   */
  fromFolder(name: string, folder: string, onManifest?: (manifest: Version['manifest']) => void): Promise<Made>
  /** @throws NOT_FOUND; MANIFEST_INVALID and BUNDLE_FAILED where this Bulkhead takes it no more */
  fromKept(name: string, number: number): Promise<Made['version']>
}

/** How often a folder is read again that changes while it is read. */
const READS = 5

export function openMaking({ catalogue, artifacts, imports, maxima, decisions, versions, log }: MakingOptions): Making {
  const read = async (name: string, folder: string) => {
    const manifest = underMaxima(await readManifest(folder, catalogue), maxima)
    if (manifest.name === name) return manifest
    const file = join(folder, 'module.yaml')
    throw new BulkheadError('CONFLICT', `${file}: the name "${manifest.name}" is not the one it is known by, "${name}"`)
  }

  /** A folder may hold more than is kept of a version; it runs all the same, and nobody can go back to it. */
  async function filesOf(name: string, folder: string): Promise<ModuleFiles | undefined> {
    try {
      return await readModuleFiles(folder)
    } catch (thrown) {
      if (!(thrown instanceof SourceError)) throw thrown
      log.warn({ module: name, why: thrown.message }, 'this version is not kept')
      return undefined
    }
  }

  /** What runs, as long as it does: it is asked for at the start, and again when it is brought up. */
  const running = new Map<string, Made['version']>()

  return {
    async fromFolder(name, folder, onManifest = () => {}) {
      for (let reads = 1; ; reads++) {
        const files = await filesOf(name, folder)
        const manifest = await read(name, folder)
        onManifest(manifest)
        const artifact = await bundleModule({ folder, name, cache: artifacts, imports })
        // What is kept has to be what was bundled.
        const isSame = files === undefined || (await filesOf(name, folder))?.hash === files.hash
        if (!isSame && reads < READS) continue
        if (!isSame) throw new BulkheadError('CONFLICT', `cannot load ${name}, its files change while they are read`)
        const source = { folder, hash: files?.hash, kept: false }
        return { version: { manifest, artifact, source, terms: () => decisions.terms(manifest) }, files }
      }
    },
    async fromKept(name, number) {
      const head = versions.head(name)
      const known = running.get(name)
      if (known && head?.current === number && known.source.hash === head.hash) return known
      const { folder, hash, artifact: kept } = await versions.open(name, number)
      const manifest = await read(name, folder)
      const artifact = kept ?? (await bundleModule({ folder, name, cache: artifacts, imports }))
      const version = { manifest, artifact, source: { folder, hash, kept: true }, terms: () => decisions.terms(manifest) }
      for (const one of running.keys()) if (!versions.head(one)) running.delete(one)
      if (head?.current === number) running.set(name, version)
      return version
    },
  }
}
