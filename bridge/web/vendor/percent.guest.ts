import { utf8Encode } from '../utf8.guest.ts'

const tables = new Map<string, string[]>()

/** How each byte is written, for a set of characters that are percent-encoded beside controls and all beyond ASCII. */
function tableOf(percentEncodeSet: string): string[] {
  const known = tables.get(percentEncodeSet)
  if (known) return known
  const table = Array.from({ length: 256 }, (_, byte) => {
    const character = String.fromCharCode(byte)
    const isPlain = byte >= 0x20 && byte <= 0x7e && !percentEncodeSet.includes(character)
    return isPlain ? character : `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`
  })
  tables.set(percentEncodeSet, table)
  return table
}

/** In the place of `@exodus/bytes/whatwg.js` inside `whatwg-url`: a URL of the API is always percent-encoded as UTF-8. */
export function percentEncodeAfterEncoding(_encoding: string, input: string, percentEncodeSet: string, spaceAsPlus = false): string {
  const table = tableOf(percentEncodeSet)
  let encoded = ''
  for (const byte of utf8Encode(input)) encoded += spaceAsPlus && byte === 0x20 ? '+' : (table[byte] as string)
  return encoded
}
