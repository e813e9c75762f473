import { fromBase64 } from '../base64.guest.ts'
import { fileError } from './errors.guest.ts'
import { utf8Encode } from '../web/utf8.guest.ts'

/** What a module may keep under /tmp: bytes of all files together, and files and folders. They are in the isolate's own memory. */
export const SCRATCH_LIMITS = { bytes: 16 * 1024 * 1024, entries: 1_000 } as const

/** One file of the module's folder as the host lends it; without content where all together are too large to be lent. */
export type LentFile = { text: string } | { base64: string } | { size: number }

export interface FileNode {
  readonly kind: 'file'
  /** As many of them as `size` says hold content. */
  bytes: Uint8Array
  size: number
  readonly writable: boolean
  /** It is listed, but not lent. */
  readonly withheld: boolean
  meta: Meta
}

export interface FolderNode {
  readonly kind: 'folder'
  readonly entries: Map<string, FileNode | FolderNode>
  readonly writable: boolean
  meta: Meta
}

export type TreeNode = FileNode | FolderNode

interface Meta {
  ino: number
  mode: number
  mtimeMs: number
  atimeMs: number
  birthtimeMs: number
}

/** The two folders that a module sees: its own, which it may read, and /tmp, which is its own as well. */
export interface Tree {
  /** Of a path without `.` and `..`; undefined where there is nothing. @throws NotADirectory */
  find(path: string, doing: string): TreeNode | undefined
  /** The folder that a path's last part is or would be in, and that part. @throws NotFound, NotADirectory */
  parentOf(path: string, doing: string): { folder: FolderNode; name: string }
  makeFile(folder: FolderNode, name: string, mode: number): FileNode
  makeFolder(folder: FolderNode, name: string, mode: number): FolderNode
  /** Takes out what is in a folder by that name, and all below it. */
  drop(folder: FolderNode, name: string): void
  /** Makes room for so many bytes. @throws ENOSPC past the limit */
  resize(file: FileNode, size: number, doing: string): void
}

/**
 * @param home the module's own folder, absolute
 * @param lent its files by their path in it
 */
export function openTree(home: string, lent: () => Record<string, LentFile>, limits = SCRATCH_LIMITS): Tree {
  const own = partsOf(home)
  let lastIno = 0
  let usedBytes = 0
  let usedEntries = 0
  const metaOf = (mode: number): Meta => {
    const now = Date.now()
    return { ino: ++lastIno, mode, mtimeMs: now, atimeMs: now, birthtimeMs: now }
  }
  const folderOf = (writable: boolean): FolderNode => ({ kind: 'folder', entries: new Map(), writable, meta: metaOf(writable ? 0o40755 : 0o40555) })

  const root = folderOf(false)
  root.entries.set('tmp', folderOf(true))
  let isFilled = false
  /** Reads what was lent when somebody first looks. */
  const fill = () => {
    isFilled = true
    let at = root
    const down = (name: string) => {
      const known = at.entries.get(name)
      if (known?.kind === 'folder') return void (at = known)
      const made = folderOf(false)
      at.entries.set(name, made)
      at = made
    }
    own.forEach(down)
    for (const [path, file] of Object.entries(lent())) {
      at = root
      own.forEach(down)
      const parts = path.split('/')
      const name = parts.pop() as string
      parts.forEach(down)
      const bytes = bytesOf(file)
      at.entries.set(name, {
        kind: 'file',
        bytes: bytes ?? new Uint8Array(),
        size: 'size' in file ? file.size : (bytes?.length ?? 0),
        writable: false,
        withheld: bytes === undefined,
        meta: metaOf(0o100444),
      })
    }
  }

  function walk(parts: readonly string[], doing: string): TreeNode | undefined {
    if (!isFilled && parts[0] === own[0]) fill()
    let node: TreeNode | undefined = root
    for (const part of parts) {
      if (node?.kind === 'file') throw fileError('ENOTDIR', doing)
      node = node?.entries.get(part)
      if (!node) return undefined
    }
    return node
  }

  const take = () => {
    if (++usedEntries <= limits.entries) return
    usedEntries--
    throw fileError('ENOSPC', `${limits.entries} files and folders may be kept under /tmp`)
  }

  const tree: Tree = {
    find: (path, doing) => walk(partsOf(path), doing),
    parentOf(path, doing) {
      const parts = partsOf(path)
      const name = parts.pop()
      const folder = walk(parts, doing)
      if (!folder || name === undefined) throw fileError('ENOENT', doing)
      if (folder.kind === 'file') throw fileError('ENOTDIR', doing)
      return { folder, name }
    },
    makeFile(folder, name, mode) {
      take()
      const file: FileNode = { kind: 'file', bytes: new Uint8Array(), size: 0, writable: true, withheld: false, meta: metaOf(0o100000 | mode) }
      folder.entries.set(name, file)
      folder.meta.mtimeMs = Date.now()
      return file
    },
    makeFolder(folder, name, mode) {
      take()
      const made: FolderNode = { kind: 'folder', entries: new Map(), writable: true, meta: metaOf(0o40000 | mode) }
      folder.entries.set(name, made)
      folder.meta.mtimeMs = Date.now()
      return made
    },
    drop(folder, name) {
      const node = folder.entries.get(name)
      if (!node) return
      folder.entries.delete(name)
      folder.meta.mtimeMs = Date.now()
      const release = (gone: TreeNode) => {
        usedEntries--
        if (gone.kind === 'folder') return gone.entries.forEach(release)
        usedBytes -= gone.bytes.length
        // One that is still open goes on in a copy of its own, which counts again when it grows.
        gone.bytes = gone.bytes.slice(0, gone.size)
      }
      release(node)
    },
    resize(file, size, doing) {
      if (size > file.bytes.length) {
        const room = Math.max(size, Math.min(file.bytes.length * 2, limits.bytes - usedBytes))
        const grown = room - file.bytes.length
        if (usedBytes + grown > limits.bytes) throw fileError('ENOSPC', `${doing}, ${limits.bytes} bytes may be kept under /tmp`)
        usedBytes += grown
        const bytes = new Uint8Array(room)
        bytes.set(file.bytes.subarray(0, file.size))
        file.bytes = bytes
      } else if (size < file.size) {
        const bytes = file.bytes.slice(0, size)
        usedBytes -= file.bytes.length - bytes.length
        file.bytes = bytes
      }
      file.size = size
      file.meta.mtimeMs = Date.now()
    },
  }
  return tree
}

function bytesOf(file: LentFile): Uint8Array | undefined {
  if ('text' in file) return utf8Encode(file.text)
  return 'base64' in file ? fromBase64(file.base64) : undefined
}

function partsOf(path: string): string[] {
  return path.split('/').filter(Boolean)
}

