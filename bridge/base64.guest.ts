import { uncurry } from './primordials.guest.ts'

// Uint8Array's own toBase64 is missing while the snapshot is made, so that it cannot be captured there.
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BytesOf = Uint8Array
const codeAt = uncurry(String.prototype.charCodeAt)
const VALUES = new BytesOf(128)
for (let i = 0; i < 64; i++) VALUES[ALPHABET.charCodeAt(i)] = i

export function toBase64(bytes: Uint8Array): string {
  let encoded = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (byteAt(bytes, i) << 16) | (byteAt(bytes, i + 1) << 8) | byteAt(bytes, i + 2)
    encoded += letter(group >> 18) + letter(group >> 12)
    encoded += i + 1 < bytes.length ? letter(group >> 6) : '='
    encoded += i + 2 < bytes.length ? letter(group) : '='
  }
  return encoded
}

/** What the host has encoded, which is well-formed. */
export function fromBase64(encoded: string): Uint8Array<ArrayBuffer> {
  const { length } = encoded
  const padding = encoded[length - 1] !== '=' ? 0 : encoded[length - 2] === '=' ? 2 : 1
  const bytes = new BytesOf((length / 4) * 3 - padding)
  let at = 0
  for (let i = 0; i < length; i += 4) {
    const value = (offset: number) => byteAt(VALUES, codeAt(encoded, i + offset) & 127)
    const group = (value(0) << 18) | (value(1) << 12) | (value(2) << 6) | value(3)
    bytes[at++] = group >> 16
    bytes[at++] = group >> 8
    bytes[at++] = group
  }
  return bytes
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}

function letter(sextet: number): string {
  return ALPHABET[sextet & 63] as string
}
