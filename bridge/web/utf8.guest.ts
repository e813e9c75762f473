import { apply, codeAt, uncurry } from '../primordials.guest.ts'
import { decodeLarge, encodeLarge, isLarge } from './utf8-program.guest.ts'

// UTF-8 of the Encoding Standard (8.1), for the bridge's own and the fast path of TextEncoder and TextDecoder.
const Bytes = Uint8Array
const subBytes = uncurry(Bytes.prototype.subarray)
const sliceUnits = uncurry(Array.prototype.slice) as (units: number[], start: number, end: number) => number[]
const sliceBytes = uncurry(Bytes.prototype.slice)
const { fromCharCode } = String
/** Code units that are made a string at a time: as many arguments go onto the stack. */
const PIECE = 1_024
// A plain array: of a typed one, `apply` takes half as long again to make a list.
const units: number[] = []
for (let at = 0; at <= PIECE; at++) units[at] = 0

const NOTHING_YET = { decoded: '', read: 0 }

/** UTF-8 of a string; lone surrogates become U+FFFD. */
export function utf8Encode(text: string): Uint8Array<ArrayBuffer> {
  if (isLarge(text.length)) return encodeLarge(text)
  const bytes = new Bytes(text.length * 3)
  return sliceBytes(bytes, 0, utf8EncodeInto(text, bytes).written) as Uint8Array<ArrayBuffer>
}

/** Encodes what fits: how many code units were read and how many bytes written. */
export function utf8EncodeInto(text: string, bytes: Uint8Array): { read: number; written: number } {
  const { length } = text
  const room = bytes.length
  let read = 0
  let written = 0
  while (read < length) {
    let code = codeAt(text, read)
    if (code < 0x80) {
      if (written >= room) break
      bytes[written++] = code
      read++
      continue
    }
    let taken = 1
    if ((code & 0xf800) === 0xd800) {
      const low = code < 0xdc00 && read + 1 < length ? codeAt(text, read + 1) : 0
      if ((low & 0xfc00) === 0xdc00) {
        code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff)
        taken = 2
      } else code = 0xfffd
    }
    const size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (written + size > room) break
    if (size === 2) bytes[written++] = 0xc0 | (code >> 6)
    else {
      if (size === 3) bytes[written++] = 0xe0 | (code >> 12)
      else {
        bytes[written++] = 0xf0 | (code >> 18)
        bytes[written++] = 0x80 | ((code >> 12) & 63)
      }
      bytes[written++] = 0x80 | ((code >> 6) & 63)
    }
    bytes[written++] = 0x80 | (code & 63)
    read += taken
  }
  return { read, written }
}

/**
 * The string of UTF-8 bytes; what is malformed becomes U+FFFD, one for each maximal part of a sequence.
 *
 * @param onMalformed called instead, where it is given
 */
export function utf8Decode(bytes: Uint8Array, onMalformed?: () => never): string {
  const { length } = bytes
  let { decoded, read: at } = isLarge(length) ? decodeLarge(bytes) : NOTHING_YET
  let filled = 0
  while (at < length) {
    const lead = bytes[at++] as number
    if (lead < 0x80) units[filled++] = lead
    else {
      let needed = lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : 0
      let code = needed === 1 ? lead & 31 : needed === 2 ? lead & 15 : lead & 7
      let lower = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
      let upper = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
      let malformed = needed === 0
      for (; needed > 0; needed--) {
        const next = at < length ? (bytes[at] as number) : 0
        if (next < lower || next > upper) {
          malformed = true
          break
        }
        lower = 0x80
        upper = 0xbf
        code = (code << 6) | (next & 63)
        at++
      }
      if (malformed) {
        onMalformed?.()
        code = 0xfffd
      }
      if (code >= 0x10000) {
        units[filled++] = 0xd800 + ((code - 0x10000) >> 10)
        code = 0xdc00 | (code & 0x3ff)
      }
      units[filled++] = code
    }
    if (filled >= PIECE) {
      decoded += apply(fromCharCode, undefined, sliceUnits(units, 0, filled)) as string
      filled = 0
    }
  }
  return filled === 0 ? decoded : decoded + (apply(fromCharCode, undefined, sliceUnits(units, 0, filled)) as string)
}

/** The bytes without a byte order mark at their beginning. */
export function withoutBom(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? subBytes(bytes, 3) : bytes
}
