import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { CELL_CAPS } from '../../bridge/cell-calls.ts'

/** What comes out at a time: for each piece a thread of the pool is sent off and comes back. */
const SIZES = { chunkSize: 64 * 1024, highWaterMark: 128 * 1024 }

const MAKERS: Readonly<Record<string, { zip: () => Zlib; unzip: () => Zlib }>> = {
  gzip: { zip: () => zlib.createGzip(SIZES), unzip: () => zlib.createGunzip(SIZES) },
  deflate: { zip: () => zlib.createDeflate(SIZES), unzip: () => zlib.createInflate(SIZES) },
  'deflate-raw': { zip: () => zlib.createDeflateRaw(SIZES), unzip: () => zlib.createInflateRaw(SIZES) },
  // The quality that Deno compresses with; the best one takes twenty times as long.
  brotli: { zip: () => zlib.createBrotliCompress({ ...SIZES, params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 6 } }), unzip: () => zlib.createBrotliDecompress(SIZES) },
}

type Zlib = Transform & { bytesWritten: number }

interface Order {
  op: 'write' | 'end' | 'more' | 'close'
  id: number
  format: string
  unzip: boolean
}

interface Zip {
  stream: Zlib
  /** Whether what was given is still being worked on. */
  busy: boolean
  /** Called when it is not any more. */
  onIdle?: (() => void) | undefined
  given: number
}

/** Compression and decompression of one module, a stream at a time and no further than its output is taken. */
export function openZips() {
  const zips = new Map<string, Zip>()

  const open = (id: string, { format, unzip }: Order): Zip => {
    const makers = Object.hasOwn(MAKERS, format) ? MAKERS[format] : undefined
    if (!makers) throw new TypeError('no such format')
    const zip: Zip = { stream: unzip ? makers.unzip() : makers.zip(), busy: false, given: 0 }
    zip.stream.on('error', () => {}) // whoever collects is told
    zips.set(id, zip)
    const [oldest] = zips.keys()
    if (zips.size > CELL_CAPS.streams && oldest !== undefined) close(oldest)
    return zip
  }
  const close = (id: string): void => {
    zips.get(id)?.stream.destroy()
    zips.delete(id)
  }
  const settled = (zip: Zip) => () => {
    zip.busy = false
    zip.onIdle?.()
  }

  return {
    /**
     * Takes bytes in, or says that there are no more, and gives what comes of it: `more` where that is not all yet.
     *
     * @param realm whose numbers its streams have
     */
    async run(realm: number, order: unknown, [data]: Buffer[]): Promise<{ head: { more: boolean }; bytes: Uint8Array }> {
      const { op, unzip } = order as Order
      const id = `${realm} ${(order as Order).id}`
      if (op === 'close') {
        close(id)
        return { head: { more: false }, bytes: new Uint8Array() }
      }
      const known = zips.get(id)
      if (!known && op === 'more') throw new TypeError('the stream was given up')
      const zip = known ?? open(id, order as Order)
      try {
        if (op !== 'more') {
          if (zip.stream.readableEnded) throw new TypeError('there is more input after the end of what was compressed')
          zip.busy = true
          zip.given += data?.length ?? 0
          if (op === 'write') zip.stream.write(data, settled(zip))
          else zip.stream.end(data, settled(zip))
        }
        const out = await collect(zip)
        if (!out.more && unzip && zip.stream.readableEnded && zip.stream.bytesWritten < zip.given) throw new TypeError('there is more input after the end of what was compressed')
        if (!out.more && op === 'end') close(id)
        return { head: { more: out.more }, bytes: out.bytes }
      } catch (thrown) {
        close(id)
        throw thrown instanceof TypeError ? thrown : new TypeError(`the input is not what was compressed (${(thrown as Error).message})`)
      }
    },
    /** Gives up the streams of a realm, or all. */
    close(realm?: number) {
      for (const id of zips.keys()) if (realm === undefined || id.startsWith(`${realm} `)) close(id)
    },
  }
}

async function collect(zip: Zip): Promise<{ bytes: Buffer; more: boolean }> {
  const { stream } = zip
  const parts: Buffer[] = []
  let length = 0
  for (;;) {
    if (stream.errored) throw stream.errored
    const wanted = Math.min(stream.readableLength, CELL_CAPS.outBytes - length)
    const part = wanted > 0 ? (stream.read(wanted) as Buffer | null) : null
    if (part) {
      parts.push(part)
      length += part.length
      if (length >= CELL_CAPS.outBytes) return { bytes: Buffer.concat(parts), more: true }
    } else if (stream.readableEnded || stream.destroyed || (!zip.busy && !stream.writableEnded)) return { bytes: Buffer.concat(parts), more: false }
    else await moved(zip)
  }
}

/** Resolves when there is more to read, or nothing more to wait for. */
function moved(zip: Zip): Promise<void> {
  const { stream } = zip
  return new Promise((done) => {
    const events = ['readable', 'drain', 'end', 'error', 'close']
    let turn: NodeJS.Immediate | undefined
    const settle = () => {
      clearImmediate(turn)
      zip.onIdle = undefined
      for (const event of events) stream.off(event, settle)
      done()
    }
    for (const event of events) stream.on(event, settle)
    stream.read(0)
    // A write that brings nothing out tells its end by its callback alone.
    if (zip.busy) zip.onIdle = settle
    else turn = setImmediate(settle)
  })
}
