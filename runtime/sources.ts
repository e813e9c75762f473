import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'
import { join, posix, sep } from 'node:path'
import { didYouMean } from './nearest.ts'

/** What a module's files may add up to. JavaScript parsers use many times the size of their input. */
export const SOURCE_LIMITS = { bytes: 4 * 1024 * 1024, files: 1000 }

const OWN_FILES = { files: "the module's files", count: 'the module has too many files' }

/** What may still be read. Folders that share one have it together. */
export interface Allowance {
  /** @throws SourceError once there is not enough left */
  take(bytes: number): void
}

/** @param words what a message calls the files, and how it says that there are too many */
export function openAllowance(limits: typeof SOURCE_LIMITS, { files: these, count } = OWN_FILES): Allowance {
  let bytes = 0
  let files = 0
  return {
    take(size) {
      bytes += size
      files += 1
      if (bytes > limits.bytes) throw new SourceError(`${these} are too large, the limit is ${limits.bytes} bytes together`)
      if (files > limits.files) throw new SourceError(`${count}, the limit is ${limits.files}`)
    },
  }
}

/** Why a file could not be read, said to the author of the module; names no path outside the folder. */
export class SourceError extends Error {}

/** @throws SourceError when the content is not UTF-8 */
export function decodeText(path: string, content: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    throw new SourceError(`"${path}" is not UTF-8 text`)
  }
}

/** The readable files of one folder. Paths are relative to it, with `/`. */
export interface Sources {
  /** @throws SourceError when there is no such regular file inside the folder, or the folder's limits are passed */
  read(path: string): Promise<Buffer>
  /** Whether there is anything at that path. */
  has(path: string): Promise<boolean>
  /** Whether there is a file at that path. */
  hasFile(path: string): Promise<boolean>
}

/**
 * Opens a folder written by a stranger for reading. What a link leads out to, what is no regular file, and what is
 * past the limits of bytes and files is refused. Reading the same path again counts again.
 *
 * @throws SourceError when the folder is missing
 */
export async function openSources(folder: string, limits = SOURCE_LIMITS, allowance = openAllowance(limits)): Promise<Sources> {
  const root = await realpath(folder).catch(() => {
    throw new SourceError('the folder does not exist')
  })

  const inside = async (path: string): Promise<string | undefined> => {
    const real = await realpath(join(root, path)).catch(() => undefined)
    if (real !== undefined && real !== root && !real.startsWith(root + sep)) {
      throw new SourceError(`"${path}" is a link that leads out of the module's folder`)
    }
    return real
  }

  const suggestion = async (path: string): Promise<string> => {
    const folderOf = posix.dirname(path)
    const real = await inside(folderOf).catch(() => undefined)
    const names = real === undefined ? [] : await readdir(real).catch(() => [])
    const name = posix.basename(path)
    const stem = name.replace(/\.[cm]?[jt]sx?$/, '')
    const sameStem = names.find((known) => known.startsWith(`${stem}.`) && /\.([cm]?[jt]sx?|json)$/.test(known))
    return sameStem === undefined ? didYouMean(name, names.slice(0, limits.files)) : `, did you mean "${sameStem}"?`
  }

  return {
    has: async (path) => (await inside(path)) !== undefined,
    async hasFile(path) {
      const real = await inside(path)
      return real !== undefined && (await stat(real)).isFile()
    },
    async read(path) {
      const real = await inside(path)
      if (real === undefined) throw new SourceError(`"${path}" does not exist${await suggestion(path)}`)
      // Not blocking: opening a named pipe would otherwise wait for a writer for ever.
      const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => {
        throw new SourceError(`"${path}" cannot be opened`)
      })
      try {
        const status = await handle.stat()
        // A folder on the way may have been swapped for a link since.
        if (!(await isAt(handle, status, real, root))) throw new SourceError(`"${path}" is another file than it was a moment ago`)
        if (status.isDirectory()) throw new SourceError(`"${path}" is a folder, name the file in it`)
        if (!status.isFile()) throw new SourceError(`"${path}" is not a regular file`)
        allowance.take(status.size)
        const content = Buffer.alloc(status.size)
        const { bytesRead } = await handle.read(content, 0, status.size, 0)
        return content.subarray(0, bytesRead)
      } finally {
        await handle.close()
      }
    },
  }
}

/** Whether an open file is where it was looked up, or was moved since within the folder. */
async function isAt(handle: FileHandle, status: Stats, real: string, root: string): Promise<boolean> {
  const place = await readlink(`/proc/self/fd/${handle.fd}`).catch(() => undefined)
  if (place !== undefined) return place === root || place.startsWith(root + sep)
  // Where the system does not tell, whoever swaps has to do so four times at the right moments.
  const now = await stat(real).catch(() => undefined)
  return now?.ino === status.ino && now.dev === status.dev && (await realpath(real).catch(() => undefined)) === real
}

/**
 * Opens a folder that this host has written itself, without links: there is nothing to follow out of it, so that
 * reading takes less than a third of the time. What is read twice counts once.
 *
 * @throws SourceError when the folder is missing
 */
export async function openKeptFiles(folder: string, allowance: Allowance): Promise<Sources> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => {
    throw new SourceError('what was fetched is not there any more')
  })
  const paths = new Map(entries.map((entry) => [join(entry.parentPath, entry.name).slice(folder.length + 1).replaceAll(sep, '/'), entry.isFile()]))
  const read = new Map<string, Promise<Buffer>>()
  const load = async (path: string) => {
    const content = await readFile(join(folder, path))
    allowance.take(content.length)
    return content
  }
  return {
    has: async (path) => path === '.' || paths.has(path),
    hasFile: async (path) => paths.get(path) === true,
    async read(path) {
      if (paths.get(path) !== true) throw new SourceError(`"${path}" does not exist`)
      const content = read.get(path) ?? load(path)
      read.set(path, content)
      return content
    },
  }
}
