/** scanner.wat in binary; a test assembles it and compares. */
export const BINARY = Uint8Array.fromBase64(
  'AGFzbQEAAAABCAFgA39/fwF/AwIBAAUDAQABBxECBm1lbW9yeQIABHNjYW4AAAroAgHlAgEHfwJAA0AgAyAATwRAIAlFDQILIAMhBUEAIQdBfy' +
  'EEAkAgAyAATw0AIANBAXQvAQAhBAsgBEEiRgRAIAVBAWoiBSEDAkADQCADIABPBEBBfyAFQQFraw8LIANBAXQvAQAhBCADQQFqIQMgBEEiRw0A' +
  'IAMgAE8NASADQQF0LwEAQSJHDQFBAiEHIANBAWohAwwACwsgA0EBayEGBQJAA0AgAyAATw0BIANBAXQvAQAiBCABRg0BIARBCkYNASAEQQ1GDQ' +
  'EgA0EBaiEDDAALCyADIQYLQQohBAJAIAMgAE8NACADQQF0LwEAIQQgA0EBaiEDCyAEIAFGIglFBEACQCAEQQpGDQAgBEENRwRAQYCAgIB8IANB' +
  'AWtrDwsgAyAATw0AIANBAXQvAQBBCkcNACADQQFqIQMLCyACIAU2AgAgAiAGQQJ0IAdyIAlFcjYCBCACQQhqIQIgCEEBaiEIDAALCyAICw==',
)

/** Where fields begin and end in a text, as scanner.wat writes them. */
interface Scanner {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  scan(length: number, delimiter: number, out: number): number
}

/** A field of a row: where it is in the text, and whether quotes in it are doubled. */
export interface Field {
  begin: number
  end: number
  doubled: boolean
  endsRow: boolean
}

const PAGE = 64 * 1024
/** From here down, -1 lower with each place, something follows a quoted field. */
const FOLLOWED = -(2 ** 30)

// A module's types are those of the language, and WebAssembly is not among them.
declare const WebAssembly: { instantiate(binary: Uint8Array): Promise<{ instance: { exports: object } }> }

const { instance } = await WebAssembly.instantiate(BINARY)
const { memory, scan } = instance.exports as unknown as Scanner

/**
 * Finds the fields of a text.
 *
 * @throws SyntaxError that names the line
 */
export function fieldsOf(text: string, delimiter: string): Field[] {
  // Every second unit may end a field, and one more may follow.
  const out = Math.ceil(text.length / 4) * 8
  reserve(out + (text.length + 1) * 8)
  const units = new Uint16Array(memory.buffer, 0, text.length)
  for (let n = 0; n < text.length; n++) units[n] = text.charCodeAt(n)
  const count = scan(text.length, delimiter.charCodeAt(0), out)
  if (count < 0) throw faultAt(text, count)
  const found = new Int32Array(memory.buffer, out, count * 2)
  return Array.from({ length: count }, (_, n) => {
    const [begin, end] = [found[2 * n] as number, found[2 * n + 1] as number]
    return { begin, end: end >> 2, doubled: (end & 2) !== 0, endsRow: (end & 1) !== 0 }
  })
}

function reserve(bytes: number): void {
  const missing = bytes - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE))
}

function faultAt(text: string, code: number): SyntaxError {
  const follows = code <= FOLLOWED
  const place = follows ? FOLLOWED - code : -1 - code
  const line = text.slice(0, place).split(/\r\n|\r|\n/).length
  if (follows) return new SyntaxError(`cannot parse line ${line}, something follows the end of a quoted field`)
  return new SyntaxError(`cannot parse, the quoted field that begins in line ${line} does not end`)
}
