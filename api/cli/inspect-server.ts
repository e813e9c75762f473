import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { BulkheadError } from '../../bridge/errors.ts'
import type { Debugging } from '../../runtime/debugging.ts'

const ADDRESS = '127.0.0.1'
/** Bytes of one message of a debugger. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024
/** Bytes that wait for a debugger which does not read; past them it is let go. */
const MAX_WAITING_BYTES = 128 * 1024 * 1024
// Told when a debugger leaves, under ids that none of them has, so that nothing stays paused.
const FIRST_OWN_ID = 2_000_000_000
const FAREWELL = ['Debugger.disable', 'Profiler.disable', 'HeapProfiler.disable', 'Runtime.disable']

/** Where debuggers find a script: on this machine alone, one at a time. */
export interface InspectServer extends AsyncDisposable {
  /** The address of the WebSocket. */
  url: string
  debugging: Debugging
}

/**
 * Serves the Chrome DevTools protocol: `/json/list` and `/json/version` for finding the script, and one WebSocket.
 * Whoever reaches it owns the script. A page in a browser of this machine must not: one that had its own name point here
 * is refused by the Host that it asks for, and any other by its Origin.
 *
 * @param port 0 for any that is free
 * @throws CONFLICT where the port is taken
 */
export async function openInspectServer({ port, waits, title }: { port: number; waits: boolean; title: string }): Promise<InspectServer> {
  const id = randomUUID()
  let tell: ((message: string, run: boolean) => void) | undefined
  /** What a debugger said before the script was there to be told. */
  const early: Array<[message: string, run: boolean]> = []
  let debuggers: WebSocket | undefined

  const server = createServer((request, response) => {
    const found = isFromHere(request) ? describe(request.url ?? '') : undefined
    response.writeHead(found ? 200 : isFromHere(request) ? 404 : 403, { 'content-type': 'application/json; charset=UTF-8', 'cache-control': 'no-cache' })
    response.end(found ? JSON.stringify(found, null, 2) : undefined)
  })
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES })
  server.on('upgrade', (request, socket, head) => {
    if (!isFromHere(request)) return refuse(socket, '403 Forbidden')
    if (request.url !== `/ws/${id}`) return refuse(socket, '404 Not Found')
    if (debuggers) return refuse(socket, '409 Conflict')
    sockets.handleUpgrade(request, socket, head, attach)
  })
  server.listen(port, ADDRESS)
  await once(server, 'listening').catch((thrown: unknown) => {
    throw new BulkheadError('CONFLICT', `cannot listen for a debugger on ${ADDRESS}:${port}, ${(thrown as Error).message}`)
  })
  const authority = `${ADDRESS}:${(server.address() as AddressInfo).port}`

  function describe(path: string): unknown {
    if (path === '/json/version') return { Browser: 'Bulkhead', 'Protocol-Version': '1.3', 'V8-Version': process.versions.v8 }
    if (path !== '/json' && path !== '/json/list') return undefined
    const frontend = `devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&ws=${authority}/ws/${id}`
    return [{ id, type: 'node', title, description: 'bulkhead', url: title, devtoolsFrontendUrl: frontend, webSocketDebuggerUrl: `ws://${authority}/ws/${id}` }]
  }

  function attach(socket: WebSocket): void {
    debuggers = socket
    socket.on('message', (data) => {
      const method = methodOf(String(data))
      if (method === undefined) return socket.close(1007, 'not a message of the Chrome DevTools protocol')
      pass(String(data), method === 'Runtime.runIfWaitingForDebugger')
    })
    socket.on('error', () => socket.terminate())
    socket.on('close', () => {
      debuggers = undefined
      for (const [index, method] of FAREWELL.entries()) pass(JSON.stringify({ id: FIRST_OWN_ID + index, method }), false)
    })
  }

  function pass(message: string, run: boolean): void {
    if (tell) tell(message, run)
    else early.push([message, run])
  }

  return {
    url: `ws://${authority}/ws/${id}`,
    debugging: {
      waits,
      begin(teller) {
        tell = teller
        for (const [message, run] of early.splice(0)) tell(message, run)
      },
      heard(message) {
        if (!debuggers || message.startsWith(`{"id":${String(FIRST_OWN_ID).slice(0, -1)}`)) return
        if (debuggers.bufferedAmount > MAX_WAITING_BYTES) return debuggers.terminate()
        debuggers.send(message)
      },
    },
    async [Symbol.asyncDispose]() {
      debuggers?.close(1001, 'the script has ended')
      sockets.close()
      server.close()
      server.closeAllConnections()
    },
  }
}

/** By the names of this machine, and not from a page. */
function isFromHere({ headers: { host = '', origin } }: IncomingMessage): boolean {
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/.test(host) && (origin === undefined || /^(chrome-)?devtools:\/\//.test(origin))
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

/** Undefined for what is no request of a debugger, such as one under an id that answers could be mistaken by. */
function methodOf(message: string): string | undefined {
  try {
    const { id, method } = JSON.parse(message) as { id?: unknown; method?: unknown }
    return typeof method === 'string' && Number.isInteger(id) && Number(id) >= 0 && Number(id) < FIRST_OWN_ID ? method : undefined
  } catch {
    return undefined
  }
}
