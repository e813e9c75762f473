import type { Sql } from 'postgres'
import { ANSWER_LIMITS, type AnswerLimits, openAnswers } from './kept-answers.ts'
import { storeFailed } from './failures.ts'
import { HOST, KEPT_H, LEASE_S, openLeases } from './leases.ts'

/** An answer as it is sent again. */
export interface KeptAnswer {
  status: number
  headers: Record<string, string>
  /** Empty where there is none. */
  body: string
}

/** What was answered where the answer itself is not kept: it was too large, or made room for later ones. */
export interface LostAnswer {
  status: number
  bytes: number
}

/** Whose key, and the hash of what was asked with it. */
export interface Claim {
  caller: string
  key: string
  hash: Buffer
}

export interface RequestRows {
  /**
   * Takes a key for a request and does the work, or says why not: it is `busy` with the same request, was used for
   * `another`, or has an answer: `again`, or `lost` where it is not kept. An answer is kept where `keeps` says so;
   * otherwise, and where it throws, the key is free again.
   *
   * @throws STORE_FAILED where the key cannot be taken; what the work throws
   */
  once(claim: Claim, work: () => Promise<KeptAnswer>, keeps: (answer: KeptAnswer) => boolean): Promise<KeptAnswer | Before>
}

/** What a key was used for before. */
export type Before = 'busy' | 'another' | { again: KeptAnswer } | { lost: LostAnswer }

/**
 * The idempotency keys of a database.
 *
 * @param alone nobody else works on it: what another process has left is not worked on any more
 */
export function openRequestRows(sql: Sql, { alone, limits = ANSWER_LIMITS }: { alone: boolean; limits?: AnswerLimits }): RequestRows {
  const leases = openLeases(sql, 'requests')
  const answers = openAnswers(sql, limits)

  const take = async ({ caller, key, hash }: Claim): Promise<'ours' | Before> => {
    const taken = await sql`
      insert into bulkhead.requests as held (caller, key, hash, host, leased_until)
      values (${caller}, ${key}, ${hash}, ${HOST}, now() + make_interval(secs => ${LEASE_S}))
      on conflict (caller, key) do update
      set hash = excluded.hash, host = excluded.host, leased_until = excluded.leased_until, status = null, headers = null, body = null, bytes = null, created_at = now()
      where held.created_at < now() - make_interval(hours => ${KEPT_H})
        or (held.status is null and held.hash = excluded.hash and (held.leased_until < now() or (${alone} and held.host <> excluded.host)))
      returning 1`
    if (taken.length > 0) return 'ours'
    const [row] = await sql<Array<{ hash: Buffer; status: number | null; headers: KeptAnswer['headers']; body: string | null; bytes: number }>>`
      select hash, status, headers, body, bytes from bulkhead.requests where caller = ${caller} and key = ${key}`
    if (row === undefined) return 'busy' // given free between the two statements
    if (!row.hash.equals(hash)) return 'another'
    const { status, headers, body, bytes } = row
    if (status === null) return 'busy'
    return body === null ? { lost: { status, bytes } } : { again: { status, headers, body } }
  }
  const free = ({ caller, key }: Claim) => sql`delete from bulkhead.requests where caller = ${caller} and key = ${key} and host = ${HOST} and status is null`

  return {
    async once(claim, work, keeps) {
      const taken = await take(claim).catch((thrown: unknown) => {
        throw storeFailed('take the idempotency key', thrown)
      })
      if (taken !== 'ours') return taken
      return leases.hold(async () => {
        try {
          const answer = await work()
          // What is done is answered, also where the database has gone since: then the key is busy until its lease ends.
          await (keeps(answer) ? answers.keep(claim, answer) : free(claim)).catch(() => {})
          return answer
        } catch (thrown) {
          await free(claim).catch(() => {})
          throw thrown
        }
      })
    },
  }
}
