import type { Caller, Capabilities } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { type Conn, openConn } from './conn-stream.host.ts'
import { BulkheadError } from './errors.ts'
import { openDial } from './net-dial.host.ts'
import { answerOrFault } from './net-fault.host.ts'
import { canonicalHost, grantOf, type Target } from './net-grant.host.ts'
import { patienceOf } from './net-held.host.ts'
import { netCapability, type Network } from './net-shared.host.ts'
import type { TlsTerms } from './net-tls.host.ts'

/**
 * `Deno.connect`, `connectTls` and `startTls` for modules: a connection is opened by `conn`, its bytes are passed on piece
 * by piece by `conn.write` and `conn.read`, and it is closed by `conn.close` or with its execution. The guest numbers its
 * connections. What the network made fail is an answer, see net-fault.host.ts.
 */
export function connCapabilities({ options, resolve, places, holds }: Network): Capabilities {
  const held = holds.of<Conn>('connection')
  const dial = openDial(options)
  const authorities = options.ca === undefined ? [] : [options.ca]

  /** A connection may be open for as long as a daemon runs: what was revoked since is over. @throws UNAVAILABLE, CAPABILITY_DENIED */
  function stillGranted(caller: Caller, id: unknown): Conn {
    const conn = held(caller).find(id)
    if (grantOf(caller.permissions, conn.target)) return conn
    conn.close()
    const { host, port } = conn.target
    throw new BulkheadError('CAPABILITY_DENIED', `cannot go on with the connection, the grant "net:${host}:${port}" was revoked`)
  }

  return {
    conn: netCapability('conn', EXECUTION_CAPS.askBytes, EXECUTION_CAPS.calls, async (caller, { id, hostname, port, tls }) => {
      const hold = held(caller)
      const target = readTarget(hostname, port)
      const terms = tls === undefined ? undefined : readTerms(tls, target.host, authorities)
      const open = () => openConn({ caller, target, tls: terms, resolve, dial, place: places.of(caller.module), count: hold.count })
      return answerOrFault(() => hold.add(id, open).head)
    }),
    'conn.tls': netCapability('conn.tls', EXECUTION_CAPS.askBytes, EXECUTION_CAPS.calls, async (caller, { id, hostname, tls }) => {
      stillGranted(caller, id).startTls(readTerms(tls, readHost(hostname), authorities))
      return ''
    }),
    'conn.handshake': netCapability('conn.handshake', 100, EXECUTION_CAPS.calls, (caller, { id }) => {
      const conn = stillGranted(caller, id)
      return answerOrFault(async () => JSON.stringify({ alpnProtocol: await conn.handshake() }))
    }),
    'conn.read': netCapability('conn.read', 100, EXECUTION_CAPS.chunks, (caller, { id }) => {
      const conn = stillGranted(caller, id)
      return answerOrFault(() => conn.read(patienceOf(caller)))
    }),
    'conn.write': netCapability('conn.write', EXECUTION_CAPS.largeAskBytes, EXECUTION_CAPS.chunks, (caller, { id, bytes }) => {
      const conn = stillGranted(caller, id)
      return answerOrFault(async () => {
        await conn.write(Buffer.from(typeof bytes === 'string' ? bytes : '', 'base64'))
        return ''
      })
    }),
    'conn.end': netCapability('conn.end', 100, EXECUTION_CAPS.calls, (caller, { id }) => {
      const conn = stillGranted(caller, id)
      return answerOrFault(async () => {
        await conn.endWriting()
        return ''
      })
    }),
    'conn.close': netCapability('conn.close', 100, EXECUTION_CAPS.calls, async (caller, { id }) => {
      held(caller).get(id)?.leave()
      return ''
    }),
  }
}

function readTarget(hostname: unknown, port: unknown): Target {
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65_535) throw invalid('the port is not from 1 to 65535')
  return { host: readHost(hostname), port: port as number }
}

function readHost(hostname: unknown): string {
  if (typeof hostname !== 'string' || hostname.length > 255) throw invalid('the host is none')
  const host = canonicalHost(hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname)
  if (host === undefined) throw invalid('the host is none')
  return host
}

const MAX_CERTS = 16
const MAX_PROTOCOLS = 16

function readTerms(tls: unknown, host: string, authorities: readonly string[]): TlsTerms {
  const { caCerts, alpnProtocols } = (tls ?? {}) as { caCerts?: unknown; alpnProtocols?: unknown }
  if (!areTexts(caCerts, MAX_CERTS, Infinity)) throw invalid(`there may be ${MAX_CERTS} certificates`)
  if (!areTexts(alpnProtocols, MAX_PROTOCOLS, 255)) throw invalid(`there may be ${MAX_PROTOCOLS} protocols, each of 1 to 255 bytes`)
  return { name: host.replace(/^\[|\]$/g, ''), caCerts: [...authorities, ...caCerts], alpnProtocols }
}

function areTexts(value: unknown, most: number, maxBytes: number): value is string[] {
  return Array.isArray(value) && value.length <= most && value.every((one) => typeof one === 'string' && one !== '' && Buffer.byteLength(one) <= maxBytes)
}

function invalid(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot connect, ${why}`)
}
