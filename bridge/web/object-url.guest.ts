import { type Blob, blobBytes, type Bytes, isBlob } from './blob.guest.ts'
import { needArguments } from './interface.guest.ts'
import { fillRandom } from './random.guest.ts'

// File API, 8: URLs of blobs, for as long as the isolate lives or until they are revoked.
const blobs = new Map<string, Blob>()

export function createObjectURL(blob: unknown): string {
  needArguments(arguments.length, 1, 'createObjectURL', 'URL')
  if (!isBlob(blob)) throw new TypeError('Failed to execute \'createObjectURL\' on \'URL\': The "blob" argument must be an instance of Blob')
  const url = `blob:null/${uuid()}`
  blobs.set(url, blob)
  return url
}

export function revokeObjectURL(url: unknown): void {
  needArguments(arguments.length, 1, 'revokeObjectURL', 'URL')
  blobs.delete(String(url))
}

export function blobOfUrl(url: string): { bytes: Bytes; type: string } | undefined {
  const blob = blobs.get(url.replace(/#.*$/s, ''))
  return blob && { bytes: blobBytes(blob), type: blob.type }
}

/** RFC 9562, 5.4. */
export function uuid(): string {
  const bytes = new Uint8Array(16)
  fillRandom(bytes)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  let hex = ''
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
