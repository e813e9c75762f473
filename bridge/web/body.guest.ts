import { Blob, blobBytes, type Bytes, concat, isBlob } from './blob.guest.ts'
import { FormData, isFormData } from './form-data.guest.ts'
import { getHeader, type HeaderList } from './headers.guest.ts'
import { toUSVString, viewOf } from './interface.guest.ts'
import { mediaType } from './media-type.guest.ts'
import { readMultipart, writeMultipart } from './multipart.guest.ts'
import { disturb, isDisturbed, ReadableStream } from './streams.guest.ts'
import { URLSearchParams } from './url.guest.ts'
import { utf8Decode, utf8Encode, withoutBom } from './utf8.guest.ts'

// Fetch, 5.2 and 5.3: bodies, and what reads them.

export type BodyInit = ReadableStream | Blob | ArrayBuffer | ArrayBufferView | FormData | URLSearchParams | AsyncIterable<unknown> | string

/** Bytes that are all there, or a stream. A stream of bytes that are there is made when somebody asks for one. */
export interface Body {
  stream(): ReadableStream<Bytes>
  /** The bytes where they are there and nobody has asked for the stream. */
  readonly bytes: Bytes | undefined
  /** Whether it was read, or a part of it. */
  readonly isUsed: boolean
  /** Whether it may not be read: it was, or somebody holds the reader. */
  readonly isUnusable: boolean
  /**
   * All of its bytes, once.
   *
   * @param own whether they are to be nobody else's
   * @throws TypeError where it may not be read
   */
  consume(own?: boolean): Promise<Bytes>
  /** Another body with the same bytes. */
  fork(): Body
  /** The body for somebody else; this one counts as read. */
  take(): Body
}

export function bodyOfBytes(given: Bytes): Body {
  return bodyOf({ bytes: given, stream: () => wholeOf(given), drain: async () => given })
}

/** What a body comes from: a stream is made of it only where somebody asks for one. */
export interface Source {
  /** Where they are all there. */
  readonly bytes?: Bytes
  stream(): ReadableStream<Bytes>
  /** Nobody else's, where they are not all there. */
  drain(): Promise<Bytes>
}

export function bodyOf(source: Source): Body {
  let stream: ReadableStream<Bytes> | undefined
  let isConsumed = false
  const streamed = () => (stream ??= isConsumed ? usedStream() : source.stream())
  return {
    stream: streamed,
    get bytes() {
      return stream || isConsumed ? undefined : source.bytes
    },
    get isUsed() {
      return stream ? isDisturbed(stream) : isConsumed
    },
    get isUnusable() {
      return stream ? stream.locked || isDisturbed(stream) : isConsumed
    },
    async consume(own = false) {
      if (stream) return drain(stream, own)
      isConsumed = true
      return own && source.bytes ? source.bytes.slice() : source.drain()
    },
    fork() {
      if (!stream && source.bytes) return bodyOf(source)
      const [own, other] = streamed().tee()
      stream = own
      return bodyOfStream(other)
    },
    take() {
      if (stream) return bodyOfStream(passedOn(stream))
      isConsumed = true
      return bodyOf(source)
    },
  }
}

/** What a stream brings, by another one; whoever holds the first finds it taken. */
function passedOn(stream: ReadableStream<Bytes>): ReadableStream<Bytes> {
  const reader = stream.getReader()
  disturb(stream)
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const { done, value } = await reader.read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

export function bodyOfStream(given: ReadableStream<Bytes>): Body {
  let stream = given
  return {
    stream: () => stream,
    bytes: undefined,
    get isUsed() {
      return isDisturbed(stream)
    },
    get isUnusable() {
      return stream.locked || isDisturbed(stream)
    },
    consume: (own = false) => drain(stream, own),
    fork() {
      const [own, other] = stream.tee()
      stream = own
      return bodyOfStream(other)
    },
    take: () => bodyOfStream(passedOn(stream)),
  }
}

/** As one chunk, and not for readers with buffers of their own, as in Deno. */
function wholeOf(bytes: Bytes): ReadableStream<Bytes> {
  return new ReadableStream<Bytes>({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes.slice())
      controller.close()
    },
  })
}

