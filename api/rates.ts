/** How many requests a key may still make, for the header fields of draft-ietf-httpapi-ratelimit-headers-10. */
export interface Rate {
  allowed: boolean
  /** Requests that a minute has room for. */
  limit: number
  remaining: number
  /** Seconds until there is room for one request, if there is none, or for all. */
  resetS: number
  /** What is counted, where it is not a key. */
  policy?: string
}

interface Bucket {
  tokens: number
  at: number
}

/** Full buckets say nothing; what is above this is dropped, and a key whose bucket went may begin anew. */
const MAX_BUCKETS = 10_000

/**
 * One token bucket for each key: as many requests as the minute has may come at once, and they come back evenly.
 *
 * @example const { allowed } = openRates()(caller.id, 600)
 */
export function openRates(now: () => number = () => performance.now()): (key: string, perMinute: number) => Rate {
  const buckets = new Map<string, Bucket>()
  return (key, perMinute) => {
    const at = now()
    const found = buckets.get(key) ?? { tokens: perMinute, at }
    const tokens = Math.min(perMinute, found.tokens + ((at - found.at) * perMinute) / 60_000)
    const allowed = tokens >= 1
    const left = allowed ? tokens - 1 : tokens
    buckets.delete(key) // and in again at the end: the first ones are those that were not asked for longest
    buckets.set(key, { tokens: left, at })
    if (buckets.size > MAX_BUCKETS) buckets.delete(buckets.keys().next().value as string)
    const missing = allowed ? perMinute - left : 1 - left
    return { allowed, limit: perMinute, remaining: Math.floor(left), resetS: Math.ceil((missing * 60) / perMinute) }
  }
}

/** https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ sections 3 and 4 */
export function rateHeaders({ limit, remaining, resetS, policy = 'key' }: Rate): Record<string, string> {
  return { 'ratelimit-policy': `"${policy}";q=${limit};w=60`, ratelimit: `"${policy}";r=${remaining};t=${resetS}` }
}
