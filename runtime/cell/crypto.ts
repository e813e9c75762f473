import { hash } from 'node:crypto'
import { CELL_CAPS } from '../../bridge/cell-calls.ts'

const { subtle } = globalThis.crypto

type Part = Buffer<ArrayBuffer>
type Usages = Parameters<typeof subtle.importKey>[4]
type AnyKey = Awaited<ReturnType<typeof subtle.importKey>>
type Made = Awaited<ReturnType<typeof subtle.generateKey>>

/** What a call says; the module wrote it, so that each member is what it says it is only once Node's own have read it. */
interface Order {
  op: string
  algorithm: unknown
  key: KeyText
  wrapped: KeyText
  derived: unknown
  length: number | null
  format: string
  extractable: boolean
  usages: Usages
  jwk: object
}

interface KeyText {
  type: string
  format: string
  material: string
  algorithm: unknown
  extractable: boolean
  usages: Usages
}

interface Answer {
  head: unknown
  bytes?: ArrayBuffer | Uint8Array
}

/** Keys that are not read again for each call, by their text. */
const KEPT_KEYS = 64
const HASHES: ReadonlyMap<string, string> = new Map([['SHA-1', 'sha1'], ['SHA-256', 'sha256'], ['SHA-384', 'sha384'], ['SHA-512', 'sha512']])
/** Bytes that are hashed on the main thread, in less time than the way to the pool and back takes of it: at most 40 µs. */
const HASHED_HERE = 16 * 1024
/** Whose keys cannot be given out again: what was imported is kept instead. */
const SECRETS = new Set(['HKDF', 'PBKDF2'])

/**
 * The Web Cryptography of one module, over Node's own, on the threads of its pool. The module holds its keys and sends
 * them with each call; the last few are kept here as they were read.
 */
export function openCrypto(): (order: unknown, parts: Part[]) => Promise<Answer> {
  const kept = new Map<string, Promise<AnyKey>>()

  const keyOf = (text: KeyText): Promise<AnyKey> => {
    const id = JSON.stringify(text)
    const known = kept.get(id)
    if (known) return known
    const read = subtle.importKey(text.format as 'raw', Buffer.from(text.material, 'base64'), algorithmOf(text.algorithm), isExtractable(text), text.usages).then(limitModulus)
    kept.set(id, read)
    const [oldest] = kept.keys()
    if (kept.size > KEPT_KEYS && oldest !== undefined) kept.delete(oldest)
    return read
  }
  const reviveAll = async (value: unknown): Promise<{ name: string }> => {
    const algorithm: { name: string; public?: unknown } = algorithmOf(value)
    const key = (algorithm as { public?: { $k?: KeyText } }).public?.$k
    if (key) algorithm.public = await keyOf(key)
    return algorithm
  }

  const operations: Record<string, (order: Order, parts: Part[]) => Promise<Answer>> = {
    async digest({ algorithm }, [data]) {
      const how = algorithmOf(algorithm)
      const here = HASHES.get(nameOf(how))
      if (here !== undefined && data && data.length <= HASHED_HERE) return bytes(hash(here, data, 'buffer'))
      return bytes(await subtle.digest(how as unknown as 'SHA-256', data as Part))
    },
    encrypt: async ({ algorithm, key }, [data]) => bytes(await subtle.encrypt(algorithmOf(algorithm), await keyOf(key), data as Part)),
    decrypt: async ({ algorithm, key }, [data]) => bytes(await subtle.decrypt(algorithmOf(algorithm), await keyOf(key), data as Part)),
    sign: async ({ algorithm, key }, [data]) => bytes(await subtle.sign(algorithmOf(algorithm), await keyOf(key), data as Part)),
    verify: async ({ algorithm, key }, [signature, data]) => ({ head: await subtle.verify(algorithmOf(algorithm), await keyOf(key), signature as Part, data as Part) }),
    async deriveBits({ algorithm, key, length }) {
      const how = await reviveAll(algorithm)
      limitBits(Number(length))
      limitRounds(how, Number(length))
      return bytes(await subtle.deriveBits(how as never, await keyOf(key), length as number))
    },
    async deriveKey({ algorithm, key, derived, extractable, usages }) {
      const how = await reviveAll(algorithm)
      const of = algorithmOf(derived) as { name: string; length?: number }
      limitRounds(how, Number(of.length ?? 0) || 512)
      if (SECRETS.has(nameOf(of))) return { head: await deriveSecret(how, key, of, usages) }
      const made = await subtle.deriveKey(how as never, await keyOf(key), of, true, usages)
      return { head: await describe(made, extractable) }
    },
    async generateKey({ algorithm, extractable, usages }) {
      const how = algorithmOf(algorithm) as { name: string; modulusLength?: number }
      if (Number(how.modulusLength) > CELL_CAPS.rsaBits) throw new DOMException(`The modulus may have ${CELL_CAPS.rsaBits} bits`, 'QuotaExceededError')
      const made = (await subtle.generateKey(how as never, true, usages)) as Made
      if (!('publicKey' in made)) return { head: await describe(made as AnyKey, extractable) }
      return { head: { publicKey: await describe(made.publicKey, true), privateKey: await describe(made.privateKey, extractable) } }
    },
    async importKey({ format, algorithm, extractable, usages, jwk }, [data]) {
      const how = algorithmOf(algorithm)
      const given = (format === 'jwk' ? jwk : data) as Part
      const read = limitModulus(await subtle.importKey(format as 'raw', given, how, extractable, usages))
      if (SECRETS.has(read.algorithm.name)) return { head: { ...textOf(read), extractable: false, format: 'raw', material: given.toString('base64') } }
      // A key that is not to be given out to the module is given back to the bridge all the same, which holds it.
      const open = extractable ? read : await subtle.importKey(format as 'raw', (format === 'jwk' ? { ...jwk, ext: true } : given) as Part, how, true, usages)
      return { head: await describe(open, extractable) }
    },
    async exportKey({ format, key }) {
      const read = await keyOf(key)
      const given = await subtle.exportKey(format as 'raw', read)
      return format === 'jwk' ? { head: given } : bytes(given)
    },
    wrapKey: async ({ format, wrapped, key, algorithm }) => bytes(await subtle.wrapKey(format as 'raw', await keyOf(wrapped), await keyOf(key), algorithmOf(algorithm))),
    async unwrapKey({ format, key, algorithm, derived, extractable, usages }, [data]) {
      const made = await subtle.unwrapKey(format as 'raw', data as Part, await keyOf(key), algorithmOf(algorithm), algorithmOf(derived), true, usages)
      limitModulus(made)
      return { head: await describe(made, extractable) }
    },
  }

  /** What is to be derived from again is as long as it comes, and cannot be exported. */
  async function deriveSecret(how: object, key: KeyText, of: { name: string }, usages: Usages): Promise<KeyText> {
    if (!key.usages.includes('deriveKey')) throw new DOMException('The key does not derive keys', 'InvalidAccessError')
    const bits = await subtle.deriveBits(how as never, await keyOf({ ...key, usages: ['deriveBits'] }), null as never)
    const made = await subtle.importKey('raw', bits, of, false, usages)
    return { ...textOf(made), extractable: false, format: 'raw', material: Buffer.from(bits).toString('base64') }
  }

  return (order, parts) => {
    const { op } = order as Order
    const run = Object.hasOwn(operations, op) ? operations[op] : undefined
    if (!run) throw new TypeError('no such operation')
    return run(order as Order, parts)
  }
}

