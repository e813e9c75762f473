import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { Parser, type ReadEntry } from 'tar'
import { BulkheadError } from '../bridge/errors.ts'
import { type ArchiveLimits, entryNames, overLimit, refused } from './archive-names.ts'

export const MODULE_ARCHIVE: Readonly<ArchiveLimits> = Object.freeze({
  compressedBytes: 16 * 1024 * 1024,
  unpackedBytes: 32 * 1024 * 1024,
  ratio: 100,
  files: 2000,
  depth: 16,
  pathBytes: 240,
})

const FREE_OF_RATIO = 1024 * 1024
// Headers that only say more of the next entry; the parser keeps them in memory twice.
const LONGEST_EXTENSION = 64 * 1024

const WRITERS = 16
const DRAFT = '.part'
const SURELY_DEAD_MS = 3_600_000

interface ReadOptions {
  limits: Readonly<ArchiveLimits>
  /** npm leaves links out where it unpacks a package; everywhere else they are refused. */
  links?: 'refuse' | 'skip'
  packing?: 'gzip' | 'none'
}

/**
 * Unpacks a module's tar.gz into a folder that does not exist yet; where the archive holds the module in one folder,
 * that folder is left out. The archive is read whole before anything is written, and all of it takes its place at once.
 *
 * @param bytes the archive, compressed unless `packing` is `none`
 * @throws BulkheadError `INVALID` for what is no such archive, or holds links, devices, paths that lead out, or names
 * that collide on some file system, and for what is past a limit, which the details then name; `CONFLICT` where the
 * folder exists; and whatever `bytes` throws
 * @example await unpackModule(request.body, '/var/lib/bulkhead/incoming/1')
 */
export async function unpackModule(bytes: AsyncIterable<Uint8Array>, folder: string, limits = MODULE_ARCHIVE, packing: 'gzip' | 'none' = 'gzip'): Promise<void> {
  await placeFiles(withoutWrapper(await readArchive(bytes, { limits, packing })), folder)
}

/**
 * The files of a tar.gz by their paths, which are relative and plain. Throws as `unpackModule` does. All of it is held
 * in memory, which `limits.unpackedBytes` bounds: nothing of an archive is used before its last byte has been looked at.
 */
export async function readArchive(bytes: AsyncIterable<Uint8Array>, { limits, links = 'refuse', packing = 'gzip' }: ReadOptions): Promise<Map<string, Buffer>> {
  const entries = readEntries(limits, links)
  let packed = 0
  let unpacked = 0

  const checkUnpacked = (): void => {
    if (unpacked > limits.unpackedBytes) throw overLimit('unpackedBytes', limits.unpackedBytes, unpacked)
    const ratio = Math.ceil(unpacked / packed)
    if (unpacked > FREE_OF_RATIO && ratio > limits.ratio) throw overLimit('ratio', limits.ratio, ratio)
  }

  await pipeline(
    bytes,
    async function* (chunks) {
      for await (const chunk of chunks) {
        packed += chunk.length
        if (packing === 'gzip' && packed > limits.compressedBytes) throw overLimit('compressedBytes', limits.compressedBytes, packed)
        yield chunk
      }
    },
    packing === 'gzip' ? createGunzip() : new PassThrough(),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        unpacked += chunk.length
        checkUnpacked()
        entries.write(chunk)
      }
      checkUnpacked() // what has arrived by now is all of it, so the ratio is exact
    },
  ).catch((thrown: NodeJS.ErrnoException) => {
    throw thrown.code?.startsWith('Z_') ? refused('it is damaged, or not compressed by gzip') : thrown
  })
  return entries.end()
}

