import { BulkheadError } from '../bridge/errors.ts'
import type { ServedSockets } from '../bridge/websocket.host.ts'
import type { SocketPiece } from '../bridge/websocket-limits.ts'
import { openAdmission } from './admission.ts'
import { type ServedSocket, serveSocket } from './served-socket.ts'

/** The sockets of one instance, as it keeps them. */
export interface InstanceSockets extends ServedSockets {
  /** How many are open. */
  readonly size: number
  /** Reads nothing more from clients; what is under way goes on. */
  pause(): void
  /** Says good-bye to all, and waits until the module has been told of each, or has had `withinMs`. */
  closeAll(code: number, reason: string, withinMs: number): Promise<void>
}

interface Options {
  module: string
  /** Executions in which messages are received, at one time. */
  maxConcurrency: number
  /** @throws what the execution ends with */
  deliver(id: number, pieces: SocketPiece[]): Promise<unknown>
  /** Called with the first that opens, and when the last one has closed. */
  onUse(isUsed: boolean): void
}

/** Of all sockets of an instance: bytes that wait for clients which do not take them. */
const UNSENT_BYTES = 16 * 1024 * 1024

export function openServedSockets({ module, maxConcurrency, deliver, onUse }: Options): InstanceSockets {
  const sockets = new Map<number, ServedSocket>()
  const turns = openAdmission(module, maxConcurrency)
  let closing: { code: number; reason: string } | undefined

  const find = (id: number): ServedSocket => {
    const socket = sockets.get(id)
    if (socket) return socket
    throw new BulkheadError('UNAVAILABLE', 'cannot go on with the socket, it is closed')
  }
  return {
    get size() {
      return sockets.size
    },
    async open({ http }, id, { protocol, idleMs }) {
      if (!http?.upgrade) throw new BulkheadError('INVALID', 'cannot upgrade, the request asks for no web socket')
      if (sockets.has(id)) throw new BulkheadError('INVALID', 'cannot upgrade, the socket has no number of its own')
      if (closing) throw new BulkheadError('UNAVAILABLE', `cannot upgrade, ${closing.reason}`)
      const webSocket = await http.upgrade(protocol)
      const socket = serveSocket({ webSocket, idleMs, deliver: (pieces) => turns.run(() => deliver(id, pieces), Infinity) })
      if (sockets.size === 0) onUse(true)
      sockets.set(id, socket)
      void socket.ended.then(() => {
        sockets.delete(id)
        if (sockets.size === 0) onUse(false)
      })
      socket.begin()
    },
    send(id, messages) {
      const socket = find(id)
      const hasRoom = socket.send(messages)
      let unsent = 0
      for (const { unsent: own } of sockets.values()) unsent += own
      if (unsent > UNSENT_BYTES) socket.leave(1008, 'too much waits for the clients of the module')
      return hasRoom
    },
    close: (id, code, reason) => sockets.get(id)?.close(code, reason),
    pause() {
      for (const socket of sockets.values()) socket.pause()
    },
    async closeAll(code, reason, withinMs) {
      closing = { code, reason }
      for (const socket of sockets.values()) socket.leave(code, reason)
      const { promise: late, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, withinMs)
      await Promise.race([late, Promise.all([...sockets.values()].map(({ ended }) => ended))])
      clearTimeout(timer)
    },
  }
}
