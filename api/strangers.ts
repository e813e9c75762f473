import { BulkheadError } from '../bridge/errors.ts'
import { networkOf } from './networks.ts'
import { openRates } from './rates.ts'

/** Keys that nobody knows, which may be looked up in a minute: of one network, and of all. */
export const STRANGERS_PER_MINUTE = { network: 60, all: 600 }
/** How old the list of good keys may be that decides who is let through past that, ms. */
const LISTED_MS = 2_000
const MAX_KNOWN = 10_000

/** Lets a key be looked up that has not been found good on this host. */
export interface Strangers {
  /**
   * @param digest of the key
   * @param address from where it came; all that came from nowhere are one
   * @throws BulkheadError `RATE_LIMITED` past the limit, unless the key is among the good ones
   */
  admit(digest: string, address: string | undefined): Promise<void>
  /** Told how a look-up ended: a key that was good is no stranger, and one that is not any more is one again. */
  found(digest: string, isGood: boolean): void
}

/**
 * Whoever tries keys would have the database asked for each of them. They are limited by their network and together; the
 * limit is not felt by who holds a good key, also where everybody comes from the address of one proxy: past it, the list of
 * good keys decides, which is read once in two seconds at most however many try.
 *
 * @param goodKeys reads the digests of as many good keys as it is asked for, those in use first
 * @example await openStrangers((most) => digestsOf(sql, most)).admit(digest, '192.0.2.1')
 */
export function openStrangers(goodKeys: (most: number) => Promise<string[]>): Strangers {
  const take = openRates()
  const known = new Set<string>()
  let listed: ReadonlySet<string> = new Set()
  let listedAt = -Infinity
  let listing: Promise<void> | undefined

  const isListed = async (digest: string): Promise<boolean> => {
    if (listed.has(digest)) return true
    if (performance.now() - listedAt > LISTED_MS) {
      listing ??= goodKeys(MAX_KNOWN)
        .then((digests) => {
          listed = new Set(digests)
          listedAt = performance.now()
        })
        .finally(() => (listing = undefined))
      await listing
    }
    return listed.has(digest)
  }

  return {
    async admit(digest, address) {
      if (known.has(digest)) return
      const network = address === undefined ? '' : networkOf(address)
      const own = { policy: 'network', ...take(`network ${network}`, STRANGERS_PER_MINUTE.network) }
      const rate = own.allowed ? { policy: 'all', ...take('all', STRANGERS_PER_MINUTE.all) } : own
      if (rate.allowed || (await isListed(digest))) return
      const whose = own.allowed ? 'everywhere' : 'your network'
      throw new BulkheadError('RATE_LIMITED', `too many API keys that are not known came from ${whose}, wait ${rate.resetS} s`, rate)
    },
    found(digest, isGood) {
      known.delete(digest) // and in again at the end: the first ones are those that were not used for longest
      if (isGood) known.add(digest)
      if (known.size > MAX_KNOWN) known.delete(known.values().next().value as string)
    },
  }
}
