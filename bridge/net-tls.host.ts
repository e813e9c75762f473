import { isIP, type Socket } from 'node:net'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'

/** What a module says of the TLS that it wants; that the other end is verified it does not decide. */
export interface TlsTerms {
  /** The name, or the address without brackets, that the certificate has to be for. */
  name: string
  /** Authorities besides those of the system, in PEM. */
  caCerts: readonly string[]
  alpnProtocols: readonly string[]
}

/** TLS over a connection that is there. It is spoken, and the other end verified, once `handshake` resolves. */
export function secure(raw: Socket, { name, caCerts, alpnProtocols }: TlsTerms): { socket: TLSSocket; handshake: Promise<void> } {
  const socket = connect({
    socket: raw,
    secureContext: contextOf(caCerts),
    rejectUnauthorized: true,
    ...(isIP(name) === 0 ? { servername: name } : { host: name }),
    ...(alpnProtocols.length > 0 && { ALPNProtocols: [...alpnProtocols] }),
  })
  socket.allowHalfOpen = true
  const { promise: handshake, resolve, reject } = Promise.withResolvers<void>()
  handshake.catch(() => {})
  socket.once('secureConnect', resolve)
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('closed')))
  return { socket, handshake }
}

/**
 * The roots of the system and these. With the option `ca` all of the roots would have to be given beside them, which takes
 * this thread 24 ms to parse; adding to the store that was parsed before takes 2.
 */
function contextOf(caCerts: readonly string[]): SecureContext {
  const secureContext = createSecureContext()
  const { addCACert } = secureContext.context as { addCACert(pem: string): void }
  for (const pem of caCerts) addCACert.call(secureContext.context, pem)
  return secureContext
}
