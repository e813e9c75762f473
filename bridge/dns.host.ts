import { isIP } from 'node:net'
import type { Caller, Capabilities } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { DNS_QUERIES, type DnsQuery } from './dns-records.host.ts'
import { BulkheadError } from './errors.ts'
import { isPublic } from './net-address.host.ts'
import { NET_CAPS } from './net-caps.ts'
import { answerOrFault, type Fault } from './net-fault.host.ts'
import { canonicalHost, grantOf, type Target } from './net-grant.host.ts'
import type { Place } from './net-places.host.ts'
import { openResolver, routeTo } from './net-route.host.ts'
import { netCapability, type Network } from './net-shared.host.ts'

/**
 * `Deno.resolveDns` for modules, under the grant of the name that is asked for, whichever port it is of; by a name server
 * of the module's own choice under the grant of that server. The answer is JSON of the records in Deno's form, or `!`,
 * the class of `Deno.errors` and why there are none.
 */
export function dnsCapabilities({ options, resolve, places, holds }: Network): Capabilities {
  const held = holds.of<Lookup>('lookup')

  async function find(caller: Caller, { host, type, query, server }: Question, signal: AbortSignal): Promise<string> {
    const isVisible = server ? () => true : visibleTo(caller, host)
    const resolver = openResolver(server ? await routesTo(caller, server) : options.nameServers)
    signal.throwIfAborted()
    signal.addEventListener('abort', () => resolver.cancel(), { once: true })
    const ask = async () => {
      const records = await query(resolver, host)
      const visible = records.filter((record) => typeof record !== 'string' || isIP(record) === 0 || isVisible(record))
      if (visible.length === 0 && records.length > 0) throw denied(caller, host, 'its name leads to a reserved address, which is told only where the name has been granted by itself')
      return bounded(JSON.stringify(visible), host)
    }
    return answerOrFault(ask, (thrown) => faultOf(thrown, host, type))
  }

  /** @throws CAPABILITY_DENIED; UNAVAILABLE where everything goes through a proxy, which carries no queries */
  async function routesTo(caller: Caller, server: Target): Promise<string[]> {
    const what = `ask the name server ${server.host}:${server.port}`
    if (options.proxy !== undefined) throw new BulkheadError('UNAVAILABLE', `cannot ${what}, everything goes through a proxy`)
    const routes = await routeTo(caller, server, what, resolve)
    return routes.map((address) => `${address.includes(':') ? `[${address}]` : address}:${server.port}`)
  }

  return {
    dns: netCapability('dns', 2_000, EXECUTION_CAPS.calls, async (caller, args) => {
      const question = readQuestion(args)
      const place = places.of(caller.module)
      return held(caller).add(args['id'], () => openLookup(place, (signal) => find(caller, question, signal))).answer
    }),
    'dns.cancel': netCapability('dns.cancel', 100, EXECUTION_CAPS.calls, async (caller, { id }) => {
      held(caller).get(id)?.close()
      return ''
    }),
  }
}

interface Lookup {
  readonly answer: Promise<string>
  close(): void
  readonly ended: Promise<void>
}

function openLookup(place: Place, run: (signal: AbortSignal) => Promise<string>): Lookup {
  const abort = new AbortController()
  const begin = async () => {
    const give = await place.take(abort.signal)
    try {
      abort.signal.throwIfAborted()
      return await run(abort.signal)
    } finally {
      give()
    }
  }
  const answer = begin()
  return {
    answer,
    ended: answer.then(() => {}, () => {}),
    close: () => abort.abort(new BulkheadError('UNAVAILABLE', 'cannot resolve, the lookup was given up')),
  }
}

interface Question {
  host: string
  type: string
  query: DnsQuery
  /** A name server of the module's own choice. */
  server: Target | undefined
}

function readQuestion({ name, type, server }: Record<string, unknown>): Question {
  const query = typeof type === 'string' && Object.hasOwn(DNS_QUERIES, type) ? DNS_QUERIES[type] : undefined
  if (!query) throw invalid('the type of the records is unknown')
  return { host: readName(name), type: type as string, query, server: server === undefined || server === null ? undefined : readServer(server) }
}

function readServer(server: object): Target {
  const { address, port } = server as { address?: unknown; port?: unknown }
  const host = typeof address === 'string' && isIP(address) !== 0 ? canonicalHost(address.includes(':') ? `[${address}]` : address) : undefined
  if (host === undefined || !Number.isInteger(port) || (port as number) < 1 || (port as number) > 65_535) throw invalid('the name server is no address with a port from 1 to 65535')
  return { host, port: port as number }
}

/** Names as they are asked for: what is in a name server's answer besides letters is no name of a host. */
const NAME = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/

function readName(name: unknown): string {
  const host = typeof name === 'string' && name.length <= 255 ? canonicalHost(name) : undefined
  if (host === undefined || !NAME.test(host)) throw invalid('the name is none')
  if (isIP(host) !== 0) throw invalid('that is an address, whose name is asked for as "4.3.2.1.in-addr.arpa"')
  return host
}

/**
 * Which addresses of an answer a module is told: under a wildcard those alone that it may also connect to, as the others
 * tell of the operator's network.
 *
 * @throws CAPABILITY_DENIED, noted as a violation
 */
function visibleTo(caller: Caller, host: string): (address: string) => boolean {
  const grant = grantOf(caller.permissions, { host })
  if (!grant) throw denied(caller, host, `the module has not been granted "net:${host}"`)
  if (grant === 'named') return () => true
  if (host.endsWith('.arpa') && !isPublic(addressOf(host))) throw denied(caller, host, 'what a reserved address is called is told only where that has been granted by itself')
  return isPublic
}

/** The address whose name a name below `arpa` is for (RFC 1035, 3.5; RFC 3596, 2.5); empty where it is for none or several. */
function addressOf(host: string): string {
  const labels = host.split('.').toReversed()
  if (labels[1] === 'in-addr') return labels.slice(2).join('.')
  return labels[1] === 'ip6' ? labels.slice(2).join('').replace(/(.{4})(?=.)/g, '$1:') : ''
}

function denied(caller: Caller, host: string, why: string): BulkheadError {
  caller.violated(`net:${host}`)
  return new BulkheadError('CAPABILITY_DENIED', `cannot resolve ${host}, ${why}`)
}

function invalid(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot resolve, ${why}`)
}

function bounded(answer: string, host: string): string {
  if (answer.length <= NET_CAPS.answerLength) return answer
  const limit = { limit: 'answerLength', value: NET_CAPS.answerLength, used: answer.length }
  throw new BulkheadError('SIZE_LIMIT', `cannot resolve ${host}, its records have ${limit.used} characters and ${limit.value} may be passed on`, limit)
}

/** In the words of Deno, which tells a name that does not exist from a server that fails no more than this. */
function faultOf(thrown: unknown, host: string, type: string): Fault {
  const { code = '' } = Object(thrown) as { code?: string }
  if (code === 'ETIMEOUT' || code === 'ECONNREFUSED') return { name: 'TimedOut', message: 'proto error: request timed out' }
  return { name: 'NotFound', message: `proto error: no records found for Query { name: Name("${host}."), query_type: ${type}, query_class: IN }` }
}
