import { type Bytes, concat } from './blob.guest.ts'
import { cellAsk } from './cell-ask.guest.ts'
import { needArguments, shapeInspection, shapeInterface, toText, viewOf } from './interface.guest.ts'
import { type ReadableStream, TransformStream, type TransformStreamDefaultController, type WritableStream } from './streams.guest.ts'

// Compression Standard, 5 and 6: over the cell's zlib, as far at a time as its output is taken.

const FORMATS = ['deflate', 'deflate-raw', 'gzip', 'brotli']
const PIECE = 512 * 1024
let lastId = 0

function openTransform(name: string, given: number, format: unknown, unzip: boolean): TransformStream<BufferSource, Bytes> {
  needArguments(given, 1, '', name)
  const kind = toText(format)
  if (!FORMATS.includes(kind)) throw new TypeError(`Failed to construct '${name}': The provided value '${kind}' is not a valid enum value of type CompressionFormat`)
  const id = ++lastId
  const pass = async (op: 'write' | 'end', data: Bytes[], controller: TransformStreamDefaultController<Bytes>) => {
    for (let next: 'write' | 'end' | 'more' = op, more = true; more; next = 'more') {
      const { head, parts } = await cellAsk('cell.zip', { op: next, id, format: kind, unzip }, next === 'more' ? [] : data)
      const [out] = parts
      if (out && out.length > 0) controller.enqueue(out)
      ;({ more } = head as { more: boolean })
    }
  }
  const bytesOf = (chunk: BufferSource): Bytes => {
    const bytes = viewOf(chunk)
    if (!bytes) throw new TypeError(`Failed to execute 'write' on '${name}': the chunk is not a BufferSource`)
    return bytes
  }
  const write = async (bytes: Bytes, controller: TransformStreamDefaultController<Bytes>) => {
    for (let at = 0; at < bytes.length; at += PIECE) await pass('write', [bytes.subarray(at, at + PIECE)], controller)
  }
  const cancel = () => cellAsk('cell.zip', { op: 'close', id }).then(() => {})
  return new TransformStream<BufferSource, Bytes>({
    ...(unzip
      ? { transform: (chunk: BufferSource, controller) => write(bytesOf(chunk), controller), flush: (controller) => pass('end', [], controller) }
      : gathering(bytesOf, write, (bytes, controller) => pass('end', bytes, controller))),
    cancel,
  } as Transformer)
}

type Transformer = NonNullable<ConstructorParameters<typeof TransformStream<BufferSource, Bytes>>[0]>
type Write<Data> = (data: Data, controller: TransformStreamDefaultController<Bytes>) => Promise<void>

/**
 * What comes while the cell is at work goes over together, once it is done. For compression alone, which refuses no
 * input: whoever writes what cannot be decompressed is told so by that very write.
 */
function gathering(bytesOf: (chunk: BufferSource) => Bytes, write: Write<Bytes>, end: Write<Bytes[]>): Transformer {
  let held: Bytes[] = []
  let heldBytes = 0
  let working: Promise<void> | undefined
  let isEnding = false
  const takeHeld = (): Bytes => {
    const bytes = concat(held)
    held = []
    heldBytes = 0
    return bytes
  }
  const work: Write<void> = async (_, controller) => {
    try {
      while (heldBytes > 0 && !isEnding) await write(takeHeld(), controller)
    } finally {
      working = undefined
    }
  }
  return {
    async transform(chunk, controller) {
      const bytes = bytesOf(chunk)
      if (bytes.length === 0) return
      held.push(bytes.slice())
      heldBytes += bytes.length
      if (!working) {
        working = work(undefined, controller)
        working.catch((thrown: unknown) => controller.error(thrown))
      }
      if (heldBytes >= PIECE) await working
    },
    async flush(controller) {
      isEnding = true
      await working
      await end([takeHeld()], controller)
    },
  }
}

type BufferSource = ArrayBuffer | ArrayBufferView

export class CompressionStream {
  readonly #transform: TransformStream<BufferSource, Bytes>

  constructor(format: string) {
    this.#transform = openTransform('CompressionStream', arguments.length, format, false)
  }

  get readable(): ReadableStream<Bytes> {
    return this.#transform.readable
  }

  get writable(): WritableStream<BufferSource> {
    return this.#transform.writable
  }
}
shapeInterface(CompressionStream)
shapeInspection(CompressionStream, ['readable', 'writable'])

export class DecompressionStream {
  readonly #transform: TransformStream<BufferSource, Bytes>

  constructor(format: string) {
    this.#transform = openTransform('DecompressionStream', arguments.length, format, true)
  }

  get readable(): ReadableStream<Bytes> {
    return this.#transform.readable
  }

  get writable(): WritableStream<BufferSource> {
    return this.#transform.writable
  }
}
shapeInterface(DecompressionStream)
shapeInspection(DecompressionStream, ['readable', 'writable'])