/** A stream that was read to its end, for a body whose bytes were read without one. */
function usedStream(): ReadableStream<Bytes> {
  const stream = wholeOf(new Uint8Array(0))
  void stream.getReader().cancel()
  return stream
}

async function drain(stream: ReadableStream<Bytes>, own: boolean): Promise<Bytes> {
  const reader = stream.getReader()
  const parts: Bytes[] = []
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return parts.length === 1 && !own ? (parts[0] as Bytes) : concat(parts)
    if (!((value as unknown) instanceof Uint8Array)) throw new TypeError('Cannot read body: a chunk of its stream is not a Uint8Array')
    parts.push(value)
  }
}

/** "Extract a body", and its type where it has one of its own. @throws TypeError */
export function extractBody(init: unknown): { body: Body; type: string | undefined } {
  if (init instanceof ReadableStream) {
    if (init.locked || isDisturbed(init)) throw new TypeError('Body is unusable: the stream is locked or was read')
    return { body: bodyOfStream(init as ReadableStream<Bytes>), type: undefined }
  }
  if (isBlob(init)) return { body: bodyOfBytes(blobBytes(init)), type: init.type || undefined }
  const view = viewOf(init)
  if (view) return { body: bodyOfBytes(view.slice()), type: undefined }
  if (isFormData(init)) {
    const { bytes, type } = writeMultipart(init)
    return { body: bodyOfBytes(bytes), type }
  }
  if (init instanceof URLSearchParams) return { body: bodyOfBytes(utf8Encode(String(init))), type: 'application/x-www-form-urlencoded;charset=UTF-8' }
  if (typeof init === 'object' && init !== null && Symbol.asyncIterator in init) {
    return { body: bodyOfStream(ReadableStream.from(init as AsyncIterable<Bytes>)), type: undefined }
  }
  return { body: bodyOfBytes(utf8Encode(toUSVString(init))), type: 'text/plain;charset=UTF-8' }
}

/** What Request and Response have of a body. */
export interface Bodied {
  readonly body: Body | null
  readonly headers: HeaderList
}

/** The members that both interfaces share, read from what `of` finds in an instance; it throws for anything else. */
export function bodyMembers(of: (self: unknown) => Bodied): object {
  const consume = async (self: unknown, own = false): Promise<Bytes> => {
    const { body } = of(self)
    if (!body) return new Uint8Array(0)
    if (body.isUnusable) throw new TypeError('Body already consumed.')
    return body.consume(own)
  }
  const typeOf = (self: unknown) => getHeader(of(self).headers, 'content-type')
  return {
    get body() {
      return of(this).body?.stream() ?? null
    },
    get bodyUsed() {
      return of(this).body?.isUsed ?? false
    },
    async arrayBuffer() {
      return (await consume(this, true)).buffer
    },
    async blob() {
      return new Blob([await consume(this)], { type: mediaType(typeOf(this))?.text ?? '' })
    },
    async bytes() {
      return consume(this, true)
    },
    async formData() {
      return readForm(await consume(this), typeOf(this))
    },
    async json() {
      return JSON.parse(utf8Decode(withoutBom(await consume(this)))) as unknown
    },
    async text() {
      return utf8Decode(withoutBom(await consume(this)))
    },
    textStream() {
      const bytes = (of(this).body?.stream() ?? wholeOf(new Uint8Array(0))) as ReadableStream<Bytes>
      return bytes.pipeThrough(new TextDecoderStream())
    },
  }
}

declare const TextDecoderStream: new () => { readable: ReadableStream<string>; writable: never }

function readForm(bytes: Bytes, type: string | null): FormData {
  const media = mediaType(type)
  if (media?.essence === 'multipart/form-data') {
    const boundary = media.parameters.get('boundary')
    if (boundary === undefined) throw new TypeError('Missing boundary parameter in mime type of multipart formdata.')
    return readMultipart(bytes, boundary)
  }
  if (media?.essence !== 'application/x-www-form-urlencoded') throw new TypeError('Body can not be decoded as form data')
  const form = new FormData()
  for (const [name, value] of new URLSearchParams(utf8Decode(withoutBom(bytes)))) form.append(name, value)
  return form
}
