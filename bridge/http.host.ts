import type { WebSocket } from 'ws'
import { type Capability, type Caller, readArgs } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { BulkheadError } from './errors.ts'
import type { ResponseHead } from './http.ts'

/** One request that a module answers, from the host's side. */
export interface HttpExchange {
  /** The next piece of the request's body, undefined at its end. */
  read(): Promise<Uint8Array | undefined>
  /** Begins the response. @throws MODULE_FAILED for a head that no server may send */
  respond(head: ResponseHead): void
  /** Resolves when the client has room for more. @throws UNAVAILABLE where the client has gone, SIZE_LIMIT */
  write(bytes: Uint8Array): Promise<void>
  /** Has the connection become a web socket; there where the request asks for it. @throws UNAVAILABLE where the client has gone */
  upgrade?(protocol: string): Promise<WebSocket>
  /** Resolves when the client has gone. */
  readonly gone: Promise<void>
}

const exchangeOf = (caller: Caller): HttpExchange => {
  if (caller.http) return caller.http
  throw new BulkheadError('INVALID', 'cannot do this, the execution answers no request')
}

/** What the bridge asks for while a module answers a request. It is nobody's permission: the execution is the request's. */
export const httpCapabilities: Readonly<Record<string, Capability>> = {
  'http.read': {
    perExecution: EXECUTION_CAPS.chunks,
    argsLength: 10,
    async run(caller) {
      const bytes = await exchangeOf(caller).read()
      return bytes ? JSON.stringify(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')) : 'null'
    },
  },
  'http.respond': {
    perExecution: 1,
    argsLength: EXECUTION_CAPS.askBytes,
    async run(caller, args) {
      const { status, statusText, headers } = readArgs('http.respond', args)
      exchangeOf(caller).respond({ status, statusText, headers } as ResponseHead)
      return 'null'
    },
  },
  'http.write': {
    perExecution: EXECUTION_CAPS.chunks,
    argsLength: EXECUTION_CAPS.askBytes,
    async run(caller, args) {
      const { b } = readArgs('http.write', args)
      if (typeof b !== 'string') throw new BulkheadError('INVALID', 'cannot write, the bytes are base64 text')
      await exchangeOf(caller).write(Buffer.from(b, 'base64'))
      return 'null'
    },
  },
  'http.gone': {
    perExecution: 1,
    argsLength: 10,
    async run(caller) {
      const ended = new Promise<void>((resolve) => caller.atEnd.push(resolve))
      await Promise.race([exchangeOf(caller).gone, ended])
      return 'null'
    },
  },
}
