import type { Readable } from 'node:stream'
import { firstOf } from './first-of.ts'
import { NET_CAPS } from './net-caps.ts'

/**
 * The next bytes, as many as are there up to a piece's size; it waits for the first. `+` and base64, or `.` and base64
 * for what is the last.
 *
 * @param count told of them, before they are passed on
 * @param patienceMs answers with nothing after so long, where given
 */
export async function pull(from: Readable, count: (bytes: number) => void, patienceMs?: number): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for (;;) {
    if (from.errored) throw from.errored
    const wanted = Math.min(from.readableLength, NET_CAPS.chunkBytes - length)
    const part = wanted > 0 ? (from.read(wanted) as Buffer | null) : null
    if (part) {
      parts.push(part)
      length += part.length
      count(part.length)
    } else if (from.readableEnded || from.destroyed) {
      if (!from.readableEnded) throw new Error('the connection was closed')
      return '.' + Buffer.concat(parts).toString('base64')
    } else if (length > 0 && !(await endsNow(from))) return '+' + Buffer.concat(parts).toString('base64')
    else if (length === 0 && !(await moved(from, patienceMs))) return '+'
    if (length >= NET_CAPS.chunkBytes) return '+' + Buffer.concat(parts).toString('base64')
  }
}

/** Whether the stream's end follows at once, so that the last piece can say that it is the last. */
async function endsNow(from: Readable): Promise<boolean> {
  from.read(0)
  await new Promise(setImmediate)
  return from.readableEnded || from.destroyed || from.readableLength > 0
}

function moved(from: Readable, patienceMs?: number): Promise<boolean> {
  const changed = firstOf(from, ['readable', 'end', 'error', 'close'], patienceMs)
  from.read(0)
  return changed
}
