import type { Sql } from 'postgres'
import type { ErrorText } from '../../bridge/errors.ts'
import { asked } from './failures.ts'
import { HOST, LEASE_S, openLeases } from './leases.ts'

/** How a piece of long work stands. `lost`: the host that did it is gone, and nobody goes on with it. */
export interface ProgressRow {
  id: string
  /** The key that asked for it. */
  caller: string
  operation: string
  state: 'running' | 'done' | 'failed' | 'lost'
  step: string | null
  percent: number | null
  result: unknown
  error: ErrorText | null
  startedAt: Date
  endedAt: Date | null
}

export type Told = (progress: { step: string; percent?: number }) => void

export interface ProgressRows {
  /** Follows work until it ends. @throws STORE_FAILED where nobody could ask for it, and the work goes on all the same */
  follow(row: { id: string; caller: string; operation: string }, work: Promise<unknown>): Promise<void>
  /** Says how far a piece of work is, whether it is followed yet or not. */
  tell(id: string, ...[progress]: Parameters<Told>): void
  find(id: string): Promise<ProgressRow | undefined>
}

/** Steps are written this often at most, ms. */
const WRITE_MS = 500

/** Long work and how far it is. `alone` as in `openRequestRows`. */
export function openProgressRows(sql: Sql, { alone, failed }: { alone: boolean; failed(thrown: unknown): ErrorText }): ProgressRows {
  const leases = openLeases(sql, 'progress')
  const told = new Map<string, { step: string; percent?: number; writtenAt: number }>()

  const end = (id: string, state: 'done' | 'failed', result: string | null, error: ErrorText | null) => asked('keep how the work ended', () => sql`
    update bulkhead.progress set state = ${state}, result = ${result}, error = ${error === null ? null : JSON.stringify(error)}, ended_at = now(),
      step = ${told.get(id)?.step ?? null}, percent = ${state === 'done' ? 100 : (told.get(id)?.percent ?? null)}
    where id = ${id}`)

  return {
    async follow({ id, caller, operation }, work) {
      await asked('follow the work', () => sql`
        insert into bulkhead.progress (id, caller, operation, host, leased_until)
        values (${id}, ${caller}, ${operation}, ${HOST}, now() + make_interval(secs => ${LEASE_S})) on conflict do nothing`)
      const ended = work.then(
        (output) => end(id, 'done', JSON.stringify(output ?? null), null),
        (thrown: unknown) => end(id, 'failed', null, failed(thrown)),
      )
      // How it ended cannot be told where the database is gone for long: then it is lost.
      void leases.hold(() => ended.then(() => {}, () => {})).finally(() => told.delete(id))
    },
    tell(id, { step, percent }) {
      const now = performance.now()
      const { writtenAt = -Infinity } = told.get(id) ?? {}
      const isDue = now - writtenAt > WRITE_MS
      told.set(id, { step, ...(percent !== undefined && { percent }), writtenAt: isDue ? now : writtenAt })
      if (isDue) sql`update bulkhead.progress set step = ${step}, percent = ${percent ?? null} where id = ${id} and state = 'running'`.catch(() => {})
    },
    async find(id) {
      const [row] = await asked('look up the work', () => sql<Array<Omit<ProgressRow, 'result' | 'error'> & { result: string | null; error: string | null }>>`
        select id, caller, operation, step, percent, result, error, started_at as "startedAt", ended_at as "endedAt",
          case when state = 'running' and (leased_until < now() or (${alone} and host <> ${HOST})) then 'lost' else state end as state
        from bulkhead.progress where id = ${id}`)
      if (row === undefined) return undefined
      const latest = row.state === 'running' ? told.get(id) : undefined
      const { step, percent } = latest === undefined ? row : { step: latest.step, percent: latest.percent ?? null }
      return { ...row, step, percent, result: JSON.parse(row.result ?? 'null'), error: JSON.parse(row.error ?? 'null') }
    },
  }
}
