import { isIPv6 } from 'node:net'

/**
 * What stands for whoever is behind an address: the address itself of IPv4, and of IPv6 its first 64 bits, as a single
 * customer has that many addresses at least (RFC 6177, section 2).
 *
 * @example networkOf('2001:db8::1') // '2001:db8:0:0::/64'
 * @example networkOf('::ffff:192.0.2.1') // '192.0.2.1'
 */
export function networkOf(address: string): string {
  const bare = address.replace(/%.*$/, '').toLowerCase()
  if (!isIPv6(bare)) return bare
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare)?.[1]
  if (mapped !== undefined) return mapped
  const [head = '', tail] = bare.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  // Of the eight groups an address in dotted form at the end is two, none of which is among the first four.
  const after = groups((tail ?? '').replace(/\d+\.\d+\.\d+\.\d+$/, '0:0'))
  const before = groups(head)
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  const all = [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after]
  return `${all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
