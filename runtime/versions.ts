import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { decodeArtifact, encodeArtifact } from './artifacts.ts'
import { BUILT_WITH, type Artifact } from './bundle.ts'
import type { Manifest } from './manifest.ts'
import type { Head, HeadChange, Origin, VersionRows } from './store/version-rows.ts'
import { layOut, type ModuleFiles, packFiles, unpackFiles } from './version-files.ts'
import { BulkheadError } from '../bridge/errors.ts'

/** What is to be kept of a version. */
export interface Keepsake {
  manifest: Manifest
  files: ModuleFiles
  artifact: Artifact
  origin: Origin
  by: string
}

/** A version on this host's disk. */
export interface LaidOut {
  number: number
  hash: string
  folder: string
  /** Undefined where it was made by another Bulkhead, or is damaged: it has to be made anew from the files. */
  artifact: Artifact | undefined
}

/** The versions of modules: in the database, from where each host takes those it runs. */
export interface Versions extends Pick<VersionRows, 'list' | 'find' | 'drop'> {
  /** As every host has decided, a moment ago. */
  heads(): Iterable<Head>
  head(module: string): Head | undefined
  /** Reads the heads where one has changed. */
  refresh(): Promise<void>
  /** The same. @returns the modules whose heads have changed since it was asked last */
  catchUp(): Promise<string[]>
  keep(version: Keepsake): Promise<{ number: number; isNew: boolean }>
  change(module: string, change: HeadChange, by: string): Promise<void>
  remove(module: string): Promise<void>
  /** Lays a version out on the disk. @throws NOT_FOUND */
  open(module: string, number: number): Promise<LaidOut>
  /** Lays files out where a version with them is. @returns the folder */
  layOut(module: string, files: ModuleFiles): Promise<string>
  /** Takes away what was laid out: all of a module that is gone, or files that are those of no version. */
  clear(module: string, hash?: string): Promise<void>
  /** Where a version with such files is laid out. */
  folderOf(module: string, hash: string): string
}

/**
 * Versions that are kept of each module: as many as somebody may want to go back to, or compare with, after a day of
 * saves; each is a row of up to some megabytes. The one that runs and the one that waits are kept besides.
 */
const KEPT = 20
/** What was laid out longer ago than that, and does not run, is taken away at the next start. */
const UNUSED_MS = 3_600_000
const zip = promisify(gzip)
const unzip = promisify(gunzip)

/** What cannot be taken away now, as somebody is at it, is overwritten when it is laid out again. */
async function clean(place: string): Promise<void> {
  await rm(place, { recursive: true, force: true, maxRetries: 5 }).catch(() => {})
}

/** @param folder where versions are laid out; what is in there can be made again */
export async function openVersions(rows: VersionRows, folder: string): Promise<Versions> {
  let heads = new Map<string, Head>()
  let stamp = ''
  const changed = new Set<string>()
  let reading: Promise<unknown> = Promise.resolve()
  const folderOf = (module: string, hash: string) => join(folder, module, hash.slice(0, 32))

  /** One after the other: what was read earlier must not take the place of what was read later. */
  function read(): Promise<void> {
    const next = reading.then(readNow, readNow)
    reading = next
    return next
  }

  async function readNow(): Promise<void> {
    const latest = await rows.stamp()
    if (latest === stamp) return
    const before = heads
    heads = new Map((await rows.heads()).map((head) => [head.module, head]))
    stamp = latest
    for (const name of new Set([...before.keys(), ...heads.keys()])) {
      if (JSON.stringify(before.get(name)) !== JSON.stringify(heads.get(name))) changed.add(name)
    }
  }

  async function encode(artifact: Artifact): Promise<Buffer> {
    return zip(encodeArtifact({ artifact, digests: {} }))
  }

  /** Other hosts drop versions that were laid out here. Whoever shares the folder may be at a new one. */
  async function tidy(): Promise<void> {
    for (const module of await readdir(folder).catch(() => [])) {
      for (const child of await readdir(join(folder, module)).catch(() => [])) {
        const place = join(folder, module, child)
        const made = await stat(place).then(({ mtimeMs }) => mtimeMs, () => Date.now())
        const isRunning = place === folderOf(module, heads.get(module)?.hash ?? '')
        if (!isRunning && Date.now() - made > UNUSED_MS) await clean(place)
      }
    }
  }

  await read()
  await tidy()
  return {
    heads: () => heads.values(),
    head: (module) => heads.get(module),
    refresh: read,
    async catchUp() {
      await read()
      const names = [...changed]
      changed.clear()
      return names
    },
    list: rows.list,
    find: rows.find,
    drop: rows.drop,
    async keep({ manifest, files, artifact, origin, by }) {
      const { name: module, version } = manifest
      const { hash } = files
      const known = await rows.find(module, { hash })
      if (known) return { number: known.number, isNew: false }
      const [content, packed] = await Promise.all([packFiles(files), encode(artifact)])
      const codeBytes = Buffer.byteLength(artifact.code)
      return rows.keep({ module, version, hash, manifest, files: files.list, codeBytes, content, artifact: packed, builtWith: BUILT_WITH, origin, createdBy: by })
    },
    async change(module, change, by) {
      const dropped = await rows.change(module, change, by, KEPT)
      await read()
      for (const hash of dropped) await clean(folderOf(module, hash))
    },
    async remove(module) {
      await rows.remove(module)
      await read()
      await clean(join(folder, module))
    },
    async open(module, number) {
      const found = await rows.content(module, number)
      if (!found) throw new BulkheadError('NOT_FOUND', `${module} has no version ${number}, or it is not kept any more`)
      const place = folderOf(module, found.hash)
      await layOut(await unpackFiles(found), place)
      const bytes = found.builtWith === BUILT_WITH ? await unzip(found.artifact).catch(() => undefined) : undefined
      const artifact = bytes && decodeArtifact(bytes)?.artifact
      return { number, hash: found.hash, folder: place, artifact }
    },
    async layOut(module, files) {
      const place = folderOf(module, files.hash)
      await layOut(files, place)
      return place
    },
    async clear(module, hash) {
      if (hash === undefined) await clean(join(folder, module))
      else if (!(await rows.find(module, { hash }))) await clean(folderOf(module, hash))
    },
    folderOf,
  }
}
