import { denoErrors, fileError, notSupported } from './errors.guest.ts'
import { infoOf } from './file-info.guest.ts'
import { readableOf, writableOf } from './streams.guest.ts'
import type { FileNode, FolderNode, Tree } from './tree.guest.ts'

export const SeekMode = Object.freeze({ 0: 'Start', 1: 'Current', 2: 'End', Start: 0, Current: 1, End: 2 })

export interface Access {
  read: boolean
  write: boolean
  append: boolean
}

interface Opened {
  node: FileNode | FolderNode
  tree: Tree
  access: Access
  path: string
  at: number
  closed: boolean
  streams: { readable?: object; writable?: object }
}

const opened = new WeakMap<FsFile, Opened>()
const PROOF = Symbol('made by open')

/** An open file. Its asynchronous methods are done when they return: the bytes are in the isolate. */
export class FsFile {
  constructor(proof: unknown, made: unknown) {
    if (proof !== PROOF) throw new TypeError('`Deno.FsFile` cannot be constructed, use `Deno.open()` or `Deno.openSync()` instead')
    opened.set(this, made as Opened)
  }
  async write(bytes: Uint8Array): Promise<number> {
    return this.writeSync(bytes)
  }
  writeSync(bytes: Uint8Array): number {
    const file = stateOf(this)
    const node = contentOf(file)
    if (!file.access.write || !node.writable) throw fileError('EBADF', '')
    if (file.access.append) file.at = node.size
    const end = file.at + bytes.length
    if (end > node.size) file.tree.resize(node, end, `write '${file.path}'`)
    node.bytes.set(bytes, file.at)
    node.meta.mtimeMs = Date.now()
    file.at = end
    return bytes.length
  }
  async truncate(length = 0): Promise<void> {
    this.truncateSync(length)
  }
  truncateSync(length = 0): void {
    const file = stateOf(this)
    const node = contentOf(file)
    if (!file.access.write || !node.writable) throw fileError('EINVAL', '')
    file.tree.resize(node, length, `truncate '${file.path}'`)
  }
  async read(into: Uint8Array): Promise<number | null> {
    return this.readSync(into)
  }
  readSync(into: Uint8Array): number | null {
    const file = stateOf(this)
    const node = contentOf(file)
    if (!file.access.read) throw fileError('EBADF', '')
    if (into.length === 0) return 0
    const count = Math.min(into.length, node.size - file.at)
    if (count <= 0) return null
    into.set(node.bytes.subarray(file.at, file.at + count))
    file.at += count
    return count
  }
  async seek(offset: number | bigint, whence: number): Promise<number> {
    return this.seekSync(offset, whence)
  }
  seekSync(offset: number | bigint, whence: number): number {
    const file = stateOf(this)
    const from = whence === SeekMode.Start ? 0 : whence === SeekMode.Current ? file.at : whence === SeekMode.End ? contentOf(file).size : NaN
    if (Number.isNaN(from)) throw new TypeError(`Invalid seek mode: ${whence}`)
    const at = from + Number(offset)
    if (!(at >= 0)) throw fileError('EINVAL', '')
    file.at = at
    return at
  }
  async stat(): Promise<object> {
    return this.statSync()
  }
  statSync(): object {
    return infoOf(stateOf(this).node)
  }
  async syncData(): Promise<void> {
    stateOf(this)
  }
  syncDataSync(): void {
    stateOf(this)
  }
  close(): void {
    stateOf(this).closed = true
  }
  get readable(): object {
    const { streams } = stateOf(this)
    return (streams.readable ??= readableOf((into) => this.readSync(into), () => this[Symbol.dispose]()))
  }
  get writable(): object {
    const { streams } = stateOf(this)
    return (streams.writable ??= writableOf((bytes) => this.writeSync(bytes), () => this[Symbol.dispose]()))
  }
  async sync(): Promise<void> {
    stateOf(this)
  }
  syncSync(): void {
    stateOf(this)
  }
  async utime(atime: number | Date, mtime: number | Date): Promise<void> {
    this.utimeSync(atime, mtime)
  }
  utimeSync(atime: number | Date, mtime: number | Date): void {
    const { node } = stateOf(this)
    if (!node.writable) throw fileError('EROFS', '')
    setTimes(node, atime, mtime)
  }
  isTerminal(): boolean {
    stateOf(this)
    return false
  }
  setRaw(_mode: boolean, _options: object = {}): void {
    throw notSupported('Deno.FsFile.setRaw', 'a module has no terminal')
  }
  // Nobody else has the file: each isolate has a /tmp of its own.
  lockSync(_exclusive = false): void {
    stateOf(this)
  }
  async lock(_exclusive = false): Promise<void> {
    stateOf(this)
  }
  tryLockSync(_exclusive = false): boolean {
    stateOf(this)
    return true
  }
  async tryLock(_exclusive = false): Promise<boolean> {
    stateOf(this)
    return true
  }
  unlockSync(): void {
    stateOf(this)
  }
  async unlock(): Promise<void> {
    stateOf(this)
  }
  [Symbol.dispose](): void {
    const file = opened.get(this)
    if (file) file.closed = true
  }
}

export function openFile(made: Pick<Opened, 'node' | 'tree' | 'access' | 'path'>): FsFile {
  return new FsFile(PROOF, { ...made, at: 0, closed: false, streams: {} } satisfies Opened)
}

export function setTimes(node: FileNode | FolderNode, atime: number | Date, mtime: number | Date): void {
  node.meta.atimeMs = timeOf(atime)
  node.meta.mtimeMs = timeOf(mtime)
}

function timeOf(time: number | Date): number {
  return time instanceof Date ? time.getTime() : time * 1000
}

function stateOf(file: FsFile): Opened {
  const state = opened.get(file)
  if (!state) throw new TypeError('Illegal invocation')
  if (state.closed) throw new denoErrors.BadResource('Bad resource ID')
  return state
}

function contentOf({ node, path }: Opened): FileNode {
  if (node.kind === 'folder') throw fileError('EISDIR', '')
  refuseWithheld(node, path)
  return node
}

/** @throws NotSupported for a file of the module's folder that was too large to be lent */
export function refuseWithheld({ withheld, size }: FileNode, path: string): void {
  if (withheld) throw notSupported(`the file ${path}`, `its ${size} bytes and those of the others are more than a module's folder lends`)
}
