/** As much of the web's streams and events as the Deno namespace uses, which an isolate has by the time it is touched. */
export interface ByteStream extends AsyncIterable<Uint8Array> {
  getReader(): { read(): Promise<{ done: boolean; value?: Uint8Array }>; cancel(reason?: unknown): Promise<void>; releaseLock(): void }
  cancel(reason?: unknown): Promise<void>
}

interface Controller {
  enqueue(chunk: Uint8Array): void
  close(): void
  error(reason: unknown): void
  byobRequest?: unknown
}

interface Source {
  type?: 'bytes'
  autoAllocateChunkSize?: number
  start?(controller: Controller): unknown
  pull?(controller: Controller): unknown
  cancel?(reason: unknown): unknown
}

interface Sink {
  write?(chunk: Uint8Array): unknown
  close?(): unknown
  abort?(reason: unknown): unknown
}

export interface WebGlobals {
  ReadableStream: new (source: Source, strategy?: { highWaterMark: number }) => ByteStream
  WritableStream: new (sink: Sink) => object
  EventTarget: new () => object
}

export const web = globalThis as unknown as WebGlobals

/** Bytes that come one piece at a time, null at their end, as a stream that is closed by whoever ends it. */
export function readableOf(read: (into: Uint8Array) => number | null, close: () => void): ByteStream {
  return new web.ReadableStream({
    type: 'bytes',
    pull(controller) {
      const chunk = new Uint8Array(16_384)
      const count = read(chunk)
      if (count !== null) return controller.enqueue(chunk.subarray(0, count))
      close()
      controller.close()
      const { byobRequest } = controller as { byobRequest?: { respond(bytes: number): void } | null }
      byobRequest?.respond(0)
    },
    cancel: close,
  })
}

export function writableOf(write: (bytes: Uint8Array) => unknown, close: () => void): object {
  return new web.WritableStream({ write: (chunk) => void write(chunk), close, abort: close })
}
