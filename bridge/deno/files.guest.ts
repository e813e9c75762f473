import { denoErrors, fileError } from './errors.guest.ts'
import { infoOf } from './file-info.guest.ts'
import { type FsFile, openFile, refuseWithheld, setTimes } from './fs-file.guest.ts'
import { pathText, resolvePath } from './paths.guest.ts'
import { utf8Decode, utf8Encode } from '../web/utf8.guest.ts'
import type { ByteStream } from './streams.guest.ts'
import type { FolderNode, Tree, TreeNode } from './tree.guest.ts'

type Path = unknown
type Mode = { mode?: number }
type WriteOptions = Mode & { append?: boolean; create?: boolean; createNew?: boolean; signal?: Signal }
type OpenOptions = Mode & { read?: boolean; write?: boolean; append?: boolean; truncate?: boolean; create?: boolean; createNew?: boolean }
type TempOptions = { dir?: string; prefix?: string; suffix?: string }
type Signal = { aborted: boolean; reason: unknown }

export interface FilesOptions {
  tree: Tree
  /** The module's own folder, absolute; relative paths begin there. */
  home: string
  /** Whether the module's own folder may be read. */
  mayRead(): boolean
}

const SCRATCH = '/tmp'

/** The functions of files, each synchronous: what they work on is in the isolate. */
export function openFiles({ tree, home, mayRead }: FilesOptions) {
  let lastTemp = 0

  /** A path that may be read: within /tmp, or within the module's folder. @throws NotCapable */
  const readable = (path: Path): string => {
    const full = resolvePath(path, home)
    if (isWithin(full, SCRATCH) || (isWithin(full, home) && mayRead())) return full
    throw new denoErrors.NotCapable(`Requires read access to "${pathText(path)}", a module may read its own folder and /tmp`)
  }
  const writable = (path: Path): string => {
    const full = resolvePath(path, home)
    if (isWithin(full, SCRATCH)) return full
    throw new denoErrors.NotCapable(`Requires write access to "${pathText(path)}", a module may write under /tmp`)
  }
  const existing = (full: string, doing: string): TreeNode => {
    const node = tree.find(full, doing)
    if (!node) throw fileError('ENOENT', doing)
    return node
  }
  const folderAt = (full: string, doing: string): FolderNode => {
    const node = existing(full, doing)
    if (node.kind === 'file') throw fileError('ENOTDIR', doing)
    return node
  }
  const demandWritable = (node: TreeNode, doing: string) => {
    if (!node.writable) throw fileError('EROFS', doing)
  }

  function openSync(path: Path, options: OpenOptions = { read: true }): FsFile {
    const { read = false, write = false, append = false, truncate = false, create = false, createNew = false } = options
    if (!read && !write && !append && !truncate && !create && !createNew) throw new Error("'options' requires at least one option to be true")
    if (!write && truncate) throw new Error("'truncate' option requires 'write' to be true")
    if ((create || createNew) && !(write || append)) throw new Error("'create' or 'createNew' options require 'write' or 'append' to be true")
    const doing = `open '${pathText(path)}'`
    const full = write || append ? writable(path) : readable(path)
    let node = tree.find(full, doing)
    if (node && createNew) throw fileError('EEXIST', doing)
    if (!node && (create || createNew)) {
      const { folder, name } = tree.parentOf(full, doing)
      node = tree.makeFile(folder, name, options.mode ?? 0o644)
    }
    if (!node) throw fileError('ENOENT', doing)
    if (node.kind === 'folder' && (write || append)) throw fileError('EISDIR', doing)
    if (truncate && node.kind === 'file') tree.resize(node, 0, doing)
    return openFile({ node, tree, access: { read, write: write || append, append }, path: pathText(path) })
  }

  function readFileSync(path: Path): Uint8Array {
    const doing = `readfile '${pathText(path)}'`
    const node = existing(readable(path), doing)
    if (node.kind === 'folder') throw fileError('EISDIR', doing)
    refuseWithheld(node, pathText(path))
    return node.bytes.slice(0, node.size)
  }

  function writeFileSync(path: Path, data: Uint8Array, { append = false, create = true, createNew = false, mode, signal }: WriteOptions = {}): void {
    abortIf(signal)
    const doing = `writefile '${pathText(path)}'`
    const full = writable(path)
    let node = tree.find(full, doing)
    if (node && createNew) throw fileError('EEXIST', doing)
    if (!node) {
      if (!create && !createNew) throw fileError('ENOENT', doing)
      const { folder, name } = tree.parentOf(full, doing)
      node = tree.makeFile(folder, name, mode ?? 0o644)
    }
    if (node.kind === 'folder') throw fileError('EISDIR', doing)
    const at = append ? node.size : 0
    if (!append && data.length < node.size) tree.resize(node, data.length, doing)
    else tree.resize(node, at + data.length, doing)
    node.bytes.set(data, at)
    if (mode !== undefined) node.meta.mode = 0o100000 | mode
  }

  function mkdirSync(path: Path, { recursive = false, mode = 0o755 }: Mode & { recursive?: boolean } = {}): void {
    const doing = `mkdir '${pathText(path)}'`
    const full = writable(path)
    const known = tree.find(full, doing)
    if (known && !(recursive && known.kind === 'folder')) throw fileError('EEXIST', doing)
    if (known) return
    const parts = full.split('/').filter(Boolean)
    for (let count = recursive ? 1 : parts.length; count <= parts.length; count++) {
      const part = '/' + parts.slice(0, count).join('/')
      if (tree.find(part, doing)) continue
      const { folder, name } = tree.parentOf(part, doing)
      tree.makeFolder(folder, name, mode)
    }
  }

  function removeSync(path: Path, { recursive = false }: { recursive?: boolean } = {}): void {
    const doing = `remove '${pathText(path)}'`
    const full = writable(path)
    const node = existing(full, doing)
    if (full === SCRATCH) throw fileError('EROFS', doing)
    if (node.kind === 'folder' && node.entries.size > 0 && !recursive) throw fileError('ENOTEMPTY', doing)
    const { folder, name } = tree.parentOf(full, doing)
    tree.drop(folder, name)
  }

  function renameSync(from: Path, to: Path): void {
    const doing = `rename '${pathText(from)}' -> '${pathText(to)}'`
    const source = writable(from)
    const target = writable(to)
    const node = existing(source, doing)
    if (source === target) return
    if (source === SCRATCH || isWithin(target, source)) throw fileError('EINVAL', doing)
    const held = tree.find(target, doing)
    if (held && held.kind !== node.kind) throw fileError(held.kind === 'folder' ? 'EISDIR' : 'ENOTDIR', doing)
    if (held?.kind === 'folder' && held.entries.size > 0) throw fileError('ENOTEMPTY', doing)
    const goal = tree.parentOf(target, doing)
    const origin = tree.parentOf(source, doing)
    tree.drop(goal.folder, goal.name)
    origin.folder.entries.delete(origin.name)
    goal.folder.entries.set(goal.name, node)
  }

  function copyFileSync(from: Path, to: Path): void {
    const doing = `copy '${pathText(from)}' -> '${pathText(to)}'`
    const node = existing(readable(from), doing)
    const target = writable(to)
    if (node.kind === 'folder') throw fileError('EISDIR', doing)
    refuseWithheld(node, pathText(from))
    const copy = openSync(target, { write: true, create: true, truncate: true })
    copy.writeSync(node.bytes.subarray(0, node.size))
    copy.close()
  }

  function truncateSync(path: Path, length = 0): void {
    const doing = `truncate '${pathText(path)}'`
    const node = existing(writable(path), doing)
    if (node.kind === 'folder') throw fileError('EISDIR', doing)
    tree.resize(node, Math.max(0, Math.trunc(Number(length))), doing)
  }

  function* readDirSync(path: Path): Generator<object> {
    const { entries } = folderAt(readable(path), `readdir '${pathText(path)}'`)
    for (const [name, { kind }] of [...entries]) {
      yield { name, isFile: kind === 'file', isDirectory: kind === 'folder', isSymlink: false }
    }
  }
  const listSync = (path: Path) => {
    // What is wrong is thrown when it is called, as in Deno, not at the first entry.
    const full = readable(path)
    folderAt(full, `readdir '${pathText(path)}'`)
    return readDirSync(path)
  }

  const tempPath = ({ dir = SCRATCH, prefix = '', suffix = '' }: TempOptions = {}) => {
    for (;;) {
      const path = `${dir}/${prefix}${(++lastTemp * 2654435761 % 2 ** 32).toString(16).padStart(8, '0')}${suffix}`
      if (!tree.find(writable(path), `maketemp '${path}'`)) return path
    }
  }

  return {
    openSync,
    createSync: (path: Path) => openSync(path, { read: true, write: true, truncate: true, create: true }),
    readFileSync,
    readTextFileSync: (path: Path) => utf8Decode(readFileSync(path)),
    writeFileSync,
    writeTextFileSync: (path: Path, text: string, options?: WriteOptions) => writeFileSync(path, utf8Encode(String(text)), options),
    mkdirSync,
    removeSync,
    renameSync,
    copyFileSync,
    truncateSync,
    readDirSync: listSync,
    statSync: (path: Path) => infoOf(existing(readable(path), `stat '${pathText(path)}'`)),
    lstatSync: (path: Path) => infoOf(existing(readable(path), `lstat '${pathText(path)}'`)),
    realPathSync(path: Path) {
      const full = readable(path)
      existing(full, `realpath '${pathText(path)}'`)
      return full
    },
    makeTempDirSync(options?: TempOptions) {
      const path = tempPath(options)
      mkdirSync(path, { mode: 0o700 })
      return path
    },
    makeTempFileSync(options?: TempOptions) {
      const path = tempPath(options)
      openSync(path, { write: true, createNew: true, mode: 0o600 }).close()
      return path
    },
    chmodSync(path: Path, mode: number) {
      const node = existing(writable(path), `chmod '${pathText(path)}'`)
      demandWritable(node, 'chmod')
      node.meta.mode = (node.meta.mode & ~0o7777) | (mode & 0o7777)
    },
    utimeSync(path: Path, atime: number | Date, mtime: number | Date) {
      setTimes(existing(writable(path), `utime '${pathText(path)}'`), atime, mtime)
    },
  }
}

export type Files = ReturnType<typeof openFiles>

/** Everything that comes out of a stream of bytes or text. */
export async function collect(data: ByteStream | AsyncIterable<Uint8Array | string>, signal?: Signal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of data) {
    abortIf(signal)
    const bytes = typeof chunk === 'string' ? utf8Encode(chunk) : chunk
    chunks.push(bytes)
    size += bytes.length
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

function abortIf(signal: Signal | undefined): void {
  if (signal?.aborted) throw signal.reason
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + '/')
}
