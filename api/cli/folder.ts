import { basename } from 'node:path'
import { create } from 'tar'

/** What belongs to whoever works on a module, and not to the module. */
const LEFT_OUT = new Set(['node_modules', '.git', '.DS_Store'])

/** A module's folder as the tar.gz that the server takes. */
export function packed(folder: string): AsyncIterable<Uint8Array> {
  return create({ cwd: folder, gzip: true, portable: true, noMtime: true, filter: (path) => !LEFT_OUT.has(basename(path)) }, ['.'])
}
