import { Buffer, type Bytes, INSPECT_MAX_BYTES, kMaxLength, SlowBuffer } from 'buffer'
import { globals } from './host.guest.ts'

// The library is of the time before base64url: it is made base64 on the way in, and of base64 on the way out.
const { from, isEncoding, byteLength } = Buffer
const { toString, write } = Buffer.prototype
const isUrl = (encoding: unknown): boolean => typeof encoding === 'string' && encoding.toLowerCase() === 'base64url'
const plain = (text: string) => text.replaceAll('-', '+').replaceAll('_', '/')

Buffer.from = (value, ...more) => (isUrl(more[0]) ? from(plain(String(value)), 'base64') : from(value, ...more))
Buffer.isEncoding = (encoding) => isUrl(encoding) || isEncoding(encoding)
Buffer.byteLength = (value, encoding) => (isUrl(encoding) ? from(plain(String(value)), 'base64').length : byteLength(value, encoding))
Buffer.copyBytesFrom = (view, offset = 0, length?) => {
  const Kind = view.constructor as new (buffer: ArrayBufferLike, offset: number, length: number) => Uint8Array
  const all = new Kind(view.buffer, view.byteOffset, (view as Uint8Array).length)
  const part = all.subarray(offset, length === undefined ? undefined : offset + length)
  return from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
}
Object.assign(Buffer.prototype, {
  toString(this: Bytes, encoding?: string, ...range: number[]): string {
    if (!isUrl(encoding)) return toString.call(this, encoding, ...range)
    return toString.call(this, 'base64', ...range).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
  },
  write(this: Bytes, text: string, ...more: unknown[]): number {
    return isUrl(more.at(-1)) ? write.call(this, plain(text), ...more.slice(0, -1), 'base64') : write.call(this, text, ...more)
  },
})

export const isUtf8 = (bytes: ArrayBufferView | ArrayBuffer): boolean => {
  try {
    new globals.TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}
export const isAscii = (bytes: Uint8Array): boolean => bytes.every((byte) => byte < 0x80)
export const atob = (text: string): unknown => (globals['atob'] as (text: string) => string)(text)
export const btoa = (text: string): unknown => (globals['btoa'] as (text: string) => string)(text)
export const Blob = globals['Blob']
export const File = globals['File']
export const kStringMaxLength = 0x1fffffe8
export const constants = { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: kStringMaxLength }
export { Buffer, INSPECT_MAX_BYTES, kMaxLength, SlowBuffer }
export default { Buffer, SlowBuffer, INSPECT_MAX_BYTES, kMaxLength, kStringMaxLength, constants, isUtf8, isAscii, atob, btoa, Blob, File }
