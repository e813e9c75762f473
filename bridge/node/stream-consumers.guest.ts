import { Buffer } from './buffer.guest.ts'
import { globals } from './host.guest.ts'

type Source = AsyncIterable<string | Uint8Array>

export async function buffer(source: Source): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
export async function text(source: Source): Promise<string> {
  return new globals.TextDecoder().decode(await buffer(source))
}
export async function json(source: Source): Promise<unknown> {
  return JSON.parse(await text(source))
}
export async function arrayBuffer(source: Source): Promise<ArrayBufferLike> {
  const bytes = await buffer(source)
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
}
export async function blob(source: Source): Promise<unknown> {
  const Blob = globals['Blob'] as new (parts: unknown[]) => unknown
  return new Blob([await buffer(source)])
}
export default { buffer, text, json, arrayBuffer, blob }
