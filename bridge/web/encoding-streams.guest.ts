import { TextDecoder, TextEncoder } from './encoding.guest.ts'
import { shapeInspection, shapeInterface, toText } from './interface.guest.ts'
import { type ReadableStream, TransformStream, type WritableStream } from './streams.guest.ts'

// Encoding Standard, 7.5 and 7.6.

export class TextDecoderStream {
  readonly #decoder: TextDecoder
  readonly #transform: TransformStream

  constructor(label: unknown = 'utf-8', options: unknown = {}) {
    const decoder = new TextDecoder(label, options)
    this.#decoder = decoder
    this.#transform = new TransformStream<unknown, string>({
      transform(chunk, controller) {
        const text = decoder.decode(chunk as Uint8Array, { stream: true })
        if (text !== '') controller.enqueue(text)
      },
      flush(controller) {
        const text = decoder.decode()
        if (text !== '') controller.enqueue(text)
      },
    })
  }

  get encoding(): string {
    return this.#decoder.encoding
  }

  get fatal(): boolean {
    return this.#decoder.fatal
  }

  get ignoreBOM(): boolean {
    return this.#decoder.ignoreBOM
  }

  get readable(): ReadableStream {
    return this.#transform.readable
  }

  get writable(): WritableStream {
    return this.#transform.writable
  }
}
shapeInterface(TextDecoderStream)
shapeInspection(TextDecoderStream, ['encoding', 'fatal', 'ignoreBOM', 'readable', 'writable'])

export class TextEncoderStream {
  readonly #transform: TransformStream

  constructor() {
    const encoder = new TextEncoder()
    // The first half of a pair whose second half is in the next chunk.
    let high = ''
    this.#transform = new TransformStream<unknown, Uint8Array>({
      transform(chunk, controller) {
        let text = high + toText(chunk)
        high = ''
        const last = text.charCodeAt(text.length - 1)
        if (last >= 0xd800 && last < 0xdc00) {
          high = text.slice(-1)
          text = text.slice(0, -1)
        }
        if (text !== '') controller.enqueue(encoder.encode(text))
      },
      flush(controller) {
        if (high !== '') controller.enqueue(encoder.encode(high))
      },
    })
  }

  get encoding(): string {
    return this.#transform ? 'utf-8' : ''
  }

  get readable(): ReadableStream {
    return this.#transform.readable
  }

  get writable(): WritableStream {
    return this.#transform.writable
  }
}
shapeInterface(TextEncoderStream)
shapeInspection(TextEncoderStream, ['encoding', 'readable', 'writable'])
