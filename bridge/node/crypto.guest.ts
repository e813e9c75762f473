import { hkdf as expand } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { pbkdf2 as derive } from '@noble/hashes/pbkdf2.js'
import { scrypt as stretch } from '@noble/hashes/scrypt.js'
import { blake2b, blake2s } from '@noble/hashes/blake2.js'
import { md5, ripemd160, sha1 } from '@noble/hashes/legacy.js'
import { sha224, sha256, sha384, sha512, sha512_224, sha512_256 } from '@noble/hashes/sha2.js'
import { sha3_224, sha3_256, sha3_384, sha3_512 } from '@noble/hashes/sha3.js'
import { Buffer } from './buffer.guest.ts'
import { globals, nodeError } from './host.guest.ts'

type Data = string | ArrayBufferView | ArrayBuffer
type Bytes = ReturnType<typeof Buffer.from>
type Callback<Result> = (error: unknown, result: Result) => void
type HashFunction = typeof sha256

const HASHES: Readonly<Record<string, HashFunction>> = {
  md5, sha1, sha224, sha256, sha384, sha512, 'sha512-224': sha512_224, 'sha512-256': sha512_256, ripemd160, rmd160: ripemd160,
  'sha3-224': sha3_224, 'sha3-256': sha3_256, 'sha3-384': sha3_384, 'sha3-512': sha3_512, blake2b512: blake2b, blake2s256: blake2s,
} as unknown as Readonly<Record<string, HashFunction>>

