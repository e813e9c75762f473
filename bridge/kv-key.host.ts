import { BulkheadError } from './errors.ts'

/** One part of a key on the wire. What JSON has no word for is an object with one letter. */
export type WirePart =
  | string
  | number
  | boolean
  | { n: string } // bigint, decimal
  | { b: string } // bytes, base64
  | { d: 'NaN' | '-NaN' | 'Infinity' | '-Infinity' | '-0' }

/** Bytes of an encoded key, as Deno KV has it. */
export const KEY_BYTES = 2048

// The encoding of FoundationDB's tuples: a byte for the type, then bytes whose order is that of the values.
const BYTES = 0x01
const STRING = 0x02
const BIG_NEGATIVE = 0x0b
const ZERO = 0x14
const BIG_POSITIVE = 0x1d
const DOUBLE = 0x21
const FALSE = 0x26
const TRUE = 0x27
const SPECIAL = { NaN: '7ff8000000000000', '-NaN': 'fff8000000000000', Infinity: '7ff0000000000000', '-Infinity': 'fff0000000000000', '-0': '8000000000000000' } as const

/**
 * A key as bytes that sort as Deno KV sorts keys: by part; bytes before strings before bigints before numbers before
 * booleans.
 *
 * @throws INVALID for what is no key; SIZE_LIMIT past 2,048 bytes
 * @example encodeKey(['users', 7]) // <02 75 73 65 72 73 00 21 c0 1c 00 00 00 00 00 00>
 */
export function encodeKey(parts: unknown): Buffer {
  if (!Array.isArray(parts)) throw refusal('a key is an array of parts')
  const encoded: Buffer[] = []
  let bytes = 0
  for (const part of parts) {
    const next = encodePart(part)
    bytes += next.length
    if (bytes > KEY_BYTES) throw new BulkheadError('SIZE_LIMIT', `cannot use the key, it is larger than ${KEY_BYTES} bytes`)
    encoded.push(next)
  }
  return Buffer.concat(encoded)
}

/** The parts of a key that `encodeKey` made. */
export function decodeKey(key: Buffer): WirePart[] {
  const parts: WirePart[] = []
  let at = 0
  const take = (length: number) => key.subarray(at, (at += length))
  while (at < key.length) {
    const type = key[at++] as number
    if (type === BYTES || type === STRING) {
      const { content, end } = unescape(key, at)
      at = end
      parts.push(type === STRING ? content.toString('utf8') : { b: content.toString('base64') })
    } else if (type === DOUBLE) parts.push(decodeDouble(take(8)))
    else if (type === FALSE || type === TRUE) parts.push(type === TRUE)
    else if (type === BIG_POSITIVE) parts.push({ n: magnitude(take(key[at++] as number)).toString() })
    else if (type === BIG_NEGATIVE) parts.push({ n: (-magnitude(complement(take((key[at++] as number) ^ 0xff)))).toString() })
    else if (type >= ZERO) parts.push({ n: magnitude(take(type - ZERO)).toString() })
    else parts.push({ n: (-magnitude(complement(take(ZERO - type)))).toString() })
  }
  return parts
}

function encodePart(part: unknown): Buffer {
  if (typeof part === 'string') return escape(STRING, Buffer.from(part, 'utf8'))
  if (typeof part === 'number') return encodeDouble(part)
  if (typeof part === 'boolean') return Buffer.of(part ? TRUE : FALSE)
  if (typeof part === 'object' && part !== null) {
    const { n, b, d } = part as { n?: unknown; b?: unknown; d?: unknown }
    // longer ones would take the square of their length to read
    if (typeof n === 'string' && /^-?\d{1,640}$/.test(n)) return encodeBigInt(BigInt(n))
    if (typeof b === 'string') return escape(BYTES, Buffer.from(b, 'base64'))
    if (typeof d === 'string' && Object.hasOwn(SPECIAL, d)) return orderedDouble(Buffer.from(SPECIAL[d as keyof typeof SPECIAL], 'hex'))
  }
  throw refusal('a part is a string, a number, a bigint of at most 255 bytes, a boolean or a Uint8Array')
}

function escape(type: number, content: Buffer): Buffer {
  if (content.length > KEY_BYTES || !content.includes(0)) return Buffer.concat([Buffer.of(type), content, Buffer.of(0)])
  const escaped = [...content].flatMap((byte) => (byte === 0 ? [0, 0xff] : [byte]))
  return Buffer.from([type, ...escaped, 0])
}

function unescape(key: Buffer, start: number): { content: Buffer; end: number } {
  const content: number[] = []
  let at = start
  for (; at < key.length && (key[at] !== 0 || key[at + 1] === 0xff); at++) {
    content.push(key[at] as number)
    if (key[at] === 0) at++
  }
  return { content: Buffer.from(content), end: at + 1 }
}

function encodeBigInt(value: bigint): Buffer {
  const hex = (value < 0n ? -value : value).toString(16)
  const bytes = value === 0n ? Buffer.alloc(0) : Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  if (bytes.length > 255) throw refusal('a part that is a bigint has at most 255 bytes')
  const head = bytes.length > 8 ? [value < 0n ? BIG_NEGATIVE : BIG_POSITIVE, value < 0n ? bytes.length ^ 0xff : bytes.length] : [value < 0n ? ZERO - bytes.length : ZERO + bytes.length]
  return Buffer.concat([Buffer.from(head), value < 0n ? complement(bytes) : bytes])
}

function magnitude(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`)
}

function encodeDouble(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return orderedDouble(bytes)
}

/** Complemented where it is negative, with the sign turned where it is not. */
function orderedDouble(bytes: Buffer): Buffer {
  const negative = (bytes[0] as number) >= 0x80
  const ordered = negative ? complement(bytes) : Buffer.from(bytes)
  if (!negative) ordered[0] = (bytes[0] as number) ^ 0x80
  return Buffer.concat([Buffer.of(DOUBLE), ordered])
}

function decodeDouble(ordered: Buffer): WirePart {
  const positive = (ordered[0] as number) >= 0x80
  const bytes = positive ? Buffer.from(ordered) : complement(ordered)
  if (positive) bytes[0] = (ordered[0] as number) ^ 0x80
  const hex = bytes.toString('hex')
  for (const [name, form] of Object.entries(SPECIAL)) if (form === hex) return { d: name as keyof typeof SPECIAL }
  return bytes.readDoubleBE()
}

function complement(bytes: Buffer): Buffer {
  return Buffer.from(bytes.map((byte) => byte ^ 0xff))
}

function refusal(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot use the key, ${why}`)
}
