import { DOMException } from './dom-exception.guest.ts'
import { hostAsk } from './host.guest.ts'
import { fromBase64, toBase64 } from './native-base64.guest.ts'
import { CELL_CAPS, type CellCall } from '../cell-calls.ts'

type Bytes = Uint8Array<ArrayBuffer>
const CALL_LENGTH = CELL_CAPS.callLength
const PIECE = CELL_CAPS.pieceBytes

let lastStage = 0

/** What the cell answers to a call: JSON, and bytes. @throws the error that it answers with instead */
export async function cellAsk(call: CellCall, head: unknown, parts: readonly Bytes[] = []): Promise<{ head: unknown; parts: Bytes[] }> {
  let text = JSON.stringify(head)
  let length = 0
  for (const part of parts) length += part.length
  for (const part of parts) text += '\0' + (length > PIECE ? await stage(part) : toBase64(part))
  const answer = await hostAsk(call, text, CALL_LENGTH)
  if (answer.startsWith('!')) throw errorOf(answer.slice(1))
  const at = answer.indexOf('\0')
  if (at < 0) return { head: JSON.parse(answer), parts: [] }
  return { head: JSON.parse(answer.slice(0, at)), parts: answer.slice(at + 1).split('\0').map(fromBase64) }
}

/** Brings bytes over in pieces; while one is worked on the next one is made. */
async function stage(bytes: Bytes): Promise<string> {
  const id = ++lastStage
  let before: Promise<string> | undefined
  for (let at = 0; at < bytes.length; at += PIECE) {
    const sent = hostAsk('cell.stage', `${id}\0${toBase64(bytes.subarray(at, at + PIECE))}`, CALL_LENGTH)
    await before
    before = sent
  }
  // The call itself follows the last piece over the same way, which keeps its order.
  before?.catch(() => {})
  return `#${id}`
}

function errorOf(text: string): unknown {
  const { name, message } = JSON.parse(text) as { name: string; message: string }
  return name === 'TypeError' ? new TypeError(message) : new DOMException(message, name)
}
