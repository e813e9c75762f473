import { gzipSync } from 'node:zlib'
import { Header, Pax } from 'tar'

/** One entry of an archive that a test makes up; names and types are written as they are, however odd. */
export interface TarEntry {
  path: string
  content?: string | Buffer
  type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'FIFO' | 'CharacterDevice' | 'BlockDevice'
  linkpath?: string
}

/** An uncompressed archive. */
export function tar(entries: Iterable<TarEntry>): Buffer {
  const blocks = [...entries].flatMap(({ path, content = '', type = 'File', linkpath }) => {
    const body = Buffer.from(content)
    const header = new Header({ path, type, size: body.length, mode: 0o644, mtime: new Date(0), ...(linkpath === undefined ? {} : { linkpath }) })
    const block = Buffer.alloc(512)
    const long = header.encode(block) // whether the path does not fit
    const more = long ? [new Pax({ path, size: body.length }).encode()] : []
    return [...more, block, body, Buffer.alloc((512 - (body.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

/** A tar.gz. */
export function tarball(entries: Iterable<TarEntry>): Buffer {
  return gzipSync(tar(entries))
}
