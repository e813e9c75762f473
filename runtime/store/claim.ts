import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import type { Cluster } from './cluster.ts'
import { answered } from './failures.ts'

/** The right to be the one host of a data folder. PostgreSQL ends it with the connection, however the host ends. */
export interface Claim {
  /** Settles when the connection is gone. */
  lost: Promise<void>
  /** How long the server had run when it was claimed. */
  serverAgeMs: number
  release(): Promise<void>
}

const OWNER = 0x62756c6b_0001
const ANSWER_MS = 2_000

/**
 * Claims the running server of a data folder. Answers with the claim, with the pid of the host that has it,
 * or with why the server cannot be asked.
 */
export async function claim(cluster: Cluster): Promise<Claim | { owner: string } | { unreachable: string }> {
  const lost = Promise.withResolvers<void>()
  const sql = postgres({
    path: cluster.socket,
    ...LOGIN,
    max: 1,
    max_lifetime: null,
    connect_timeout: ANSWER_MS / 1000,
    connection: { application_name: `bulkhead ${process.pid}` },
    onclose: () => lost.resolve(),
    onnotice: () => {},
  })
  try {
    // a host that was killed a moment ago has its lock until its backend has noticed
    for (let tries = 0; tries < 10; tries++) {
      const [row] = await answered(sql`
        select pg_try_advisory_lock(${OWNER}) as ours,
          extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float8 * 1000 as age`, ANSWER_MS)
      if (row?.['ours'] === true) {
        return { lost: lost.promise, serverAgeMs: Number(row['age']), release: () => sql.end({ timeout: 1 }) }
      }
      await delay(50)
    }
    const [holder] = await sql`
      select a.application_name as name from pg_locks l join pg_stat_activity a using (pid)
      where l.locktype = 'advisory' and l.granted
        and l.classid::bigint << 32 | l.objid::bigint = ${OWNER} and l.objsubid = 1`
    await sql.end({ timeout: 1 })
    return { owner: String(holder?.['name'] ?? '').replace(/^bulkhead /, '') || 'unknown' }
  } catch (error) {
    await sql.end({ timeout: 1 })
    return { unreachable: (error as Error).message }
  }
}

/** How the host logs in to its own server. Complete, so that no PG* variable of the environment has a say. */
export const LOGIN = {
  database: 'postgres',
  username: 'bulkhead',
  password: '',
  ssl: false,
  fetch_types: false,
} as const
