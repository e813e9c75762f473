import type { Bytes } from './blob.guest.ts'
import { mediaType } from './media-type.guest.ts'

/** Fetch, 6: the bytes of a data: URL and their type. @throws TypeError */
export function dataUrl(url: string): { bytes: Bytes; type: string } {
  const text = url.slice('data:'.length).replace(/#.*$/s, '')
  const comma = text.indexOf(',')
  if (comma < 0) throw new TypeError('NoComma')
  const head = text.slice(0, comma).replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '')
  const isBase64 = /; *base64$/i.test(head)
  const given = isBase64 ? head.replace(/ *; *base64$/i, '') : head
  const media = mediaType(given.startsWith(';') ? `text/plain${given}` : given)
  const bytes = percentDecoded(text.slice(comma + 1))
  return { bytes: isBase64 ? forgiving(bytes) : bytes, type: media?.text ?? 'text/plain;charset=US-ASCII' }
}

function percentDecoded(text: string): Bytes {
  const bytes = new Uint8Array(text.length)
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const hex = text[i] === '%' ? text.slice(i + 1, i + 3) : ''
    if (/^[\da-f]{2}$/i.test(hex)) {
      bytes[length++] = Number.parseInt(hex, 16)
      i += 2
    } else bytes[length++] = text.charCodeAt(i)
  }
  return bytes.slice(0, length)
}

function forgiving(bytes: Bytes): Bytes {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  try {
    return (Uint8Array as unknown as { fromBase64(text: string): Bytes }).fromBase64(text)
  } catch {
    throw new TypeError('InvalidBase64')
  }
}
