import { DOMException } from './dom-exception.guest.ts'
import { toText } from './interface.guest.ts'

// HTML Standard, 8.3: Base64 utility methods, by way of the Infra Standard's forgiving decoder. Uint8Array's own
// methods do the work; Latin-1 goes into and out of bytes.
const { fromCharCode } = String
const PIECE = 4_096

type Base64Bytes = Uint8Array & { toBase64(): string }
const fromBase64 = (Uint8Array as unknown as { fromBase64(text: string): Uint8Array }).fromBase64.bind(Uint8Array)

/** @throws DOMException InvalidCharacterError, where a character is no byte */
export function btoa(data: unknown): string {
  if (arguments.length < 1) throw new TypeError("Failed to execute 'btoa': 1 argument required, but only 0 present")
  const text = toText(data, "Failed to execute 'btoa': Argument 1")
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0xff) throw new DOMException('Cannot encode string: string contains characters outside of the Latin1 range', 'InvalidCharacterError')
    bytes[i] = code
  }
  return (bytes as Base64Bytes).toBase64()
}

/** @throws DOMException InvalidCharacterError, where the text is not of Base64 */
export function atob(data: unknown): string {
  if (arguments.length < 1) throw new TypeError("Failed to execute 'atob': 1 argument required, but only 0 present")
  let text = toText(data, "Failed to execute 'atob': Argument 1").replace(/[\t\n\f\r ]+/g, '')
  if (text.length % 4 === 0) text = text.replace(/==?$/, '')
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) throw new DOMException('Failed to decode base64', 'InvalidCharacterError')
  const bytes = fromBase64(text)
  let decoded = ''
  for (let at = 0; at < bytes.length; at += PIECE) decoded += Reflect.apply(fromCharCode, undefined, bytes.subarray(at, at + PIECE) as unknown as number[]) as string
  return decoded
}
