import { type Caller, type Capability, readArgs } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { BulkheadError } from './errors.ts'
import { SOCKET_LIMITS } from './websocket-limits.ts'

/** The sockets that clients have open to one instance of a module, by the numbers that its bridge gave them. */
export interface ServedSockets {
  /**
   * Has the request's connection become a socket.
   *
   * @throws INVALID where the request asked for none, UNAVAILABLE where the client has gone
   */
  open(caller: Caller, id: number, options: { protocol: string; idleMs: number }): Promise<void>
  /** Whether there is room for more; where there is none, the module is told when there is again. */
  send(id: number, messages: readonly unknown[]): boolean
  close(id: number, code: unknown, reason: string): void
}

/** What the bridge asks for where clients open sockets to the module. It is nobody's permission: the requests are the host's. */
export const websocketCapabilities: Readonly<Record<string, Capability>> = {
  'http.upgrade': {
    perExecution: 1,
    argsLength: 1_000,
    async run(caller, args) {
      const { id, protocol, idleS } = readArgs('http.upgrade', args)
      if (typeof protocol !== 'string' || !Number.isSafeInteger(id)) throw new BulkheadError('INVALID', 'cannot upgrade, the socket has no number or no protocol')
      await socketsOf(caller).open(caller, id as number, { protocol, idleMs: idleMs(idleS) })
      return 'null'
    },
  },
  'websocket.send': {
    perExecution: EXECUTION_CAPS.chunks,
    argsLength: EXECUTION_CAPS.largeAskBytes,
    async run(caller, args) {
      const { id, messages } = readArgs('websocket.send', args)
      if (!Array.isArray(messages) || messages.length > SOCKET_LIMITS.batchMessages) throw new BulkheadError('INVALID', 'cannot send, the messages are no list')
      return String(socketsOf(caller).send(id as number, messages))
    },
  },
  'websocket.close': {
    perExecution: EXECUTION_CAPS.calls,
    argsLength: 1_000,
    async run(caller, args) {
      const { id, code, reason } = readArgs('websocket.close', args)
      socketsOf(caller).close(id as number, code, String(reason ?? ''))
      return 'null'
    },
  },
}

function socketsOf({ sockets }: Caller): ServedSockets {
  if (sockets) return sockets
  throw new BulkheadError('INVALID', 'cannot do this, the module has no sockets')
}

/** What a module asks for, within what it may; for ever is as long as it may. */
function idleMs(given: unknown): number {
  const { least, most } = SOCKET_LIMITS.idleS
  const seconds = typeof given === 'number' && given > 0 ? given : most
  return Math.min(most, Math.max(least, seconds)) * 1_000
}
