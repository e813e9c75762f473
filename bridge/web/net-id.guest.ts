import { fillRandom } from './random.guest.ts'

let lastId = 0

/**
 * A number for something that the host opens, of its own among those of other isolates of the module, which may go on
 * with what the last one began.
 */
export function nextId(): number {
  if (lastId === 0) {
    const start = new Uint8Array(4)
    fillRandom(start)
    lastId = new DataView(start.buffer).getUint32(0) * 2 ** 16
  }
  return ++lastId
}
