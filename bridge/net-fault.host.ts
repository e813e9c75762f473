import { BulkheadError } from './errors.ts'

/** What a module of Deno's is told of what failed on the network: the class of `Deno.errors`, and the operating system's code. */
export interface Fault {
  name: string
  message: string
  code?: string
}

const SYSTEM: Readonly<Record<string, readonly [name: string, message: string]>> = {
  ECONNREFUSED: ['ConnectionRefused', 'Connection refused (os error 111)'],
  ECONNRESET: ['ConnectionReset', 'Connection reset by peer (os error 104)'],
  EPIPE: ['BrokenPipe', 'Broken pipe (os error 32)'],
  ETIMEDOUT: ['TimedOut', 'Connection timed out (os error 110)'],
  EHOSTUNREACH: ['Error', 'No route to host (os error 113)'],
  ENETUNREACH: ['NetworkUnreachable', 'Network is unreachable (os error 101)'],
}

const UNKNOWN_ISSUER = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*)$/

/** Failures of the network as an answer: `!` and a Fault. What the host itself refuses is thrown on. */
export async function answerOrFault(run: () => Promise<string>, faultOf = connectionFault): Promise<string> {
  try {
    return await run()
  } catch (thrown) {
    if (thrown instanceof BulkheadError) throw thrown
    return `!${JSON.stringify(faultOf(thrown))}`
  }
}

/** Without a word about the host's own addresses and sockets. */
function connectionFault(thrown: unknown): Fault {
  const { code: own, errors } = Object(thrown) as { code?: string; errors?: Array<{ code?: string }> }
  const code = own ?? errors?.[0]?.code ?? ''
  const known = SYSTEM[code]
  if (known) return { name: known[0], message: known[1], code }
  const why = tlsProblem(code)
  return why === undefined ? { name: 'Error', message: 'the connection failed' } : { name: 'InvalidData', message: why }
}

function tlsProblem(code: string): string | undefined {
  if (UNKNOWN_ISSUER.test(code)) return 'invalid peer certificate: UnknownIssuer'
  if (code === 'CERT_HAS_EXPIRED') return 'invalid peer certificate: Expired'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'invalid peer certificate: certificate not valid for the name'
  if (code.startsWith('CERT_')) return `invalid peer certificate: ${code}`
  return /^(ERR_SSL_|ERR_TLS_|EPROTO)/.test(code) ? `the other end speaks no TLS that is accepted (${code})` : undefined
}
