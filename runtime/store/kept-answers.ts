import type { Sql } from 'postgres'
import { asked } from './failures.ts'
import { HOST } from './leases.ts'
import type { Claim, KeptAnswer } from './request-rows.ts'

/** How many answers are kept for repeats, and of how many bytes of UTF-8. */
export interface AnswerLimits {
  /** Of one answer. A larger one is not kept; its key still guards against doing it twice. */
  bytes: number
  perCaller: Room
  inAll: Room
  /** How much a host may have added before it sees to it that the others hold: by that they may be exceeded. */
  slack: Room
}

interface Room {
  answers: number
  bytes: number
}

const MB = 1024 * 1024

export const ANSWER_LIMITS: AnswerLimits = {
  bytes: MB / 4,
  perCaller: { answers: 20_000, bytes: 32 * MB },
  inAll: { answers: 200_000, bytes: 512 * MB },
  slack: { answers: 500, bytes: 8 * MB },
}

/** Keeps the answers of keys that are taken. */
export interface Answers {
  /** @throws STORE_FAILED */
  keep(claim: Claim, answer: KeptAnswer): Promise<void>
}

/**
 * Answers that are kept, within limits: whoever adds to them waits while the oldest make room, so that no flood outruns
 * that. Past the bytes, old answers are emptied and their keys guard on; past the count, the oldest keys are free again.
 */
export function openAnswers(sql: Sql, limits: AnswerLimits): Answers {
  let added: Room = { answers: 0, bytes: 0 }
  let clearing: Promise<void> | undefined
  const isPastSlack = () => added.answers > limits.slack.answers || added.bytes > limits.slack.bytes

  const clear = async () => {
    const { perCaller, inAll } = limits
    added = { answers: 0, bytes: 0 }
    await sql`
      delete from bulkhead.requests held using (
        select caller, key, row_number() over (partition by caller order by created_at desc) as of_caller, row_number() over (order by created_at desc) as of_all
        from bulkhead.requests where status is not null) as ranked
      where held.caller = ranked.caller and held.key = ranked.key and held.status is not null and (of_caller > ${perCaller.answers} or of_all > ${inAll.answers})`
    await sql`
      update bulkhead.requests held set body = null from (
        select caller, key, sum(bytes) over (partition by caller order by created_at desc) as of_caller, sum(bytes) over (order by created_at desc) as of_all
        from bulkhead.requests where body is not null) as summed
      where held.caller = summed.caller and held.key = summed.key and held.body is not null and (of_caller > ${perCaller.bytes} or of_all > ${inAll.bytes})`
  }

  /** What came in meanwhile may not have been seen. */
  const clearWhileNeeded = async () => {
    do await clear()
    while (isPastSlack())
  }

  return {
    async keep({ caller, key }, { status, headers, body }) {
      const bytes = Buffer.byteLength(body)
      const kept = bytes <= limits.bytes ? body : null
      await asked('keep the answer', () => sql`
        update bulkhead.requests set status = ${status}, headers = ${sql.json(headers)}, body = ${kept}, bytes = ${bytes}
        where caller = ${caller} and key = ${key} and host = ${HOST}`)
      added = { answers: added.answers + 1, bytes: added.bytes + (kept === null ? 0 : bytes) }
      if (clearing === undefined && !isPastSlack()) return
      clearing ??= clearWhileNeeded().finally(() => (clearing = undefined))
      await clearing
    },
  }
}
