import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Caller } from './capabilities.ts'
import { BulkheadError } from './errors.ts'
import type { Dial } from './net-dial.host.ts'
import type { Target } from './net-grant.host.ts'
import type { Place } from './net-places.host.ts'
import { pull } from './net-pull.host.ts'
import { type Resolve, routeTo } from './net-route.host.ts'
import { secure, type TlsTerms } from './net-tls.host.ts'

export interface ConnOptions {
  caller: Caller
  target: Target
  /** TLS from the first byte on. */
  tls: TlsTerms | undefined
  resolve: Resolve
  dial: Dial
  place: Place
  /** Counts what goes over the wire. @throws SIZE_LIMIT */
  count(way: 'sent' | 'received', bytes: number): void
}

/** One connection of a module, from its opening until the module closes it or what opened it ends. */
export interface Conn {
  readonly target: Target
  /** Both ends' addresses as JSON. */
  readonly head: Promise<string>
  /** Speaks TLS from here on. @throws INVALID where it does already */
  startTls(terms: TlsTerms): void
  /** The protocol that was agreed on, once the other end is verified. */
  handshake(): Promise<string | null>
  /** The next bytes, as of a body. */
  read(patienceMs?: number): Promise<string>
  /** Resolves once the system has taken them. */
  write(bytes: Buffer): Promise<void>
  /** Ends what is written; what is read goes on. */
  endWriting(): Promise<void>
  /** Lets go of it once what was written is out. */
  leave(): void
  close(): void
  readonly ended: Promise<void>
}

/** What was written and is not taken by the other end is given up so long after the connection was closed, ms. */
const LINGER_MS = 10_000

export function openConn({ caller, target, tls, resolve, dial, place, count }: ConnOptions): Conn {
  const abort = new AbortController()
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  let give = () => {}
  let raw: Socket | undefined
  let remoteAddress = ''
  let secured: TLSSocket | undefined

  function close(): void {
    abort.abort(new BulkheadError('UNAVAILABLE', 'cannot go on with the connection, it was closed'))
    secured?.destroy()
    raw?.destroy()
    give()
    end()
  }

  async function begin(): Promise<Socket> {
    try {
      give = await place.take(abort.signal)
      abort.signal.throwIfAborted()
      const addresses = await routeTo(caller, target, `connect to ${target.host}:${target.port}`, resolve)
      abort.signal.throwIfAborted()
      const dialed = await dial({ host: target.host.replace(/^\[|\]$/g, ''), port: target.port, addresses, signal: abort.signal })
      raw = dialed.socket
      remoteAddress = dialed.address
      abort.signal.throwIfAborted()
      raw.allowHalfOpen = true
      raw.on('error', () => {}) // whoever reads or writes is told
      raw.on('close', () => give())
      if (raw.destroyed) give()
      return raw
    } catch (thrown) {
      const reason: unknown = abort.signal.aborted ? abort.signal.reason : thrown
      close()
      throw reason
    }
  }

  async function speakTls(over: Promise<Socket>, terms: TlsTerms): Promise<Socket> {
    const { socket, handshake } = secure(await over, terms)
    secured = socket
    await handshake
    return socket
  }

  const connected = begin()
  /** What bytes may be passed on by: not before the other end is verified. */
  let ready: Promise<Socket>
  let isReady = false
  passBy(tls ? speakTls(connected, tls) : connected)

  function passBy(stream: Promise<Socket>): void {
    ready = stream
    isReady = false
    stream.then(
      () => (isReady = true),
      () => {},
    )
  }

  function counted(way: 'sent' | 'received', bytes: number): void {
    try {
      count(way, bytes)
    } catch (thrown) {
      close()
      throw thrown
    }
  }

  function linger(): void {
    const overdue = setTimeout(close, LINGER_MS)
    raw?.once('close', () => {
      clearTimeout(overdue)
      close()
    })
    ;(secured ?? raw)?.destroySoon()
  }

  return {
    target,
    head: connected.then(({ localPort = 0 }) => JSON.stringify(addressesOf(remoteAddress, target.port, localPort))),
    ended,
    close,
    startTls(terms) {
      if (secured || tls) throw new BulkheadError('INVALID', 'cannot start TLS, it is spoken already')
      passBy(speakTls(connected, terms))
    },
    async handshake() {
      await ready
      return secured?.alpnProtocol || null
    },
    async read(patienceMs) {
      const from = await ready
      // A write that failed has taken the stream down; of what can be read, that is the end.
      if ((from.errored as { code?: string } | null)?.code === 'EPIPE') return '.'
      return pull(from, (bytes) => counted('received', bytes), patienceMs)
    },
    async write(bytes) {
      const to = await ready
      counted('sent', bytes.length)
      if (to.writableEnded || to.destroyed) throw broken()
      await new Promise<void>((done, fail) => to.write(bytes, (error) => (error ? fail(to.destroyed && !('code' in error) ? broken() : error) : done())))
    },
    async endWriting() {
      const to = await ready
      if (!to.writableEnded && !to.destroyed) await new Promise<void>((done) => to.end(done))
    },
    leave() {
      if (!isReady || raw?.destroyed) return close()
      // Behind the writes that were asked for before it, which go on by the same promise.
      void ready.then(linger)
    },
  }
}

function broken(): Error {
  return Object.assign(new Error('Broken pipe'), { code: 'EPIPE' })
}

/** Of this end nothing is told but its port: its address is the host's. */
function addressesOf(hostname: string, port: number, localPort: number): { local: object; remote: object } {
  return { local: { hostname: hostname.includes(':') ? '::1' : '127.0.0.1', port: localPort }, remote: { hostname, port } }
}
