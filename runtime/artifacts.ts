import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Artifact } from './bundle.ts'

/** Where artifacts are kept without a server's folder: apart for each user, as nobody else's are to be trusted. */
export const LONE_ARTIFACTS = join(tmpdir(), `bulkhead-artifacts-${process.getuid?.() ?? 0}`)

/** An artifact with the SHA-256 of every file it was made of, by which it is known to be fresh. */
export interface KeptArtifact {
  artifact: Artifact
  digests: Record<string, string>
}

export interface ArtifactCache {
  /** What was kept under a key; undefined where nothing was, or where what is there is damaged. */
  read(key: string): Promise<KeptArtifact | undefined>
  /** Keeps an artifact in place of the key's earlier one. A disk that refuses costs a rebuild, not the module. */
  write(key: string, kept: KeptArtifact): Promise<void>
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/**
 * A folder of artifacts, one file each: the SHA-256 of what follows, a line of JSON, the code, the map. Writers never
 * touch a file that a reader may have open: they rename a finished one over it, and the last to do so wins.
 */
export function artifactCache(folder: string): ArtifactCache {
  const fileOf = (key: string) => join(folder, `${key}.artifact`)
  return {
    async read(key) {
      const content = await readFile(fileOf(key)).catch(() => undefined)
      return content && decodeArtifact(content)
    },
    async write(key, kept) {
      const temporary = `${fileOf(key)}.${randomUUID()}`
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await writeFile(temporary, encodeArtifact(kept), { flag: 'wx', mode: 0o600 })
        await rename(temporary, fileOf(key))
      } catch {
        await rm(temporary, { force: true }).catch(() => undefined)
      }
    },
  }
}

/** An artifact as bytes that say by themselves whether they are damaged. */
export function encodeArtifact({ artifact, digests }: KeptArtifact): Buffer {
  const { code, map, ...head } = artifact
  const codeBytes = Buffer.from(code)
  const line = JSON.stringify({ ...head, digests, codeBytes: codeBytes.length })
  const body = Buffer.concat([Buffer.from(`${line}\n`), codeBytes, Buffer.from(map)])
  return Buffer.concat([Buffer.from(`${sha256(body)}\n`), body])
}

/** Undefined where the bytes are damaged. */
export function decodeArtifact(content: Buffer): KeptArtifact | undefined {
  const body = content.subarray(65)
  if (content.toString('latin1', 0, 65) !== `${sha256(body)}\n`) return undefined
  const lineEnd = body.indexOf(10)
  const { digests, codeBytes, ...head } = JSON.parse(body.toString('utf8', 0, lineEnd))
  const codeEnd = lineEnd + 1 + codeBytes
  const code = body.toString('utf8', lineEnd + 1, codeEnd)
  return { artifact: { ...head, code, map: body.toString('utf8', codeEnd) }, digests }
}
