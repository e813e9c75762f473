import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'

/** This process, among the hosts of a database; a new one each time. */
export const HOST = randomUUID()
/** How long a host may say nothing of what it works on before it counts as gone, s. */
export const LEASE_S = 30
const RENEW_MS = 10_000
/** How long answers and results are kept, h. */
export const KEPT_H = 24
const CLEAN_MS = 60 * 60 * 1000

/** What this host works on, each with a row whose lease is renewed while it does. */
export interface Leases {
  hold<Result>(work: () => Promise<Result>): Promise<Result>
}

/** Renews the leases of a table's rows that are this host's for as long as it holds any, and drops rows a day old. */
export function openLeases(sql: Sql, table: 'requests' | 'progress'): Leases {
  let held = 0
  let timer: NodeJS.Timeout | undefined
  let cleanedAt = -Infinity
  const open = table === 'requests' ? sql`status is null` : sql`state = 'running'`
  const born = table === 'requests' ? sql`created_at` : sql`started_at`
  const name = sql(`bulkhead.${table}`)

  // A renewal that fails is made up for by the next, or the lease ends: what is done is done all the same.
  const renew = () => void sql`update ${name} set leased_until = now() + make_interval(secs => ${LEASE_S}) where host = ${HOST} and ${open}`.catch(() => {})
  const clean = () => {
    if (performance.now() - cleanedAt < CLEAN_MS) return
    cleanedAt = performance.now()
    sql`delete from ${name} where ${born} < now() - make_interval(hours => ${KEPT_H}) and leased_until < now()`.catch(() => {})
  }

  return {
    async hold(work) {
      held++
      clean()
      timer ??= setInterval(renew, RENEW_MS).unref()
      try {
        return await work()
      } finally {
        held--
        if (held === 0) {
          clearInterval(timer)
          timer = undefined
        }
      }
    },
  }
}
