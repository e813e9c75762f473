import { cellAsk } from './cell-ask.guest.ts'
import { CryptoKey, isKey, keyFrom, type KeyText, keyText } from './crypto-key.guest.ts'
import { DOMException } from './dom-exception.guest.ts'
import { illegal, needArguments, shapeInspection, shapeInterface, toText, viewOf } from './interface.guest.ts'
import { fromBase64, toBase64 } from './native-base64.guest.ts'
import { uuid } from './object-url.guest.ts'
import { fillRandom } from './random.guest.ts'

// Web Cryptography, 10 and 14. The algorithms are the cell's, which is given the keys with each call and keeps none.

const OWN = Symbol()
type Bytes = Uint8Array<ArrayBuffer>
type Algorithm = string | { name: string }

/** Members of the dictionaries of all algorithms; nothing else of what a module gives goes over. */
const MEMBERS = [
  'name', 'hash', 'length', 'iv', 'additionalData', 'tagLength', 'counter', 'label', 'saltLength', 'salt', 'info', 'iterations',
  'namedCurve', 'modulusLength', 'publicExponent', 'public', 'context', 'outputLength', 'functionName', 'customization',
] as const
const KEY_FORMATS = ['raw', 'pkcs8', 'spki', 'jwk', 'raw-secret', 'raw-public', 'raw-seed']

export class SubtleCrypto {
  constructor(own?: unknown) {
    if (own !== OWN) throw illegal()
  }

  async digest(algorithm: Algorithm, data: BufferSource): Promise<ArrayBuffer> {
    needArguments(arguments.length, 2, 'digest', 'SubtleCrypto')
    return onBytes({ op: 'digest', algorithm: algorithmText(algorithm) }, [bytesOf(data)])
  }

  async encrypt(algorithm: Algorithm, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer> {
    needArguments(arguments.length, 3, 'encrypt', 'SubtleCrypto')
    return onBytes({ op: 'encrypt', algorithm: algorithmText(algorithm), key: textOfKey(key) }, [bytesOf(data)])
  }

  async decrypt(algorithm: Algorithm, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer> {
    needArguments(arguments.length, 3, 'decrypt', 'SubtleCrypto')
    return onBytes({ op: 'decrypt', algorithm: algorithmText(algorithm), key: textOfKey(key) }, [bytesOf(data)])
  }

  async sign(algorithm: Algorithm, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer> {
    needArguments(arguments.length, 3, 'sign', 'SubtleCrypto')
    return onBytes({ op: 'sign', algorithm: algorithmText(algorithm), key: textOfKey(key) }, [bytesOf(data)])
  }

  async verify(algorithm: Algorithm, key: CryptoKey, signature: BufferSource, data: BufferSource): Promise<boolean> {
    needArguments(arguments.length, 4, 'verify', 'SubtleCrypto')
    const { head } = await cellAsk('cell.crypto', { op: 'verify', algorithm: algorithmText(algorithm), key: textOfKey(key) }, [bytesOf(signature), bytesOf(data)])
    return head === true
  }

  async deriveBits(algorithm: Algorithm, key: CryptoKey, length: number | null = null): Promise<ArrayBuffer> {
    needArguments(arguments.length, 2, 'deriveBits', 'SubtleCrypto')
    return onBytes({ op: 'deriveBits', algorithm: algorithmText(algorithm), key: textOfKey(key), length }, [])
  }

  async deriveKey(algorithm: Algorithm, key: CryptoKey, derived: Algorithm, extractable: boolean, usages: string[]): Promise<CryptoKey> {
    needArguments(arguments.length, 5, 'deriveKey', 'SubtleCrypto')
    const args = { op: 'deriveKey', algorithm: algorithmText(algorithm), key: textOfKey(key), derived: algorithmText(derived), extractable: Boolean(extractable), usages: usagesOf(usages) }
    return readKey((await cellAsk('cell.crypto', args)).head as KeyText)
  }

  async generateKey(algorithm: Algorithm, extractable: boolean, usages: string[]): Promise<CryptoKey | { publicKey: CryptoKey; privateKey: CryptoKey }> {
    needArguments(arguments.length, 3, 'generateKey', 'SubtleCrypto')
    const args = { op: 'generateKey', algorithm: algorithmText(algorithm), extractable: Boolean(extractable), usages: usagesOf(usages) }
    const made = (await cellAsk('cell.crypto', args)).head as KeyText | { publicKey: KeyText; privateKey: KeyText }
    return 'publicKey' in made ? { publicKey: readKey(made.publicKey), privateKey: readKey(made.privateKey) } : readKey(made)
  }

  async importKey(format: string, data: BufferSource | object, algorithm: Algorithm, extractable: boolean, usages: string[]): Promise<CryptoKey> {
    needArguments(arguments.length, 5, 'importKey', 'SubtleCrypto')
    const args = { op: 'importKey', format: formatOf(format), algorithm: algorithmText(algorithm), extractable: Boolean(extractable), usages: usagesOf(usages) }
    if (format !== 'jwk') return readKey((await cellAsk('cell.crypto', args, [bytesOf(data)])).head as KeyText)
    if (typeof data !== 'object' || data === null || viewOf(data)) throw new TypeError('Key data must be a JsonWebKey')
    return readKey((await cellAsk('cell.crypto', { ...args, jwk: data })).head as KeyText)
  }

  async exportKey(format: string, key: CryptoKey): Promise<ArrayBuffer | object> {
    needArguments(arguments.length, 2, 'exportKey', 'SubtleCrypto')
    const args = { op: 'exportKey', format: formatOf(format), key: textOfKey(key) }
    if (!key.extractable) throw new DOMException('Key is not extractable', 'InvalidAccessError')
    if (format !== 'jwk') return onBytes(args, [])
    return (await cellAsk('cell.crypto', args)).head as object
  }

  async wrapKey(format: string, key: CryptoKey, wrapping: CryptoKey, algorithm: Algorithm): Promise<ArrayBuffer> {
    needArguments(arguments.length, 4, 'wrapKey', 'SubtleCrypto')
    const args = { op: 'wrapKey', format: formatOf(format), wrapped: textOfKey(key), key: textOfKey(wrapping), algorithm: algorithmText(algorithm) }
    if (!key.extractable) throw new DOMException('Key is not extractable', 'InvalidAccessError')
    return onBytes(args, [])
  }

  async unwrapKey(format: string, wrapped: BufferSource, unwrapping: CryptoKey, algorithm: Algorithm, of: Algorithm, extractable: boolean, usages: string[]): Promise<CryptoKey> {
    needArguments(arguments.length, 7, 'unwrapKey', 'SubtleCrypto')
    const args = { op: 'unwrapKey', format: formatOf(format), key: textOfKey(unwrapping), algorithm: algorithmText(algorithm), derived: algorithmText(of), extractable: Boolean(extractable), usages: usagesOf(usages) }
    return readKey((await cellAsk('cell.crypto', args, [bytesOf(wrapped)])).head as KeyText)
  }
}
shapeInterface(SubtleCrypto)
shapeInspection(SubtleCrypto, [])
Object.defineProperty(SubtleCrypto, 'length', { value: 0, configurable: true })

const INTEGERS = new Set(['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array', 'BigUint64Array'])
const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype) as object, Symbol.toStringTag)?.get as (this: unknown) => string | undefined
const MAX_RANDOM = 65_536

export class Crypto {
  readonly #subtle: SubtleCrypto

