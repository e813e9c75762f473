import fc from 'fast-check'
import { expect, it } from 'vitest'
import { networkOf } from './networks.ts'

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:0002:ffff::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['', ''],
])('%s is one of %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

it('all addresses of a network are one, and those of another are not', () => {
  const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
  const textOf = (parts: number[]) => new URL(`http://[${parts.map((part) => part.toString(16)).join(':')}]`).hostname.slice(1, -1)
  fc.assert(
    fc.property(groups, groups, (one, other) => {
      const same = networkOf(textOf(one)) === networkOf(textOf(other))
      expect(same).toBe(one.slice(0, 4).join() === other.slice(0, 4).join())
      expect(networkOf(textOf([...one.slice(0, 4), ...other.slice(4)]))).toBe(networkOf(textOf([...one.slice(0, 4), ...one.slice(4)])))
    }),
  )
})
