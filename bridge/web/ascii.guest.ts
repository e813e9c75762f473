import { fromBase64 } from '../base64.guest.ts'
import { construct, uncurry } from '../primordials.guest.ts'

// The beginning of a text that is all ASCII, made a string of by WebAssembly's own string functions: 1 ms for each
// megabyte, where String.fromCharCode takes 4. Bytes go through one page of memory, 64 KB at a time. The program:
//
//   (import "wasm:js-string" "fromCharCodeArray" (func $from (param (ref null $units) i32 i32) (result (ref extern))))
//   (memory (export "memory") 1)
//   (global $buffer (ref $units) (array.new_default $units (i32.const 65536)))          ;; (array (mut i16))
//   (func (export "latin1") (param $count i32) (result (ref extern)) …)   ;; memory[0..count] into $buffer, then $from
//   (func (export "ascii") (param $count i32) (result i32) …)             ;; how many bytes come before the first ≥ 128
const PROGRAM =
  'AGFzbQEAAAABGARedwFgA2MAf38BZG9gAX8BZG9gAX8BfwIkAQ53YXNtOmpzLXN0cmluZxFmcm9tQ2hhckNvZGVBcnJheQABAwMCAgMFAwEAAQ' +
  'YMAWQAAEGAgAT7BwALBxsDBm1lbW9yeQIABmxhdGluMQABBWFzY2lpAAIKhQECLQEBfwNAIAAgAU1FBEAjACABIAEtAAD7DgAgAUEBaiEBDAEL' +
  'CyMAQQAgABAAC1UBAn8DQAJAIAFBCGoiAiAATw0AIAEpAwBCgIGChIiQoMCAf4NCAFINACACIQEMAQsLA0ACQCAAIAFNDQAgAS0AAEGAAU8NACABQQFqIQEMAQsLIAEL'
const WINDOW = 65_536
/** Below it, what it takes to enter is more than what it saves. */
export const LARGE = 16_384

interface Program {
  memory: { buffer: ArrayBuffer }
  latin1(count: number): string
  ascii(count: number): number
}
type Constructor = Parameters<typeof construct>[0]

let natives: { Module: Constructor; Instance: Constructor } | undefined
let program: Program | undefined
let window: Uint8Array
const Bytes = Uint8Array
const setBytes = uncurry(Bytes.prototype.set)
const subBytes = uncurry(Bytes.prototype.subarray)

/** Called when an isolate begins, before its WebAssembly is replaced: this one page is not the module's. */
export function takeWebAssembly(): void {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: { Module: Constructor; Instance: Constructor } }).WebAssembly
  natives = { Module, Instance }
}

/** The ASCII that `bytes` begin with. */
export function asciiPrefix(bytes: Uint8Array): string {
  if (!natives) return ''
  if (!program) {
    const module = construct(natives.Module, [fromBase64(PROGRAM), { builtins: ['js-string'] }])
    program = (construct(natives.Instance, [module, {}]) as { exports: Program }).exports
    window = new Bytes(program.memory.buffer)
  }
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const count = bytes.length - at < WINDOW ? bytes.length - at : WINDOW
    setBytes(window, subBytes(bytes, at, at + count))
    const ascii = program.ascii(count)
    text += program.latin1(ascii)
    at += ascii
    if (ascii < count) break
  }
  return text
}
