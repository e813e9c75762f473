import { BlockList, isIP } from 'node:net'

// IANA's registries of special-purpose addresses, and what clouds answer on with their secrets: 169.254.169.254 is
// link-local, 100.100.100.200 and 192.0.0.192 are in ranges below, 168.63.129.16 is in none.
const REFUSED_IPV4: ReadonlyArray<readonly [string, number]> = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

// Global unicast is 2000::/3 alone, so that mapped (::ffff:0:0/96), compatible (::/96), translated (64:ff9b::/96),
// unique local, link-local and multicast addresses are out; of it, what embeds an IPv4 address or is set aside.
const REFUSED_IPV6: ReadonlyArray<readonly [string, number]> = [
  ['2001::', 23], // Teredo, ORCHID and others
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4
  ['3fff::', 20],
]

const refused = new BlockList()
const unicast = new BlockList()
for (const [net, prefix] of REFUSED_IPV4) refused.addSubnet(net, prefix, 'ipv4')
for (const [net, prefix] of REFUSED_IPV6) refused.addSubnet(net, prefix, 'ipv6')
unicast.addSubnet('2000::', 3, 'ipv6')

/** Whether an address is one that anybody may reach: none of this machine, its network or its cloud. */
export function isPublic(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !refused.check(address, 'ipv4')
  return family === 6 && unicast.check(address, 'ipv6') && !refused.check(address, 'ipv6')
}
