import type { Sql } from 'postgres'

/** When a module's scheduled jobs last started: what was missed while the host was down is seen by it. */
export interface JobRuns {
  last(module: string): Promise<ReadonlyMap<string, Date>>
  note(module: string, job: string, startedAt: Date): Promise<void>
}

export function openJobRuns(sql: Sql): JobRuns {
  return {
    async last(module) {
      const rows = await sql<Array<{ job: string; started_at: Date }>>`
        select job, started_at from bulkhead.job_runs where module = ${module}`
      return new Map(rows.map(({ job, started_at }) => [job, started_at]))
    },
    async note(module, job, startedAt) {
      await sql`
        insert into bulkhead.job_runs (module, job, started_at) values (${module}, ${job}, ${startedAt})
        on conflict (module, job) do update set started_at = excluded.started_at`
    },
  }
}
