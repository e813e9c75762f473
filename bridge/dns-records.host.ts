import type { Resolver } from 'node:dns/promises'
import type { CaaRecord } from 'node:dns'

export type DnsQuery = (resolver: Resolver, name: string) => Promise<unknown[]>

/** Names of an answer as Deno has them, with the dot of the root. */
const rooted = (name: string): string => `${name}.`

/** What is asked for each type of record, and its answer in Deno's form. */
export const DNS_QUERIES: Readonly<Record<string, DnsQuery>> = {
  A: (resolver, name) => resolver.resolve4(name),
  AAAA: (resolver, name) => resolver.resolve6(name),
  CAA: async (resolver, name) => (await resolver.resolveCaa(name)).map(caaOf),
  CNAME: async (resolver, name) => (await resolver.resolveCname(name)).map(rooted),
  MX: async (resolver, name) => (await resolver.resolveMx(name)).map(({ priority, exchange }) => ({ preference: priority, exchange: rooted(exchange) })),
  NAPTR: async (resolver, name) =>
    (await resolver.resolveNaptr(name)).map(({ order, preference, flags, service, regexp, replacement }) => ({ order, preference, flags, services: service, regexp, replacement: rooted(replacement) })),
  NS: async (resolver, name) => (await resolver.resolveNs(name)).map(rooted),
  PTR: async (resolver, name) => (await resolver.resolvePtr(name)).map(rooted),
  async SOA(resolver, name) {
    const { nsname, hostmaster, serial, refresh, retry, expire, minttl } = await resolver.resolveSoa(name)
    return [{ mname: rooted(nsname), rname: rooted(hostmaster), serial, refresh, retry, expire, minimum: minttl }]
  },
  SRV: async (resolver, name) => (await resolver.resolveSrv(name)).map(({ priority, weight, port, name: target }) => ({ priority, weight, port, target: rooted(target) })),
  TXT: (resolver, name) => resolver.resolveTxt(name),
}

function caaOf({ critical, ...property }: CaaRecord): object {
  const [tag = '', value = ''] = Object.entries(property).find(([key]) => key !== 'type') ?? []
  return { critical: critical > 0, tag, value }
}
