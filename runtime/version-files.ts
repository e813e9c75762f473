import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { BulkheadError } from '../bridge/errors.ts'
import { MODULE_ARCHIVE } from './archive.ts'
import { sha256 } from './artifacts.ts'
import { createNamedTurns } from './named-turns.ts'
import { openSources, SourceError } from './sources.ts'
import type { VersionContent, VersionFile } from './store/version-rows.ts'

/** The files of one version of a module, by their paths. */
export interface ModuleFiles {
  /** SHA-256 of paths and contents, in hexadecimal: by it two versions are the same. */
  hash: string
  list: VersionFile[]
  contents: ReadonlyMap<string, Buffer>
}

/** Those of an unpacked archive: what may come in may be kept. */
const LIMITS = { bytes: MODULE_ARCHIVE.unpackedBytes, files: MODULE_ARCHIVE.files }
const zip = promisify(gzip)
const unzip = promisify(gunzip)

/**
 * Reads all that belongs to a module in a folder: every file but for what begins with a dot, and what package managers
 * put there, as nothing in it is part of a bundle.
 *
 * @throws SourceError for what leads out of the folder, is no file, or is past 32 MiB, 2,000 files or 16 levels
 * @example (await readModuleFiles('modules/pii-filter')).hash // '5e88…'
 */
export async function readModuleFiles(folder: string): Promise<ModuleFiles> {
  const sources = await openSources(folder, LIMITS)
  const contents = new Map<string, Buffer>()
  const paths: string[] = []
  await walk(folder, '', paths)
  for (const path of paths.toSorted()) contents.set(path, await sources.read(path))
  return describeFiles(contents)
}

export function describeFiles(contents: ReadonlyMap<string, Buffer>): ModuleFiles {
  const list = [...contents].map(([path, content]) => ({ path, bytes: content.length, hash: sha256(content) }))
  return { hash: sha256(JSON.stringify(list.map(({ path, hash }) => [path, hash]))), list, contents }
}

async function walk(root: string, under: string, paths: string[], depth = 0): Promise<void> {
  if (depth > MODULE_ARCHIVE.depth) throw new SourceError(`the module's folders are nested deeper than ${MODULE_ARCHIVE.depth}`)
  const children = await readdir(join(root, under), { withFileTypes: true }).catch(() => {
    throw new BulkheadError('CONFLICT', 'cannot read the module, its files change while they are read')
  })
  for (const child of children) {
    if (child.name.startsWith('.') || child.name === 'node_modules') continue
    const path = under === '' ? child.name : `${under}/${child.name}`
    if (child.isDirectory()) await walk(root, path, paths, depth + 1)
    else paths.push(path)
    if (paths.length > LIMITS.files) throw new SourceError(`the module has too many files, the limit is ${LIMITS.files}`)
  }
}

/** All contents in one, compressed, in the order of the list. */
export function packFiles({ list, contents }: ModuleFiles): Promise<Buffer> {
  return zip(Buffer.concat(list.map(({ path }) => contents.get(path)!)))
}

/** @throws where what was kept is damaged */
export async function unpackFiles({ files, content, hash }: Pick<VersionContent, 'files' | 'content' | 'hash'>): Promise<ModuleFiles> {
  const all = await unzip(content, { maxOutputLength: LIMITS.bytes + 1 })
  const contents = new Map<string, Buffer>()
  let at = 0
  for (const { path, bytes } of files) contents.set(path, all.subarray(at, (at += bytes)))
  const unpacked = describeFiles(contents)
  if (unpacked.hash !== hash) throw new Error('the files of the version are not those that were kept')
  return unpacked
}

/** Two that clear the same folder away at once would each meet what the other has put there. */
const turns = createNamedTurns()

/** Lays files out in a folder that is there whole or not at all; one that is there and holds them is left as it is. */
export function layOut(files: ModuleFiles, folder: string): Promise<void> {
  return turns.take(folder, () => replace(files, folder))
}

async function replace(files: ModuleFiles, folder: string): Promise<void> {
  const there = await readModuleFiles(folder).catch(() => undefined)
  if (there?.hash === files.hash) return
  const draft = `${folder}.${randomUUID()}`
  try {
    for (const [path, content] of files.contents) {
      const file = join(draft, path)
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await writeFile(file, content, { mode: 0o600 })
    }
    await rm(folder, { recursive: true, force: true })
    await rename(draft, folder)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}
