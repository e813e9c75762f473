import { notSupported } from './errors.guest.ts'
import { utf8Decode } from '../web/utf8.guest.ts'
import { type ByteStream, readableOf, writableOf } from './streams.guest.ts'

/** Takes text as it comes, a part of a line included. */
export type WriteText = (text: string) => void

/** `Deno.stdin`, which is at its end, `Deno.stdout` and `Deno.stderr`. */
export function openStdio(out: WriteText, err: WriteText): Record<'stdin' | 'stdout' | 'stderr', object> {
  return { stdin: stdin(), stdout: writer(out), stderr: writer(err) }
}

function stdin(): object {
  let readable: ByteStream | undefined
  return {
    async read(_into: Uint8Array) {
      return null
    },
    readSync: (_into: Uint8Array) => null,
    close() {},
    get readable() {
      return (readable ??= readableOf(() => null, () => {}))
    },
    setRaw(_mode: boolean, _options: object = {}) {
      throw notSupported('Deno.stdin.setRaw', 'a module has no terminal')
    },
    isTerminal: () => false,
  }
}

function writer(write: WriteText): object {
  let writable: object | undefined
  const writeSync = (bytes: Uint8Array) => {
    write(utf8Decode(bytes))
    return bytes.length
  }
  return {
    async write(bytes: Uint8Array) {
      return writeSync(bytes)
    },
    writeSync,
    close() {},
    get writable() {
      return (writable ??= writableOf(writeSync, () => {}))
    },
    isTerminal: () => false,
  }
}