/** Reads the entries of a tar as its bytes are written. Both functions throw what is wrong with it. */
function readEntries(limits: ArchiveLimits, links: 'refuse' | 'skip') {
  const files = new Map<string, Buffer>()
  const names = entryNames(limits)
  const parser = new Parser({ strict: true, maxMetaEntrySize: LONGEST_EXTENSION })
  let start: Buffer | undefined = Buffer.alloc(0)
  let fault: unknown

  parser.on('entry', (entry: ReadEntry) => {
    try {
      if (fault === undefined) accept(entry)
    } catch (thrown) {
      fault = thrown
    }
  })
  parser.on('ignoredEntry', (entry: ReadEntry) => void (fault ??= odd(entry)))
  parser.on('error', (error: Error) => void (fault ??= refused(error.message)))

  function accept(entry: ReadEntry): void {
    if ((entry.type === 'Link' || entry.type === 'SymbolicLink') && links === 'skip') return void entry.resume()
    if (entry.type === 'Directory') {
      names.accept(entry.path, 'folder')
      return void entry.resume()
    }
    if (entry.type !== 'File' && entry.type !== 'OldFile' && entry.type !== 'ContiguousFile') throw odd(entry)
    const path = names.accept(entry.path, 'file')
    const chunks: Buffer[] = []
    entry.on('data', (chunk: Buffer) => void chunks.push(chunk))
    entry.on('end', () => void files.set(path, Buffer.concat(chunks)))
  }

  return {
    write(chunk: Buffer): void {
      if (start) {
        start = Buffer.concat([start, chunk])
        if (start.length < 4) return
        // The parser would unpack what is packed twice, and nobody would count that.
        if (isCompressed(start)) throw refused('it is compressed twice')
        parser.write(start)
        start = undefined
      } else {
        parser.write(chunk)
      }
      if (fault !== undefined) throw fault
    },
    end(): Map<string, Buffer> {
      if (start) throw refused('it is empty')
      parser.end()
      if (fault !== undefined) throw fault
      return files
    },
  }
}

function isCompressed(start: Buffer): boolean {
  const gzip = start[0] === 0x1f && start[1] === 0x8b
  const zstd = start.readUInt32LE() === 0xfd2fb528
  return gzip || zstd
}

function odd({ type, path }: ReadEntry): BulkheadError {
  const link = type === 'Link' || type === 'SymbolicLink'
  return refused(`${JSON.stringify(path)} is ${link ? 'a link' : 'neither a file nor a folder'}`)
}

/** Writes files into a folder that does not exist yet, which appears with all of them or not at all. */
export async function placeFiles(files: ReadonlyMap<string, Buffer>, folder: string): Promise<void> {
  const temporary = `${folder}.${randomUUID()}${DRAFT}`
  const folders = new Set([...files.keys()].map((path) => dirname(join(temporary, path))))
  try {
    await mkdir(temporary, { recursive: true })
    for (const one of folders) await mkdir(one, { recursive: true })
    const left = files.entries()
    const write = async () => {
      for (const [path, content] of left) await writeFile(join(temporary, path), content, { flag: 'wx' })
    }
    const writers = await Promise.allSettled(Array.from({ length: WRITERS }, write))
    for (const writer of writers) if (writer.status === 'rejected') throw writer.reason
    await rename(temporary, folder)
  } catch (thrown) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
    const taken = ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')
    throw taken ? new BulkheadError('CONFLICT', 'cannot unpack the archive: something is in its place', undefined, thrown) : thrown
  }
}

/** Removes what a host that was killed had begun to write into a folder, an hour ago or more. */
export async function sweepDrafts(folder: string): Promise<void> {
  const drafts = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(DRAFT)).map((name) => join(folder, name))
  for (const draft of drafts) {
    const begun = await stat(draft).then(({ mtimeMs }) => mtimeMs, () => Infinity)
    if (begun < Date.now() - SURELY_DEAD_MS) await rm(draft, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** Archives are often made of the folder, not of what is in it. */
function withoutWrapper(files: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  if (files.has('module.yaml')) return files
  const [wrapper, ...others] = new Set([...files.keys()].map((path) => path.split('/', 1)[0]))
  return others.length === 0 && files.has(`${wrapper}/module.yaml`) ? withoutFirstFolder(files) : files
}

/** The files with the first folder of each path left out; what is in no folder is left out itself. */
export function withoutFirstFolder(files: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const nested = [...files].filter(([path]) => path.includes('/'))
  return new Map(nested.map(([path, content]) => [path.slice(path.indexOf('/') + 1), content]))
}
