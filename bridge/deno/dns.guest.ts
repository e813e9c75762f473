import { whenAborted } from '../web/abort.guest.ts'
import { hostAsker } from '../web/host.guest.ts'
import { nextId } from '../web/net-id.guest.ts'
import { notSupported } from './errors.guest.ts'
import { answerTo, askAnyway } from './host-answer.guest.ts'

const TYPES = ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'NAPTR', 'NS', 'PTR', 'SOA', 'SRV', 'TXT']

interface ResolveOptions {
  nameServer?: { ipAddr: string; port?: number }
  signal?: Parameters<typeof whenAborted>[0]
}

export async function resolveDns(query: string, recordType: string, options: ResolveOptions | undefined): Promise<unknown[]> {
  if (recordType === 'ANAME') throw notSupported('Deno.resolveDns of ANAME', 'there is no such record in what name servers tell')
  if (!TYPES.includes(recordType)) throw new TypeError(`unknown variant \`${String(recordType)}\`, expected one of ${TYPES.map((type) => `\`${type}\``).join(', ')}`)
  const { nameServer, signal } = options ?? {}
  signal?.throwIfAborted()
  const ask = hostAsker()
  const id = nextId()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const forget = signal && whenAborted(signal, () => {
    reject(signal.reason)
    askAnyway(ask, 'dns.cancel', { id })
  })
  try {
    const server = nameServer && { address: nameServer.ipAddr, port: nameServer.port ?? 53 }
    const answer = answerTo(ask, 'dns', { id, name: String(query), type: recordType, server })
    return JSON.parse(await Promise.race([answer, aborted])) as unknown[]
  } finally {
    forget?.()
  }
}