function hashFunction(name: string): HashFunction {
  const found = HASHES[String(name).toLowerCase().replace(/^rsa-/, '').replace(/^sha-/, 'sha').replace('/', '-')]
  if (!found) throw nodeError(Error, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${name}`)
  return found
}

function bytesOf(data: Data, encoding = 'utf8'): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, encoding)
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  throw nodeError(TypeError, 'ERR_INVALID_ARG_TYPE', 'The "data" argument must be of type string or an instance of Buffer, TypedArray, or DataView.')
}

const encoded = (bytes: Uint8Array, encoding?: string): Bytes | string => {
  const buffer = Buffer.from(bytes)
  return encoding === undefined || encoding === 'buffer' ? buffer : buffer.toString(encoding)
}

interface State {
  update(bytes: Uint8Array): unknown
  digest(): Uint8Array
  clone(): State
}

/** A digest that is taken piece by piece, of a hash or of a keyed one. */
class Digest {
  #state: State
  #isDone = false
  constructor(state: State) {
    this.#state = state
  }
  update(data: Data, encoding?: string): this {
    if (this.#isDone) throw nodeError(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called')
    this.#state.update(bytesOf(data, encoding))
    return this
  }
  digest(encoding?: string): Bytes | string {
    if (this.#isDone) throw nodeError(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called')
    this.#isDone = true
    return encoded(this.#state.digest(), encoding)
  }
  copy(): Digest {
    if (this.#isDone) throw nodeError(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called')
    return new Digest(this.#state.clone())
  }
}

export const createHash = (algorithm: string): Digest => new Digest(hashFunction(algorithm).create() as unknown as State)
export const createHmac = (algorithm: string, key: Data): Digest => new Digest(hmac.create(hashFunction(algorithm), bytesOf(key)) as unknown as State)
export const hash = (algorithm: string, data: Data, encoding = 'hex'): Bytes | string => encoded(hashFunction(algorithm)(bytesOf(data)), encoding)
export const getHashes = (): string[] => Object.keys(HASHES)

const MOST_AT_ONCE = 65_536
export function randomFillSync<View extends ArrayBufferView>(view: View, offset = 0, size = view.byteLength - offset): View {
  const bytes = new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset + offset, size)
  for (let start = 0; start < size; start += MOST_AT_ONCE) globals.crypto.getRandomValues(bytes.subarray(start, start + MOST_AT_ONCE))
  return view
}
const later = <Result>(callback: Callback<Result>, make: () => Result): void => globals.queueMicrotask(() => {
  let result: Result
  try {
    result = make()
  } catch (error) {
    return callback(error, undefined as Result)
  }
  callback(null, result)
})
export function randomBytes(size: number, callback?: Callback<Bytes>): Bytes | undefined {
  const make = () => randomFillSync(Buffer.alloc(size))
  if (!callback) return make()
  return void later(callback, make)
}
export function randomFill<View extends ArrayBufferView>(view: View, ...more: unknown[]): void {
  const callback = more.pop() as Callback<View>
  later(callback, () => randomFillSync(view, ...(more as number[])))
}
export function randomInt(...args: (number | Callback<number>)[]): number | undefined {
  const callback = typeof args.at(-1) === 'function' ? (args.pop() as Callback<number>) : undefined
  const [min, max] = (args.length > 1 ? args : [0, args[0]]) as [number, number]
  if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || max <= min) throw nodeError(RangeError, 'ERR_OUT_OF_RANGE', 'The value of "max" is out of range.')
  const make = () => {
    // Of 48 random bits those past the last whole range are drawn again, so that no number comes oftener.
    const range = max - min
    const limit = 2 ** 48 - (2 ** 48 % range)
    for (;;) {
      const [high, low] = globals.crypto.getRandomValues(new Uint32Array(2))
      const drawn = (high! & 0xffff) * 2 ** 32 + low!
      if (drawn < limit) return min + (drawn % range)
    }
  }
  if (!callback) return make()
  return void later(callback, make)
}
export const randomUUID = (): string => globals.crypto.randomUUID()
export const getRandomValues = <View extends ArrayBufferView>(view: View): View => globals.crypto.getRandomValues(view)

export function timingSafeEqual(a: ArrayBufferView | ArrayBuffer, b: ArrayBufferView | ArrayBuffer): boolean {
  const [one, other] = [bytesOf(a), bytesOf(b)]
  if (one.length !== other.length) throw nodeError(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length')
  let difference = 0
  for (const [index, byte] of one.entries()) difference |= byte ^ other[index]!
  return difference === 0
}

export const pbkdf2Sync = (password: Data, salt: Data, iterations: number, length: number, digest: string): Bytes =>
  Buffer.from(derive(hashFunction(digest), bytesOf(password), bytesOf(salt), { c: iterations, dkLen: length }))
export const pbkdf2 = (password: Data, salt: Data, iterations: number, length: number, digest: string, callback: Callback<Bytes>): void =>
  later(callback, () => pbkdf2Sync(password, salt, iterations, length, digest))
export const hkdfSync = (digest: string, key: Data, salt: Data, info: Data, length: number): ArrayBuffer =>
  new Uint8Array(expand(hashFunction(digest), bytesOf(key), bytesOf(salt), bytesOf(info), length)).buffer
export const hkdf = (digest: string, key: Data, salt: Data, info: Data, length: number, callback: Callback<ArrayBuffer>): void =>
  later(callback, () => hkdfSync(digest, key, salt, info, length))

interface ScryptOptions {
  N?: number
  cost?: number
  r?: number
  blockSize?: number
  p?: number
  parallelization?: number
  maxmem?: number
}
export function scryptSync(password: Data, salt: Data, length: number, options: ScryptOptions = {}): Bytes {
  const { cost = 16_384, blockSize = 8, parallelization = 1, N = cost, r = blockSize, p = parallelization, maxmem = 32 * 1024 * 1024 } = options
  if (128 * N * r > maxmem) throw nodeError(RangeError, 'ERR_CRYPTO_INVALID_SCRYPT_PARAMS', 'Invalid scrypt params: memory limit exceeded')
  return Buffer.from(stretch(bytesOf(password), bytesOf(salt), { N, r, p, dkLen: length, maxmem: maxmem + 1024 * 1024 }))
}
export function scrypt(password: Data, salt: Data, length: number, ...more: unknown[]): void {
  const callback = more.pop() as Callback<Bytes>
  later(callback, () => scryptSync(password, salt, length, more[0] as ScryptOptions))
}

export const webcrypto = globals.crypto
export const subtle = globals.crypto?.subtle
export const constants = {}
export default {
  createHash, createHmac, hash, getHashes, randomBytes, randomFill, randomFillSync, randomInt, randomUUID, getRandomValues, timingSafeEqual,
  pbkdf2, pbkdf2Sync, hkdf, hkdfSync, scrypt, scryptSync, webcrypto, subtle, constants,
}
