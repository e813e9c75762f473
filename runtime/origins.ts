import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { BulkheadError } from '../bridge/errors.ts'
import { unpackModule } from './archive.ts'
import { parseGitAddress } from './git-address.ts'
import { fetchGit } from './git-source.ts'
import type { Packages } from './packages.ts'
import { SourceError } from './sources.ts'
import type { Origin } from './store/version-rows.ts'
import { type ModuleFiles, readModuleFiles } from './version-files.ts'

/** Where a module is to be installed from. */
export type Source =
  | { folder: string }
  /** `name`, `name@version`, `name@range` or `name@tag`. */
  | { npm: string }
  /** `URL#REF:FOLDER`. */
  | { git: string }
  /** A tar.gz. */
  | { upload: AsyncIterable<Uint8Array> }

/** Reads modules from where they come from. */
export interface Origins {
  /**
   * @param anywhere whether folders outside of the modules folder may be read: only for who may do everything, as any
   * file of this host could be read as part of a module
   * @throws INVALID for what holds no module; FORBIDDEN; and what fetching it throws
   */
  read(source: Source, anywhere: boolean): Promise<{ files: ModuleFiles; origin: Origin }>
}

interface OriginsOptions {
  /** The modules folder. */
  folder: string
  packages: Packages
  /** With which git fetches over ssh. */
  gitKey?: string | undefined
  /** From which git fetches though they are in a private network. */
  privateHosts?: readonly string[] | undefined
}

/** What to ask for to get what is there now. @throws CONFLICT for an upload, which is nowhere any more */
export function sourceOf(module: string, origin: Origin): Source {
  switch (origin.kind) {
    case 'folder':
      return { folder: origin.folder }
    case 'npm':
      return { npm: origin.package }
    case 'git':
      return { git: origin.address }
    case 'upload':
      throw new BulkheadError('CONFLICT', `cannot upgrade ${module}, it came as an upload; upload the new version`)
  }
}

export function openOrigins({ folder: modulesFolder, packages, gitKey, privateHosts = [] }: OriginsOptions): Origins {
  async function inTemporary<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
    const folder = await mkdtemp(join(tmpdir(), 'bulkhead-install-'))
    try {
      return await work(join(folder, 'module'))
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 10 })
    }
  }

  async function folderOf(given: string, anywhere: boolean): Promise<string> {
    const root = await realpath(modulesFolder).catch(() => modulesFolder)
    const real = await realpath(given).catch(() => undefined)
    const isInside = real !== undefined && real.startsWith(root + sep)
    // What is outside is not even told to be missing.
    if (!isInside && !anywhere) {
      throw new BulkheadError('FORBIDDEN', 'cannot install from that folder, it is not inside the folder of modules; a key with every scope may name any other')
    }
    if (real === undefined) throw new BulkheadError('NOT_FOUND', `no folder ${JSON.stringify(given)} on this host`)
    return real
  }

  return {
    async read(source, anywhere) {
      if ('upload' in source) {
        return inTemporary(async (folder) => {
          await unpackModule(source.upload, folder)
          return { files: await filesIn(folder), origin: { kind: 'upload' } }
        })
      }
      if ('npm' in source) {
        const { folder, name, version } = await packages.fetch(source.npm)
        return { files: await filesIn(folder), origin: { kind: 'npm', package: source.npm, version, name } }
      }
      if ('git' in source) {
        parseGitAddress(source.git)
        return inTemporary(async (folder) => {
          const { commit } = await fetchGit(source.git, folder, { key: gitKey, privateHosts })
          return { files: await filesIn(folder), origin: { kind: 'git', address: source.git, commit } }
        })
      }
      const folder = await folderOf(source.folder, anywhere)
      return { files: await filesIn(folder), origin: { kind: 'folder', folder } }
    },
  }
}

async function filesIn(folder: string): Promise<ModuleFiles> {
  try {
    return await readModuleFiles(folder)
  } catch (thrown) {
    if (thrown instanceof SourceError) throw new BulkheadError('INVALID', `cannot install it, ${thrown.message}`)
    throw thrown
  }
}
