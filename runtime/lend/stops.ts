import { readFile } from 'node:fs/promises'
import type { Database } from '../store/database.ts'
import type { Connection } from './connection.ts'
import { type Stop, stopError } from './faults.ts'
import type { Admitted } from './guard.ts'
import type { LendLimits } from './limits.ts'
import type { Sizes } from './sizes.ts'
import { within } from '../within.ts'

/** A statement that the host may have to stop. */
export interface Stoppable {
  connection: Connection
  schema: string
  admitted: Admitted
  /** How long it may take. */
  ms: number
  /** Aborts when the execution ends. */
  signal: AbortSignal
}

export interface Stops {
  /** Runs it under the host's clock; where it has to be stopped, the error says why. */
  during<Answer>(statement: Stoppable, run: () => Promise<Answer>): Promise<Answer>
}

/** How often a statement that takes its time is looked at. */
const LOOK_MS = 50
/** A table grows by some hundred megabytes a second at most. */
const SIZE_MS = 200

/**
 * The ways a statement is stopped: the server is asked to, then its backend is terminated, then the connection is given
 * up. Whatever comes of it, the connection is not used again: a request to cancel may come late, and hit the next one.
 */
export function openStops({ sql, kind }: Database, sizes: Sizes, limits: LendLimits): Stops {
  // A backend of the embedded server is a process of this machine. The memory of others is their operator's.
  const canSee = kind === 'embedded' && process.platform === 'linux'

  const stop = async (connection: Connection, ended: Promise<unknown>): Promise<void> => {
    await connection.cancel()
    if (await within(limits.graceMs, ended)) return
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where pid = ${connection.pid} and usename like 'mod\\_%'`.catch(() => {})
    await within(limits.graceMs, ended)
    connection.destroy()
  }

  return {
    async during({ connection, schema, admitted, ms, signal }, run) {
      let reason: Stop | undefined
      const settled = Promise.withResolvers<void>()
      const end = (why: Stop) => {
        if (reason !== undefined) return
        reason = why
        void stop(connection, settled.promise)
      }
      const look = async () => {
        if (canSee && (await privateBytes(connection.pid)) > limits.backendBytes) end('memory')
        if (admitted.kind === 'write' && (await sizes.of(schema, SIZE_MS)) > limits.schemaBytes) end('quota')
      }
      const late = setTimeout(end, ms, 'late')
      const looking = setInterval(() => void look(), LOOK_MS)
      const onEnd = () => end('ended')
      signal.addEventListener('abort', onEnd, { once: true })
      if (signal.aborted) onEnd()
      try {
        return await run()
      } catch (error) {
        throw reason === undefined ? error : stopError(reason, limits)
      } finally {
        clearTimeout(late)
        clearInterval(looking)
        signal.removeEventListener('abort', onEnd)
        settled.resolve()
        if (reason !== undefined) connection.destroy()
      }
    },
  }
}

async function privateBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '')
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
}
