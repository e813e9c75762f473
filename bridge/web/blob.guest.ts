import { needArguments, shapeInspection, shapeInterface, toDictionary, toText, toUSVString, viewOf } from './interface.guest.ts'
import { ReadableStream } from './streams.guest.ts'
import { utf8Decode, utf8Encode, withoutBom } from './utf8.guest.ts'

export type Bytes = Uint8Array<ArrayBuffer>
export type BlobPart = ArrayBuffer | ArrayBufferView | Blob | string
interface BlobOptions {
  type?: string
  endings?: 'transparent' | 'native'
}
interface FileOptions extends BlobOptions {
  lastModified?: number
}

const STREAM_CHUNK = 65_536

let bytesOf: (blob: Blob) => Bytes
let create: (bytes: Bytes, type: string) => Blob
let isBlob: (value: unknown) => value is Blob

/** File API, 3. Its bytes are never changed, so that slices share them. */
export class Blob {
  #bytes: Bytes
  #type: string

  static {
    bytesOf = (blob) => blob.#bytes
    isBlob = (value): value is Blob => typeof value === 'object' && value !== null && #bytes in value
    create = (bytes, type) => {
      const blob = new Blob()
      blob.#bytes = bytes
      blob.#type = type
      return blob
    }
  }

  constructor(parts: Iterable<BlobPart> | undefined = undefined, options: BlobOptions | undefined = undefined) {
    const where = "Failed to construct 'Blob'"
    const isObject = (typeof parts === 'object' && parts !== null) || typeof parts === 'function'
    if (parts !== undefined && (!isObject || typeof parts[Symbol.iterator] !== 'function')) {
      throw new TypeError(`${where}: Argument 1 can not be converted to sequence.`)
    }
    const given = parts === undefined ? [] : [...parts]
    const { endings = 'transparent', type = '' } = toDictionary<BlobOptions>(options, `${where}: Argument 2`)
    const lineEnds = toText(endings)
    if (lineEnds !== 'transparent' && lineEnds !== 'native') {
      throw new TypeError(`${where}: 'endings' of 'BlobPropertyBag' (Argument 2): The provided value '${lineEnds}' is not a valid enum value of type EndingType`)
    }
    this.#bytes = concat(given.map((part) => toBytes(part, lineEnds === 'native')))
    this.#type = normalizeType(toText(type))
  }

  get size(): number {
    return this.#bytes.length
  }

  get type(): string {
    return this.#type
  }

  slice(start: number | undefined = undefined, end: number | undefined = undefined, contentType: string | undefined = undefined): Blob {
    const size = this.#bytes.length
    const from = clampIndex(start, 0, size)
    const to = clampIndex(end, size, size)
    return create(this.#bytes.subarray(from, from > to ? from : to), normalizeType(contentType === undefined ? '' : toText(contentType)))
  }

  stream(): ReadableStream<Bytes> {
    return streamOf(this.#bytes)
  }

  textStream(): ReadableStream<string> {
    const bytes = this.#bytes
    return new ReadableStream<string>({
      start(controller) {
        if (bytes.length > 0) controller.enqueue(utf8Decode(withoutBom(bytes)))
        controller.close()
      },
    })
  }

  async text(): Promise<string> {
    return utf8Decode(withoutBom(this.#bytes))
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#bytes.slice().buffer
  }

  async bytes(): Promise<Bytes> {
    return this.#bytes.slice()
  }
}
shapeInterface(Blob)
shapeInspection(Blob, ['size', 'type'])

let createFile: (bytes: Bytes, name: string, type: string, lastModified: number) => File

/** File API, 4. */
export class File extends Blob {
  #name: string
  #lastModified: number

  static {
    createFile = (bytes, name, type, lastModified) => new File([bytes], name, { type, lastModified })
  }

  constructor(parts: Iterable<BlobPart>, name: string, options: FileOptions | undefined = undefined) {
    needArguments(arguments.length, 2, '', 'File')
    super(parts, options)
    this.#name = toUSVString(name)
    const { lastModified } = toDictionary<FileOptions>(options, "Failed to construct 'File': Argument 3")
    this.#lastModified = lastModified === undefined ? Date.now() : toLongLong(lastModified)
  }

  get name(): string {
    return this.#name
  }

  get lastModified(): number {
    return this.#lastModified
  }
}
shapeInterface(File)
shapeInspection(File, ['name', 'size', 'type'])

/** The bytes of a Blob: its own, not to be changed or given out. */
export { bytesOf as blobBytes, create as blobFrom, createFile as fileFrom, isBlob }

export function isFile(value: unknown): value is File {
  return isBlob(value) && value instanceof File
}

/** Copies of bytes as a stream that may be read into the reader's own buffer. */
export function streamOf(bytes: Bytes): ReadableStream<Bytes> {
  let at = 0
  return new ReadableStream({
    type: 'bytes',
    autoAllocateChunkSize: STREAM_CHUNK,
    pull(controller) {
      if (at < bytes.length) {
        controller.enqueue(bytes.slice(at, at + STREAM_CHUNK))
        at += STREAM_CHUNK
      }
      if (at < bytes.length) return
      controller.close()
      controller.byobRequest?.respond(0)
    },
  } as UnderlyingByteSource) as ReadableStream<Bytes>
}

interface UnderlyingByteSource {
  type: 'bytes'
  autoAllocateChunkSize: number
  pull(controller: { enqueue(chunk: Bytes): void; close(): void; byobRequest: { respond(count: number): void } | null }): void
}

export function concat(parts: readonly Bytes[]): Bytes {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function toBytes(part: BlobPart, native: boolean): Bytes {
  if (isBlob(part)) return bytesOf(part)
  const view = viewOf(part)
  if (view) return view
  const text = toUSVString(part)
  return utf8Encode(native ? text.replace(/\r\n?|\n/g, '\n') : text)
}

/** File API, 3.1: in lower case, and nothing where a character is not printable ASCII. */
function normalizeType(type: string): string {
  return /^[\x20-\x7e]*$/.test(type) ? type.toLowerCase() : ''
}

function clampIndex(value: number | undefined, otherwise: number, size: number): number {
  if (value === undefined) return otherwise
  const number = Math.min(Math.max(Number(value), -(2 ** 53 - 1)), 2 ** 53 - 1) || 0
  const index = Math.round(number) - (Math.abs(number % 1) === 0.5 && Math.round(number) % 2 !== 0 ? 1 : 0)
  return index < 0 ? Math.max(size + index, 0) : Math.min(index, size)
}

function toLongLong(value: unknown): number {
  const number = Math.trunc(Number(value))
  return Number.isFinite(number) ? number + 0 : 0
}