/** @throws QuotaExceededError for what would make more bits than may be, NotSupportedError for what takes memory and time as it is told */
function algorithmOf(value: unknown): { name: string } {
  const algorithm = revive(value) as { name: string; length?: unknown; outputLength?: unknown }
  if (typeof algorithm !== 'object' || algorithm === null) return algorithm
  if (/^argon2/i.test(nameOf(algorithm))) throw new DOMException('The algorithm is not supported', 'NotSupportedError')
  limitBits(Number(algorithm.length))
  limitBits(Number(algorithm.outputLength))
  return algorithm
}

function limitBits(bits: number): void {
  if (bits > CELL_CAPS.madeBits) throw new DOMException(`No more than ${CELL_CAPS.madeBits} bits may be made at once`, 'QuotaExceededError')
}

/** What takes a number to the power of such a key takes the third power of its length, on a thread that nobody can take back. */
function limitModulus(key: AnyKey): AnyKey {
  const { modulusLength } = key.algorithm as { modulusLength?: number }
  if (Number(modulusLength) > CELL_CAPS.importedRsaBits) throw new DOMException(`The modulus may have ${CELL_CAPS.importedRsaBits} bits`, 'QuotaExceededError')
  return key
}

/** A derived key of so many rounds takes its time on a thread that nobody can take back. */
function limitRounds(algorithm: { name: string; iterations?: number }, bits: number): void {
  const rounds = Number(algorithm.iterations ?? 0) * Math.max(1, Math.ceil((bits || 0) / 256))
  if (rounds > CELL_CAPS.rounds) throw new DOMException(`A key may be derived with ${CELL_CAPS.rounds} rounds`, 'QuotaExceededError')
}

async function describe(key: AnyKey, extractable: boolean): Promise<KeyText> {
  const format = key.type === 'public' ? 'spki' : key.type === 'private' ? 'pkcs8' : rawFormat(key.algorithm.name)
  const material = SECRETS.has(key.algorithm.name) ? new ArrayBuffer(0) : await subtle.exportKey(format as 'raw', key)
  return { ...textOf(key), extractable, format, material: Buffer.from(material).toString('base64') }
}

/** The algorithms that came last name their formats more exactly. */
function rawFormat(name: string): string {
  return /^(AES-(CBC|CTR|GCM|KW)|HMAC)$/.test(name) ? 'raw' : 'raw-secret'
}

function textOf({ type, algorithm, usages }: AnyKey): Omit<KeyText, 'format' | 'material' | 'extractable'> {
  return { type, algorithm: flatten(algorithm), usages: [...usages] }
}

function nameOf(algorithm: string | { name?: unknown }): string {
  return String(typeof algorithm === 'string' ? algorithm : algorithm.name).toUpperCase()
}

function isExtractable({ algorithm }: KeyText): boolean {
  return !SECRETS.has((algorithm as { name?: string }).name ?? '')
}

function bytes(buffer: ArrayBuffer | Uint8Array): Answer {
  return { head: null, bytes: buffer }
}

function flatten(value: object): unknown {
  return Object.fromEntries(Object.entries(value).map(([name, member]: [string, unknown]) => [name, member instanceof Uint8Array ? { $b: Buffer.from(member).toString('base64') } : typeof member === 'object' && member !== null ? flatten(member) : member]))
}

function revive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const { $b } = value as { $b?: unknown }
  if (typeof $b === 'string') return new Uint8Array(Buffer.from($b, 'base64'))
  if ('$k' in value) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, revive(member)]))
}
