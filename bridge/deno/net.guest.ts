import { whenAborted } from '../web/abort.guest.ts'
import { type HostAsk, hostAsker } from '../web/host.guest.ts'
import { nextId } from '../web/net-id.guest.ts'
import { type Addr, giveUp, stateOf, TcpConn, TlsConn } from './conn.guest.ts'
import { denoErrors, notSupported } from './errors.guest.ts'
import { answerTo, askAnyway } from './host-answer.guest.ts'

export { resolveDns } from './dns.guest.ts'

type Signal = Parameters<typeof whenAborted>[0]

interface ConnectOptions {
  port: number
  hostname?: string
  transport?: string
  signal?: Signal
}

interface TlsOptions {
  hostname?: string
  caCerts?: string[]
  alpnProtocols?: string[]
  cert?: string
  key?: string
  unsafelyDisableHostnameVerification?: boolean
}

export async function connect(options: ConnectOptions): Promise<TcpConn> {
  const { transport = 'tcp', signal } = options
  if (transport !== 'tcp') throw notSupported(`Deno.connect with the transport ${JSON.stringify(transport)}`, 'a module reaches others by TCP alone')
  const { id, ask, remote, local } = await open('Deno.connect', options, undefined, signal)
  return new TcpConn(id, ask, remote, local)
}

export async function connectTls(options: ConnectOptions & TlsOptions): Promise<TlsConn> {
  const { transport = 'tcp' } = options
  if (transport !== 'tcp') throw new TypeError(`Unsupported transport: '${transport}'`)
  const { id, ask, remote, local } = await open('Deno.connectTls', options, termsOf('Deno.connectTls', options))
  return new TlsConn(id, ask, remote, local)
}

/** Takes the connection over: who has it can go on by what this resolves with alone. */
export async function startTls(conn: TcpConn, options: TlsOptions = {}): Promise<TlsConn> {
  const tls = termsOf('Deno.startTls', options)
  if (!(conn instanceof TcpConn)) throw new TypeError('cannot start TLS, that is no connection of Deno.connect')
  const state = stateOf(conn)
  if (state.isClosed) throw new denoErrors.BadResource('Bad resource ID')
  if (state.reading > 0 || state.isLong) throw new denoErrors.Busy('TCP stream is currently in use')
  // Whoever sent it could otherwise have it taken for what was said under TLS.
  if (state.rest.length > 0) throw new denoErrors.InvalidData(`cannot start TLS, ${state.rest.length} bytes came before it that were not read`)
  const { id, ask } = state
  giveUp(state)
  try {
    await answerTo(ask, 'conn.tls', { id, hostname: hostnameOf(options), tls })
  } catch (thrown) {
    askAnyway(ask, 'conn.close', { id })
    throw thrown
  }
  return new TlsConn(id, ask, conn.remoteAddr, conn.localAddr)
}

async function open(api: string, options: ConnectOptions, tls: object | undefined, signal?: Signal): Promise<{ id: number; ask: HostAsk; remote: Addr; local: Addr }> {
  const port = portOf(options.port)
  const hostname = hostnameOf(options)
  signal?.throwIfAborted()
  const ask = hostAsker()
  const id = nextId()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const forget = signal && whenAborted(signal, () => {
    reject(signal.reason)
    askAnyway(ask, 'conn.close', { id })
  })
  try {
    const opening = answerTo(ask, 'conn', { id, hostname, port, tls })
    const { remote, local } = JSON.parse(await Promise.race([opening, aborted])) as { remote: object; local: object }
    return { id, ask, remote: addr(remote), local: addr(local) }
  } catch (thrown) {
    throw asConnectError(thrown, api, hostname)
  } finally {
    forget?.()
  }
}

/** What Deno's would be; a refusal stays what it is. */
function asConnectError(thrown: unknown, api: string, hostname: string): unknown {
  const { code, message } = Object(thrown) as { code?: string; message?: string }
  if (code === 'UNAVAILABLE') return new Error(message)
  return code === 'INVALID' ? new URIError(`cannot use ${api} with the host ${JSON.stringify(hostname.slice(0, 300))}: ${message}`) : thrown
}

function addr(text: object): Addr {
  return Object.assign(Object.create(null) as object, text, { transport: 'tcp' }) as Addr
}

function hostnameOf({ hostname = '127.0.0.1' }: { hostname?: string }): string {
  return String(hostname)
}

function portOf(given: unknown): number {
  if (typeof given !== 'number' && typeof given !== 'string') throw new TypeError(`Invalid port (expected number): ${String(given)}`)
  const port = Number(given)
  if (!Number.isInteger(port) || given === '') throw new TypeError(`Invalid port: ${typeof given === 'string' ? `'${given}'` : given}`)
  if (port < 1 || port > 65_535) throw new RangeError(`Invalid port (out of range): ${port}`)
  return port
}

function termsOf(api: string, { caCerts = [], alpnProtocols = [], cert, key, unsafelyDisableHostnameVerification }: TlsOptions): object {
  if (cert !== undefined || key !== undefined) throw notSupported(`${api} with cert and key`, 'the host shows no certificate of its own for a module')
  if (unsafelyDisableHostnameVerification) throw notSupported(`${api} with unsafelyDisableHostnameVerification`, 'the host verifies whom a module is connected with')
  if (!Array.isArray(caCerts) || !Array.isArray(alpnProtocols)) throw new TypeError('caCerts and alpnProtocols are arrays of strings')
  return { caCerts: caCerts.map(String), alpnProtocols: alpnProtocols.map(String) }
}
