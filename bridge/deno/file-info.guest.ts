import type { TreeNode } from './tree.guest.ts'

const BLOCK = 4096

/** What `Deno.stat` tells of a file or folder, with the names and the order that Deno has. */
export function infoOf(node: TreeNode): object {
  const { meta } = node
  const size = node.kind === 'file' ? node.size : BLOCK
  return {
    isFile: node.kind === 'file',
    isDirectory: node.kind === 'folder',
    isSymlink: false,
    size,
    mtime: new Date(meta.mtimeMs),
    atime: new Date(meta.atimeMs),
    birthtime: new Date(meta.birthtimeMs),
    ctime: new Date(meta.mtimeMs),
    dev: 1,
    ino: meta.ino,
    mode: meta.mode,
    nlink: node.kind === 'file' ? 1 : 2,
    uid: 0,
    gid: 0,
    rdev: 0,
    blksize: BLOCK,
    blocks: Math.ceil(size / 512),
    isBlockDevice: false,
    isCharDevice: false,
    isFifo: false,
    isSocket: false,
  }
}
