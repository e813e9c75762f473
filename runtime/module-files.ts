import { constants } from 'node:fs'
import { open, readdir, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { LentFile } from '../bridge/deno/tree.guest.ts'

/**
 * What of a module's folder its code may read by `Deno`: it goes into the isolate when the module is loaded, as text, so
 * that reading needs no host, synchronously or not. Of what is past the bytes, modules see the size and not the content.
 */
export const LEND_LIMITS = { bytes: 2 * 1024 * 1024, files: 1_000, depth: 16 } as const

const LEFT_OUT = new Set(['node_modules', '.git'])

/**
 * The regular files of a folder by their path in it. Links that lead out of it are left out, as are node_modules and
 * .git; past so many files, the rest is.
 *
 * @example await readModuleFiles('modules/polite') // { 'module.yaml': { text: 'name: polite\n…' } }
 */
export async function readModuleFiles(folder: string, limits: { bytes: number; files: number; depth: number } = LEND_LIMITS): Promise<Record<string, LentFile>> {
  const root = await realpath(folder)
  const files: Record<string, LentFile> = {}
  let left = limits.bytes
  let count = 0

  const walk = async (path: string, depth: number): Promise<void> => {
    const names = await readdir(join(root, path)).catch(() => [])
    for (const name of names.toSorted()) {
      if (count >= limits.files) return
      if (LEFT_OUT.has(name)) continue
      const child = path === '' ? name : `${path}/${name}`
      const real = await realpath(join(root, child)).catch(() => undefined)
      if (!real?.startsWith(root + sep)) continue
      // Not blocking: opening a named pipe would otherwise wait for a writer for ever.
      const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => undefined)
      if (!handle) continue
      let isFolder = false
      try {
        const status = await handle.stat()
        isFolder = status.isDirectory()
        if (!status.isFile()) continue
        count++
        if (status.size > left) {
          files[child] = { size: status.size }
          continue
        }
        const content = Buffer.alloc(status.size)
        const { bytesRead } = await handle.read(content, 0, status.size, 0)
        left -= bytesRead
        files[child] = lend(content.subarray(0, bytesRead))
      } finally {
        await handle.close()
        if (isFolder && depth < limits.depth) await walk(child, depth + 1)
      }
    }
  }
  await walk('', 0)
  return files
}

function lend(content: Buffer): LentFile {
  const text = content.toString('utf8')
  return Buffer.from(text, 'utf8').equals(content) ? { text } : { base64: content.toString('base64') }
}
