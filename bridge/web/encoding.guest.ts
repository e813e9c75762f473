import { lazily } from './globals.guest.ts'
import { shapeInspection, shapeInterface, toDictionary, toText, viewOf } from './interface.guest.ts'
import { utf8Decode, utf8Encode, utf8EncodeInto, withoutBom } from './utf8.guest.ts'

// Encoding Standard, 7. UTF-8 is the bridge's own; the other encodings come with their tables from a chunk of theirs.

interface Decoder {
  readonly encoding: string
  decode(bytes?: Uint8Array, options?: { stream?: boolean }): string
}
interface LegacyEncodings {
  TextDecoder: new (label: string, options: { fatal: boolean; ignoreBOM: boolean }) => Decoder
}

const UTF8_LABELS = ['utf-8', 'utf8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8']
const NOTHING = new Uint8Array(0)

export class TextDecoder {
  readonly #fatal: boolean
  readonly #ignoreBOM: boolean
  readonly #legacy: Decoder | undefined
  /** The beginning of a sequence whose end is still to come. */
  #rest: Uint8Array = NOTHING
  #begun = false

  constructor(label: unknown = 'utf-8', options: unknown = {}) {
    const name = toText(label, "Failed to construct 'TextDecoder': Argument 1")
    const { fatal, ignoreBOM } = toDictionary<{ fatal: unknown; ignoreBOM: unknown }>(options, "Failed to construct 'TextDecoder': Argument 2")
    this.#fatal = !!fatal
    this.#ignoreBOM = !!ignoreBOM
    if (UTF8_LABELS.includes(name.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '').toLowerCase())) return
    try {
      this.#legacy = new (lazily('web/legacy-encodings') as unknown as LegacyEncodings).TextDecoder(name, { fatal: this.#fatal, ignoreBOM: this.#ignoreBOM })
    } catch {
      throw Object.assign(new RangeError(`The encoding label provided ('${name}') is invalid.`), { code: 'ERR_ENCODING_NOT_SUPPORTED' })
    }
  }

  get encoding(): string {
    return this.#legacy?.encoding ?? 'utf-8'
  }

  get fatal(): boolean {
    return this.#fatal
  }

  get ignoreBOM(): boolean {
    return this.#ignoreBOM
  }

  decode(input: unknown = NOTHING, options: unknown = undefined): string {
    const bytes = viewOf(input)
    if (!bytes) {
      throw Object.assign(new TypeError("Failed to execute 'decode' on 'TextDecoder': Argument 1 is not an ArrayBuffer, SharedArrayBuffer, or a view on one"), { code: 'ERR_INVALID_ARG_TYPE' })
    }
    const stream = !!toDictionary<{ stream: unknown }>(options, "Failed to execute 'decode' on 'TextDecoder': Argument 2").stream
    try {
      return this.#legacy ? this.#legacy.decode(bytes, { stream }) : this.#decodeUtf8(bytes, stream)
    } catch (thrown) {
      if (!this.#fatal) throw thrown
      this.#rest = NOTHING
      this.#begun = false
      throw Object.assign(new TypeError('The encoded data is not valid'), { code: 'ERR_ENCODING_INVALID_ENCODED_DATA' })
    }
  }

  #decodeUtf8(given: Uint8Array, stream: boolean): string {
    let bytes = given
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + given.length)
      bytes.set(this.#rest)
      bytes.set(given, this.#rest.length)
    }
    const end = stream ? bytes.length - unfinished(bytes) : bytes.length
    this.#rest = end < bytes.length ? bytes.slice(end) : NOTHING
    let whole = end < bytes.length ? bytes.subarray(0, end) : bytes
    // A mark at the beginning is none of the text.
    if (whole.length > 0 && !this.#begun && !this.#ignoreBOM) whole = withoutBom(whole)
    this.#begun = stream && (this.#begun || end > 0)
    return utf8Decode(whole, this.#fatal ? refuse : undefined)
  }
}
shapeInterface(TextDecoder)
shapeInspection(TextDecoder, ['encoding', 'fatal', 'ignoreBOM'])
Object.defineProperty(TextDecoder.prototype.decode, 'length', { value: 0 })

function refuse(): never {
  throw new TypeError('The encoded data is not valid')
}

/** How many bytes at the end begin a sequence that may still be completed. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] as number
    if (byte < 0x80) return 0
    if (byte < 0xc0) continue
    const size = byte >= 0xc2 && byte < 0xe0 ? 2 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xf0 && byte < 0xf5 ? 4 : 0
    if (size <= back) return 0
    const next = bytes[bytes.length - back + 1]
    if (next === undefined) return back
    const lower = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80
    const upper = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf
    return next >= lower && next <= upper ? back : 0
  }
  return 0
}

export class TextEncoder {
  readonly #brand = true

  get encoding(): string {
    if (!this.#brand) throw new TypeError('Illegal invocation')
    return 'utf-8'
  }

  encode(input: unknown = ''): Uint8Array {
    if (!this.#brand) throw new TypeError('Illegal invocation')
    return utf8Encode(toText(input, "Failed to execute 'encode' on 'TextEncoder': Argument 1"))
  }

  encodeInto(source: unknown, destination: unknown): { read: number; written: number } {
    if (!this.#brand) throw new TypeError('Illegal invocation')
    if (!(destination instanceof Uint8Array)) throw new TypeError("Failed to execute 'encodeInto' on 'TextEncoder': Argument 2 is not an Uint8Array object")
    return utf8EncodeInto(toText(source, "Failed to execute 'encodeInto' on 'TextEncoder': Argument 1"), destination)
  }
}
shapeInterface(TextEncoder)
shapeInspection(TextEncoder, ['encoding'])
Object.defineProperty(TextEncoder.prototype.encode, 'length', { value: 0 })
