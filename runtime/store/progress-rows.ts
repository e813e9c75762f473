import type { Sql } from 'postgres'
import type { ErrorText } from '../../bridge/errors.ts'
import type { Progress } from '../progress.ts'
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

export interface ProgressRows {
  /** Follows work until it ends. @throws STORE_FAILED where nobody could ask for it, and the work goes on all the same */
  follow(row: { id: string; caller: string; operation: string }, work: Promise<unknown>): Promise<void>
  /** Says how far a piece of work is, whether it is followed yet or not. */
  tell(id: string, progress: Progress): void
  /** Work that nobody will follow is over. */
  forget(id: string): void
  find(id: string): Promise<ProgressRow | undefined>
}

/** How far it is, as it is shown. */
interface Told {
  step: string
  percent: number | null
  writtenAt: number
  timer: NodeJS.Timeout | undefined
}

/** Steps are written this often at most, ms. */
const WRITE_MS = 500

/** @example shown({ step: 'bundled', done: 3, of: 6 }) // { step: 'bundled (3 of 6)', percent: 50 } */
function shown({ step, done, of }: Progress): Pick<Told, 'step' | 'percent'> {
  if (done === undefined || of === undefined || of === 0) return { step, percent: null }
  return { step: `${step} (${done} of ${of})`, percent: Math.round((100 * done) / of) }
}

/** Long work and how far it is. `alone` as in `openRequestRows`. */
export function openProgressRows(sql: Sql, { alone, failed }: { alone: boolean; failed(thrown: unknown): ErrorText }): ProgressRows {
  const leases = openLeases(sql, 'progress')
  const told = new Map<string, Told>()

  /** Steps come faster than they are worth writing; the last one is written all the same, a little later. */
  const write = (id: string) => {
    const latest = told.get(id)
    if (latest === undefined) return
    Object.assign(latest, { writtenAt: performance.now(), timer: undefined })
    sql`update bulkhead.progress set step = ${latest.step}, percent = ${latest.percent} where id = ${id} and state = 'running'`.catch(() => {})
  }
  const forget = (id: string) => {
    clearTimeout(told.get(id)?.timer)
    told.delete(id)
  }

  const end = (id: string, state: 'done' | 'failed', result: string | null, error: ErrorText | null) => asked('keep how the work ended', () => sql`
    update bulkhead.progress set state = ${state}, result = ${result}, error = ${error === null ? null : JSON.stringify(error)}, ended_at = now(),
      step = ${told.get(id)?.step ?? null}, percent = ${state === 'done' ? 100 : (told.get(id)?.percent ?? null)}
    where id = ${id}`)

  return {
    async follow({ id, caller, operation }, work) {
      const { step = null, percent = null } = told.get(id) ?? {}
      try {
        await asked('follow the work', () => sql`
          insert into bulkhead.progress (id, caller, operation, host, leased_until, step, percent)
          values (${id}, ${caller}, ${operation}, ${HOST}, now() + make_interval(secs => ${LEASE_S}), ${step}, ${percent}) on conflict do nothing`)
      } catch (thrown) {
        void work.catch(() => {}).then(() => forget(id))
        throw thrown
      }
      const ended = work.then(
        (output) => end(id, 'done', JSON.stringify(output ?? null), null),
        (thrown: unknown) => end(id, 'failed', null, failed(thrown)),
      )
      // How it ended cannot be told where the database is gone for long: then it is lost.
      void leases.hold(() => ended.then(() => {}, () => {})).finally(() => forget(id))
    },
    tell(id, progress) {
      const { writtenAt = -Infinity, timer } = told.get(id) ?? {}
      const inMs = writtenAt + WRITE_MS - performance.now()
      told.set(id, { ...shown(progress), writtenAt, timer: timer ?? (inMs > 0 ? setTimeout(write, inMs, id).unref() : undefined) })
      if (inMs <= 0) write(id)
    },
    forget,
    async find(id) {
      const [row] = await asked('look up the work', () => sql<Array<Omit<ProgressRow, 'result' | 'error'> & { result: string | null; error: string | null }>>`
        select id, caller, operation, step, percent, result, error, started_at as "startedAt", ended_at as "endedAt",
          case when state = 'running' and (leased_until < now() or (${alone} and host <> ${HOST})) then 'lost' else state end as state
        from bulkhead.progress where id = ${id}`)
      if (row === undefined) return undefined
      const latest = row.state === 'running' ? told.get(id) : undefined
      const { step, percent } = latest ?? row
      return { ...row, step, percent, result: JSON.parse(row.result ?? 'null'), error: JSON.parse(row.error ?? 'null') }
    },
  }
}
