import { statfs } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import packageFile from '../package.json' with { type: 'json' }
import type { Cells } from './cells.ts'
import { nameOf } from './instance.ts'
import type { ModuleStatus } from './module-status.ts'
import { residentMB } from './process-memory.ts'
import type { Report } from './progress.ts'
import type { Database } from './store/database.ts'
import type { Records } from './store/records.ts'
import { within } from './within.ts'

export interface CellStatus {
  pid: number
  /** Whose modules it may hold: `shipped`, `installed`, or one that lives apart. */
  trust: string
  modules: string[]
  /** Executions that run in it now. */
  executions: number
  memoryMB: number
  /** How often something was loaded into it. */
  loads: number
}

export interface SystemStatus {
  version: string
  node: string
  pid: number
  /** Seconds since the process began. */
  uptimeS: number
  cores: number
  memoryMB: { resident: number; heap: number }
  /** CPU of the host's own process so far, s. */
  cpuS: number
  database: string
  modules: Record<string, number>
  cells: CellStatus[]
}

export interface PartHealth {
  part: string
  status: 'ok' | 'degraded' | 'failing'
  /** What is the case, and what can be done about it. */
  message: string
  /** How long the look at it took, ms. */
  tookMs: number
}

export interface System {
  status(): SystemStatus
  /** Looks at each part; none is waited for longer than 2 s. */
  health(): Promise<PartHealth[]>
  /** What waits to be written to the database, and for how many modules an event is still to be delivered, of all hosts. */
  queues(): Promise<Record<string, number>>
  /** Connections to the database, those that are lent to modules included, by what they do. */
  connections(): Promise<Record<string, number>>
  /** Puts other processes in the place of the cells, one by one; no call is lost. */
  restart(report?: Report): Promise<{ renewed: number; left: number[] }>
}

interface SystemOptions {
  database: Database
  cells: Cells
  modules(): ModuleStatus[]
  records: Pick<Records, 'depths'>
  /** Folder for what the host keeps on its own disk. */
  data: string
}

const LOOK_MS = 2_000
const RENEW_MS = 30_000
const LEAST_FREE_MB = 200
/** Deliveries that wait are counted up to here: more is a number that nobody needs exactly. */
const MOST_COUNTED = 100_000
const MB = 1024 * 1024

export function openSystem({ database, cells, modules, records, data }: SystemOptions): System {
  let restarting: ReturnType<System['restart']> | undefined

  const checks: Record<string, () => Promise<Omit<PartHealth, 'part' | 'tookMs'>>> = {
    async database() {
      await database.sql`select 1`
      return ok(`${database.describe} answers`)
    },
    async cells() {
      const all = cells.all()
      const answers = await Promise.all(all.map((cell) => within(LOOK_MS / 2, cell.ping()).catch(() => false)))
      const silent = all.filter((_, place) => !answers[place]).map(({ pid }) => pid)
      if (silent.length === 0) return ok(`${all.length} of ${all.length} answer`)
      return { status: 'degraded', message: `pid ${silent.join(', ')} did not answer; the host ends them by itself` }
    },
    async modules() {
      const bad = modules().filter(({ status, error }) => status === 'error' || (error !== null && status !== 'disabled'))
      if (bad.length === 0) return ok(`${modules().length} known, none failed`)
      return { status: 'degraded', message: bad.slice(0, 20).map(({ name, error }) => `${name}: ${error?.message ?? 'failed'}`).join('; ') }
    },
    async disk() {
      const { bavail, bsize } = await statfs(data)
      const freeMB = Math.floor((bavail * bsize) / MB)
      if (freeMB >= LEAST_FREE_MB) return ok(`${freeMB} MB free for the data folder`)
      return { status: 'failing', message: `${freeMB} MB free for the data folder, make room: ${LEAST_FREE_MB} MB are the least` }
    },
  }

  const look = async (part: string, check: (typeof checks)[string]): Promise<PartHealth> => {
    const startedAt = performance.now()
    const tookMs = () => Math.round(performance.now() - startedAt)
    try {
      const answer = check()
      if (await within(LOOK_MS, answer)) return { part, ...(await answer), tookMs: tookMs() }
      return { part, status: 'failing', message: `no answer within ${LOOK_MS} ms`, tookMs: tookMs() }
    } catch (thrown) {
      return { part, status: 'failing', message: (thrown as Error).message, tookMs: tookMs() }
    }
  }

  return {
    status() {
      const { rss, heapUsed } = process.memoryUsage()
      const { user, system } = process.cpuUsage()
      const byState: Record<string, number> = {}
      for (const { status } of modules()) byState[status] = (byState[status] ?? 0) + 1
      return {
        version: packageFile.version,
        node: process.version,
        pid: process.pid,
        uptimeS: Math.round(process.uptime()),
        cores: availableParallelism(),
        memoryMB: { resident: Math.round(rss / MB), heap: Math.round(heapUsed / MB) },
        cpuS: (user + system) / 1e6,
        database: database.describe,
        modules: byState,
        cells: cells.all().map(({ pid, trust, instances, open, loads }) => ({
          pid,
          trust,
          modules: [...instances].map(nameOf).toSorted(),
          executions: [...open.values()].filter(({ lasting }) => !lasting).length,
          memoryMB: Math.round(residentMB(pid)),
          loads,
        })),
      }
    },
    async queues() {
      const [row] = await database.sql<Array<{ deliveries: number }>>`
        select count(*)::int as deliveries from (select from bulkhead.deliveries limit ${MOST_COUNTED}) as counted`
      return { ...records.depths(), deliveries: row?.deliveries ?? 0 }
    },
    async connections() {
      const rows = await database.sql<Array<{ state: string; count: number }>>`
        select coalesce(state, 'other') as state, count(*)::int as count from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' group by 1`
      return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
    },
    health: () => Promise.all(Object.entries(checks).map(([part, check]) => look(part, check))),
    restart(report) {
      restarting ??= cells.renewAll(RENEW_MS, report).finally(() => (restarting = undefined))
      return restarting
    },
  }
}

function ok(message: string): Pick<PartHealth, 'status' | 'message'> {
  return { status: 'ok', message }
}
