import { Agent as HttpAgent, type AgentOptions, request } from 'node:http'
import { Agent as HttpsAgent, type AgentOptions as HttpsAgentOptions } from 'node:https'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

export interface AgentsOptions {
  /** A certificate authority besides those of the system, in PEM. */
  ca?: string
  /** An HTTP proxy through which everything goes, `http://user:password@host:port`. */
  proxy?: string
}

export interface Agents {
  'http:': HttpAgent
  'https:': HttpsAgent
}

type Connect = { host?: string; port?: number | string; lookup?: LookupFunction; servername?: string }
type Done = (error: Error | null, socket?: Socket) => void

/**
 * What connections are made by: directly, or by a tunnel of the proxy's (RFC 9110, 9.3.6) to the address that was checked.
 * The proxy is asked for no name, so that it cannot find another address for it.
 */
export function agentsOf({ ca, proxy }: AgentsOptions, options: AgentOptions & HttpsAgentOptions): Agents {
  const agents = { 'http:': new HttpAgent(options), 'https:': new HttpsAgent({ ...options, ...(ca !== undefined && { ca }) }) }
  if (proxy === undefined) return agents
  const tunnel = openTunnel(new URL(proxy))
  agents['http:'].createConnection = ((to: Connect, done: Done) => tunnel(to, done)) as unknown as HttpAgent['createConnection']
  agents['https:'].createConnection = ((to: Connect, done: Done) => {
    tunnel(to, (error, socket) => {
      if (error || !socket) return done(error)
      const name = to.servername ?? to.host ?? ''
      const secured = connectTls({ ...(to as ConnectionOptions), socket, ...(ca !== undefined && { ca }), ...(isIP(name) === 0 && { servername: name }) })
      done(null, secured)
    })
  }) as unknown as HttpsAgent['createConnection']
  return agents
}

const CONNECT_MS = 10_000

export function openTunnel(proxy: URL): (to: Connect, done: Done) => void {
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  const authorization = proxy.username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }
  return (to, done) => {
    addressOf(to, (error, address) => {
      if (error || address === undefined) return done(error ?? new Error('no address'))
      const target = `${address.includes(':') ? `[${address}]` : address}:${to.port}`
      const asking = request({ host: proxy.hostname, port: proxy.port || 80, method: 'CONNECT', path: target, headers: { host: target, ...authorization }, agent: false, timeout: CONNECT_MS })
      asking.on('connect', ({ statusCode }, socket, head) => {
        if (statusCode === 200 && head.length === 0) return done(null, socket)
        socket.destroy()
        done(new Error('the proxy refused'))
      })
      asking.on('response', (response) => {
        response.destroy()
        done(new Error('the proxy refused'))
      })
      asking.on('timeout', () => asking.destroy(new Error('the proxy does not answer')))
      asking.on('error', done)
      asking.end()
    })
  }
}

function addressOf({ host = '', lookup }: Connect, done: (error: Error | null, address?: string) => void): void {
  if (isIP(host) !== 0) return done(null, host)
  if (!lookup) return done(new Error('no address'))
  lookup(host, { all: false }, (error, address) => done(error, address as string))
}
