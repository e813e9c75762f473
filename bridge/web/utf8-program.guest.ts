import { fromBase64 } from '../base64.guest.ts'
import { codeAt, construct, slice, uncurry } from '../primordials.guest.ts'

// UTF-8 of texts that are long, by WebAssembly and its own string functions: 1 to 2 ms for each megabyte, where
// JavaScript takes 4 to 7. Bytes go through one page of memory, a piece at a time. This is utf8-program.wat:
const PROGRAM =
  'AGFzbQEAAAABKQdedwFgA2MAf38BZG9gA29jAH8Bf2ABfwF/YAABf2ABfwFkb2ABbwF/AkcCDndhc206anMtc3RyaW5nEWZyb21DaGFyQ29kZU' +
  'FycmF5AAEOd2FzbTpqcy1zdHJpbmcRaW50b0NoYXJDb2RlQXJyYXkAAgMFBAMEBQYFAwEAAQYRAmQAAEGAgAT7BwALfwFBAAsHKgUGbWVtb3J5' +
  'AgAGZGVjb2RlAAIEcmVhZAADBHRleHQABAZlbmNvZGUABQrOBwThBAMBYwAFfwF+IwAhAQJAA0ACQANAIAJBCGogAEsNASACKQAAIQcgB0KAgY' +
  'KEiJCgwIB/g0IAUg0BIAEgAyAHp0H/AHH7DgAgASADQQFqIAdCCIinQf8AcfsOACABIANBAmogB0IQiKdB/wBx+w4AIAEgA0EDaiAHQhiIp0H/' +
  'AHH7DgAgASADQQRqIAdCIIinQf8AcfsOACABIANBBWogB0IoiKdB/wBx+w4AIAEgA0EGaiAHQjCIp0H/AHH7DgAgASADQQdqIAdCOIin+w4AIA' +
  'JBCGohAiADQQhqIQMMAAsACyACIABPDQEgAi0AACEEIARBgAFJBEAgASADIAT7DgAgAkEBaiECIANBAWohAwwBCyAEQcIBSQ0BIAJBAWogAE8N' +
  'ASACLQABIQUgBUHAAXFBgAFHDQEgBUE/cSEGIARB4AFJBEAgASADIARBH3FBBnQgBnL7DgAgAkECaiECIANBAWohAwwBCyACQQJqIABPDQEgAi' +
  '0AAiEFIAVBwAFxQYABRw0BIAZBBnQgBUE/cXIhBiAEQfABSQRAIARBD3FBDHQgBnIhBiAGQYAQSQ0CIAZBgPADcUGAsANGDQIgASADIAb7DgAg' +
  'AkEDaiECIANBAWohAwwBCyAEQfUBTw0BIAJBA2ogAE8NASACLQADIQUgBUHAAXFBgAFHDQEgBEEHcUESdCAGQQZ0IAVBP3FyckGAgARrIQYgBk' +
  'GAgMAATw0BIAEgA0GAsAMgBkEKdnL7DgAgASADQQFqQYC4AyAGQf8HcXL7DgAgAkEEaiECIANBAmohAwwACwALIAIkASADCwQAIwELCgAjAEEA' +
  'IAAQAAvYAgIBYwAFfyMAIQEgACABQQAQASECAkADQCADIAJPDQEgASAD+w0AIQUgA0EBaiEDIAVBgAFJBEAgBCAFOgAAIARBAWohBAwBCyAFQY' +
  'AQSQRAIARBwAEgBUEGdnI6AAAgBEGAASAFQT9xcjoAASAEQQJqIQQMAQsgBUGA8ANxQYCwA0YEQEEAIQYgBUGAuANJIAMgAklxBEAgASAD+w0A' +
  'IQYLIAZBgPgDcUGAuANGBEAgA0EBaiEDQYCABCAFQf8HcUEKdCAGQf8HcXJqIQUgBEHwASAFQRJ2cjoAACAEQYABIAVBDHZBP3FyOgABIARBgA' +
  'EgBUEGdkE/cXI6AAIgBEGAASAFQT9xcjoAAyAEQQRqIQQMAgtB/f8DIQULIARB4AEgBUEMdnI6AAAgBEGAASAFQQZ2QT9xcjoAASAEQYABIAVB' +
  'P3FyOgACIARBA2ohBAwACwALIAQL'
const WINDOW = 65_536
/** Code units that fill the window where each takes three bytes. */
const UNITS = 21_845
/** Below it, what it takes to begin is more than what it saves; once it has begun, what it takes to enter. */
const LARGE = 16_384
const LARGE_ONCE_BEGUN = 512

interface Program {
  memory: { buffer: ArrayBuffer }
  /** Code units that the memory begins with, up to what is malformed or cut off. */
  decode(count: number): number
  /** Bytes that `decode` has read. */
  read(): number
  text(units: number): string
  encode(text: string): number
}
type Constructor = Parameters<typeof construct>[0]

let natives: { Module: Constructor; Instance: Constructor } | undefined
let program: Program | undefined
let window: Uint8Array<ArrayBuffer>
const Bytes = Uint8Array
const setBytes = uncurry(Bytes.prototype.set)
const subBytes = uncurry(Bytes.prototype.subarray)
const sliceBytes = uncurry(Bytes.prototype.slice)

/** Called when an isolate begins, before its WebAssembly is replaced: this one page is not the module's. */
export function takeWebAssembly(): void {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: { Module: Constructor; Instance: Constructor } }).WebAssembly
  natives = { Module, Instance }
}

/** Whether so many bytes or code units are worth it. */
export function isLarge(length: number): boolean {
  return length >= (program ? LARGE_ONCE_BEGUN : LARGE) && natives !== undefined
}

function begun(): Program {
  if (!program) {
    const { Module, Instance } = natives as NonNullable<typeof natives>
    const module = construct(Module, [fromBase64(PROGRAM), { __proto__: null, builtins: ['js-string'] }])
    program = (construct(Instance, [module, {}]) as { exports: Program }).exports
    window = new Bytes(program.memory.buffer)
  }
  return program
}

/** The text that `bytes` begin with and how many of them it is, up to what is malformed or cut off. */
export function decodeLarge(bytes: Uint8Array): { decoded: string; read: number } {
  const { decode, read, text } = begun()
  const { length } = bytes
  let decoded = ''
  let at = 0
  while (at < length) {
    const count = length - at < WINDOW ? length - at : WINDOW
    setBytes(window, subBytes(bytes, at, at + count))
    decoded += text(decode(count))
    const taken = read()
    at += taken
    // Where the window cuts a sequence the next one begins with it. What is malformed is not this program's.
    if (taken === 0 || count - taken > 3) break
  }
  return { decoded, read: at }
}

/** UTF-8 of a string; lone surrogates become U+FFFD. */
export function encodeLarge(text: string): Uint8Array<ArrayBuffer> {
  const { encode } = begun()
  const { length } = text
  let bytes = new Bytes(length)
  let size = 0
  for (let at = 0, end; at < length; at = end) {
    end = at + UNITS < length ? at + UNITS : length
    if (end < length && (codeAt(text, end - 1) & 0xfc00) === 0xd800) end--
    const piece = sliceBytes(window, 0, encode(slice(text, at, end)))
    if (size + piece.length > bytes.length) {
      const larger = new Bytes(2 * size + piece.length + 2 * (length - end))
      setBytes(larger, bytes)
      bytes = larger
    }
    setBytes(bytes, piece, size)
    size += piece.length
  }
  return size === bytes.length ? bytes : (sliceBytes(bytes, 0, size) as Uint8Array<ArrayBuffer>)
}