  constructor(own?: unknown) {
    if (own !== OWN) throw illegal()
    this.#subtle = new SubtleCrypto(OWN)
  }

  get subtle(): SubtleCrypto {
    return this.#subtle
  }

  getRandomValues<View extends ArrayBufferView>(array: View): View {
    needArguments(arguments.length, 1, 'getRandomValues', 'Crypto')
    void this.#subtle // of the interface
    if (!INTEGERS.has(tagOf.call(array) ?? '')) throw new DOMException('The provided value is not an integer-type TypedArray', 'TypeMismatchError')
    const bytes = viewOf(array) as Bytes
    if (bytes.length > MAX_RANDOM) {
      throw new DOMException(`The ArrayBufferView's byte length (${bytes.length}) exceeds the number of bytes of entropy available via this API (${MAX_RANDOM})`, 'QuotaExceededError')
    }
    fillRandom(bytes)
    return array
  }

  randomUUID(): string {
    void this.#subtle
    return uuid()
  }
}
shapeInterface(Crypto)
shapeInspection(Crypto, ['subtle'])
Object.defineProperty(Crypto, 'length', { value: 0, configurable: true })

export const crypto = new Crypto(OWN)
export { CryptoKey }

type BufferSource = ArrayBuffer | ArrayBufferView

async function onBytes(head: object, parts: Bytes[]): Promise<ArrayBuffer> {
  const answer = await cellAsk('cell.crypto', head, parts)
  return (answer.parts[0] as Bytes).buffer
}

/** A copy is not needed where the text is made at once; what is long is brought over in pieces and must not change. */
const COPY_FROM = 2 * 1024 * 1024

function bytesOf(data: unknown): Bytes {
  const view = viewOf(data)
  if (!view) throw new TypeError("Failed to execute 'call' on 'SubtleCrypto': Argument can not be converted to a BufferSource")
  return view.length > COPY_FROM ? view.slice() : view
}

function textOfKey(key: unknown): KeyText {
  if (!isKey(key)) throw new TypeError("Failed to execute 'call' on 'SubtleCrypto': Argument is not of type CryptoKey")
  return keyText(key)
}

function usagesOf(usages: unknown): string[] {
  if (typeof usages !== 'object' || usages === null) throw new TypeError("Failed to execute 'call' on 'SubtleCrypto': Argument can not be converted to sequence.")
  return [...(usages as Iterable<unknown>)].map((usage) => toText(usage))
}

function formatOf(format: unknown): string {
  const text = toText(format)
  if (!KEY_FORMATS.includes(text)) throw new TypeError(`The provided value '${text}' is not a valid enum value of type KeyFormat`)
  return text
}

/** What the cell reads back: bytes as `{"$b":…}`, keys as `{"$k":…}`. */
function algorithmText(algorithm: unknown): unknown {
  if (typeof algorithm !== 'object' || algorithm === null) return toText(algorithm)
  const text: Record<string, unknown> = {}
  for (const member of MEMBERS) {
    const value = (algorithm as Record<string, unknown>)[member]
    if (value === undefined) continue
    const view = viewOf(value)
    if (view) text[member] = { $b: toBase64(view) }
    else if (isKey(value)) text[member] = { $k: keyText(value) }
    else text[member] = typeof value === 'object' ? algorithmText(value) : value
  }
  return text
}

function readKey(text: KeyText): CryptoKey {
  return keyFrom(text, revived(text.algorithm))
}

function revived(algorithm: unknown): object {
  const shown: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(algorithm as object)) {
    const bytes = (value as { $b?: string } | null)?.$b
    shown[name] = bytes !== undefined ? fromBase64(bytes) : typeof value === 'object' ? revived(value) : value
  }
  return shown
}
