import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { agentsOf, type AgentsOptions } from './net-tunnel.host.ts'

/** One request to one place; redirects and bodies are its caller's. */
export interface Hop {
  url: URL
  method: string
  headers: Array<[name: string, value: string]>
  /** Addresses that were found to be allowed; it connects to these and no other. */
  addresses: readonly string[]
  signal: AbortSignal
}

/** Where requests of one module leave from: connections are kept for it alone, since another one's grants are others. */
export interface Gate {
  /** Sends the head; the caller writes the body and ends the request. */
  send(hop: Hop): { request: ClientRequest; response: Promise<IncomingMessage> }
  close(): void
}

const IDLE_MS = 4_000
const MAX_IDLE = 16
/** Read ahead of who reads, so that a piece that goes over is a large one. */
const AHEAD_BYTES = 256 * 1024
const MAX_HEADER_BYTES = 32 * 1024

export function openGate(by: AgentsOptions): Gate {
  const options = { keepAlive: true, highWaterMark: AHEAD_BYTES, keepAliveMsecs: IDLE_MS, maxFreeSockets: MAX_IDLE, timeout: IDLE_MS }
  const agents = agentsOf(by, options)
  return {
    send({ url, method, headers, addresses, signal }) {
      const isSecure = url.protocol === 'https:'
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
      const request = (isSecure ? requestHttps : requestHttp)({
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port === '' ? (isSecure ? 443 : 80) : Number(url.port),
        path: url.pathname + url.search,
        method,
        setHost: false,
        headers: ['Host', url.host, ...headers.flat()],
        agent: agents[isSecure ? 'https:' : 'http:'],
        lookup: only(addresses),
        maxHeaderSize: MAX_HEADER_BYTES,
        signal,
      })
      // The socket's own time without traffic is the pool's: what takes long is ended by the execution's deadline.
      request.setTimeout(0)
      request.on('response', resolve)
      request.on('error', reject)
      request.on('upgrade', (_, socket) => {
        socket.destroy()
        reject(new Error('unexpected upgrade'))
      })
      return { request, response: promise }
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}

/** Answers with addresses that were checked, whatever a name server would say by now. */
export function only(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  return (_hostname, { all: wantsAll }, callback) => {
    const [first] = all
    if (!first) callback(new Error('no address'), '')
    else if (wantsAll) callback(null, all)
    else callback(null, first.address, first.family)
  }
}
