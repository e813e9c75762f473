import { Cron } from 'croner'
import type { Invocation } from '../bridge/contract.ts'
import { asBulkheadError, type ErrorText } from '../bridge/errors.ts'
import type { RuntimeEvent, Tell } from './events.ts'
import type { Schedule } from './manifest-place.ts'
import type { Module } from './modules.ts'
import type { JobRuns } from './store/job-runs.ts'

export interface JobStatus {
  name: string
  kind: 'interval' | 'schedule'
  nextAt: string | null
  running: boolean
  last: { startedAt: string; endedAt: string; error: ErrorText | null } | null
}

/** Runs what modules do by themselves, at intervals or at times; a job never overlaps itself. */
export interface Jobs extends Disposable {
  /** To be told of every event: a module's jobs run while it is ready. */
  readonly tell: Tell
  of(module: string): JobStatus[]
}

interface Job {
  status: JobStatus
  stop(): void
}

const ENDS = new Set<RuntimeEvent['type']>(['module:disabled', 'module:held', 'module:stopped'])

/** Before the names of jobs that a module made by `Deno.cron`. */
const CRON = 'cron:'

function invocationOf(job: string): Invocation {
  return job.startsWith(CRON) ? { target: 'cron', name: job.slice(CRON.length), args: [] } : { target: 'job', name: job, args: [] }
}

export function openJobs(find: (name: string) => Module | undefined, runs: JobRuns, tell: Tell): Jobs {
  const jobs = new Map<string, Map<string, Job>>()
  let closed = false

  async function run(module: Module, status: JobStatus): Promise<void> {
    const { supervisor } = module
    if (status.running || closed || supervisor.state !== 'ready') return
    const startedAt = new Date()
    status.running = true
    let error: ErrorText | null = null
    try {
      if (status.kind === 'schedule') await runs.note(supervisor.name, status.name, startedAt)
      await supervisor.invoke(invocationOf(status.name))
    } catch (thrown) {
      error = asBulkheadError(thrown).toJSON()
      tell({ type: 'module:hook_error', module: supervisor.name, hook: `job:${status.name}`, code: error.code, message: error.message })
    }
    status.running = false
    status.last = { startedAt: startedAt.toISOString(), endedAt: new Date().toISOString(), error }
  }

  function startInterval(module: Module, status: JobStatus, everyMs: number): Job {
    let timer: NodeJS.Timeout | undefined
    let stopped = false
    const arm = () => {
      if (stopped) return
      status.nextAt = new Date(Date.now() + everyMs).toISOString()
      // Counted from the end of the last run, so that a slow one does not follow itself at once.
      timer = setTimeout(() => void run(module, status).then(arm), everyMs)
    }
    arm()
    return {
      status,
      stop() {
        stopped = true
        clearTimeout(timer)
      },
    }
  }

  function startSchedule(module: Module, status: JobStatus, { cron, timezone, missed }: Schedule, last: Date | undefined): Job {
    const tick = () => {
      void run(module, status)
      status.nextAt = clock.nextRun()?.toISOString() ?? null
    }
    const clock = new Cron(cron, { timezone }, tick)
    status.nextAt = clock.nextRun()?.toISOString() ?? null
    const due = last && clock.nextRun(last)
    if (missed === 'once' && due && due.getTime() < Date.now()) void run(module, status)
    return { status, stop: () => clock.stop() }
  }

  async function start(module: Module): Promise<void> {
    const { name, version } = module.supervisor
    const { intervals = {}, schedules = {} } = version?.manifest ?? {}
    const earlier = jobs.get(name)
    stop(name)
    const last = Object.keys(schedules).length > 0 ? await runs.last(name) : new Map<string, Date>()
    if (closed || module.supervisor.state !== 'ready') return
    const own = new Map<string, Job>()
    const statusOf = (job: string, kind: JobStatus['kind']): JobStatus => ({
      name: job,
      kind,
      nextAt: null,
      running: false,
      last: earlier?.get(job)?.status.last ?? null,
    })
    for (const [job, { everyMs }] of Object.entries(intervals)) own.set(job, startInterval(module, statusOf(job, 'interval'), everyMs))
    for (const [job, schedule] of Object.entries(schedules)) {
      own.set(job, startSchedule(module, statusOf(job, 'schedule'), schedule, last.get(job)))
    }
    for (const { name: cron, schedule } of module.supervisor.instance?.handlers.crons ?? []) {
      try {
        own.set(CRON + cron, startSchedule(module, statusOf(CRON + cron, 'schedule'), { cron: schedule, timezone: 'UTC', missed: 'skip' }, undefined))
      } catch (thrown) {
        const message = `cannot schedule ${cron}, ${JSON.stringify(schedule)}: ${(thrown as Error).message}`.slice(0, 500)
        tell({ type: 'module:hook_error', module: name, hook: `job:${CRON}${cron}`, code: 'INVALID', message })
      }
    }
    stop(name)
    jobs.set(name, own)
  }

  function stop(name: string): void {
    for (const job of jobs.get(name)?.values() ?? []) {
      job.stop()
      job.status.nextAt = null
    }
  }

  return {
    tell(event) {
      if (!('module' in event)) return
      const module = find(event.module)
      if (event.type === 'module:ready' && module) start(module).catch(() => {})
      else if (ENDS.has(event.type)) stop(event.module)
    },
    of: (name) => [...(jobs.get(name)?.values() ?? [])].map(({ status }) => status),
    [Symbol.dispose]() {
      closed = true
      for (const name of jobs.keys()) stop(name)
    },
  }
}
