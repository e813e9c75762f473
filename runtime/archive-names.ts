import { BulkheadError } from '../bridge/errors.ts'

/** What an archive may come to. Sizes are in bytes; `depth` counts the folders around a file. */
export interface ArchiveLimits {
  compressedBytes: number
  unpackedBytes: number
  /** How many times its own size a compressed archive may unpack to, once that is over a megabyte. */
  ratio: number
  files: number
  depth: number
  /** Of one path, in bytes of UTF-8. */
  pathBytes: number
}

type Kind = 'file' | 'folder'

const LONGEST_NAME = 255
// The control characters, what separates on Windows, and what stands for bytes that are no UTF-8.
// oxlint-disable-next-line no-control-regex
const ODD = /[\u0000-\u001f\u007f\\\ufffd]/

/**
 * Judges the names of one archive, each by itself and all together: relative, plain, within the limits, and each once,
 * also on file systems that do not tell `A` from `a` or forms of the same letter apart.
 */
export function entryNames(limits: ArchiveLimits) {
  const seen = new Map<string, { path: string; kind: Kind }>()
  let entries = 0

  const claim = (path: string, kind: Kind): void => {
    const folded = path.normalize('NFC').toLowerCase()
    const earlier = seen.get(folded)
    if (!earlier) return void seen.set(folded, { path, kind })
    if (earlier.path !== path) throw refused(`"${path}" and "${earlier.path}" are the same name on some file systems`)
    if (earlier.kind !== kind) throw refused(`"${path}" is both a file and a folder`)
    if (kind === 'file') throw refused(`"${path}" is in it twice`)
  }

  return {
    /** The path as it is to be used. @throws BulkheadError `INVALID`, saying what is wrong with it */
    accept(given: string, kind: Kind): string {
      entries += 1
      if (entries > limits.files) throw overLimit('files', limits.files, entries)
      if (Buffer.byteLength(given) > limits.pathBytes) throw overLimit('pathBytes', limits.pathBytes, Buffer.byteLength(given))
      if (ODD.test(given)) throw refused(`${JSON.stringify(given)} has characters that no path may have`)
      if (given.startsWith('/')) throw refused(`"${given}" is an absolute path`)
      const names = given.replace(/^(\.\/)+/, '').replace(/\/$/, '').split('/')
      if (kind === 'folder' && names.length === 1 && (names[0] === '' || names[0] === '.')) return '.'
      if (names.includes('..')) throw refused(`"${given}" leads out of the archive`)
      if (names.some((name) => name === '' || name === '.')) throw refused(`"${given}" is not a plain path`)
      if (names.some((name) => Buffer.byteLength(name) > LONGEST_NAME)) throw refused('a name in it is over 255 bytes')
      if (names.length - 1 > limits.depth) throw overLimit('depth', limits.depth, names.length - 1)
      for (let folders = 1; folders < names.length; folders++) claim(names.slice(0, folders).join('/'), 'folder')
      claim(names.join('/'), kind)
      return names.join('/')
    },
  }
}

export function refused(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot unpack the archive: ${why}`)
}

export function overLimit(limit: keyof ArchiveLimits, value: number, used: number): BulkheadError {
  return new BulkheadError('INVALID', `cannot unpack the archive: ${LIMIT_WORDS[limit](value)}`, { limit, value, used })
}

const LIMIT_WORDS: Record<keyof ArchiveLimits, (value: number) => string> = {
  compressedBytes: (value) => `it is over ${value} bytes`,
  unpackedBytes: (value) => `it unpacks to over ${value} bytes`,
  ratio: (value) => `it unpacks to over ${value} times its size`,
  files: (value) => `it has more than ${value} files and folders`,
  depth: (value) => `its folders are over ${value} deep`,
  pathBytes: (value) => `a path in it is over ${value} bytes`,
}
