type Handler = () => unknown

export interface Crons {
  /** `Deno.cron`. */
  cron(name: string, schedule: unknown, ...rest: unknown[]): Promise<void>
  handlerOf(name: string): Handler | undefined
}

/** As many jobs one module may have. */
const MAX_CRONS = 100

/**
 * `Deno.cron`: jobs that the module's top level registers, and that the host runs at their times, each under a budget of its own.
 *
 * @param isSealed whether the host has been told of them, so that no more can be made
 * @param note called with each
 */
export function openCrons(isSealed: () => boolean, note: (job: { name: string; schedule: string }) => void): Crons {
  const jobs = new Map<string, Handler>()
  return {
    cron(name, schedule, ...rest) {
      const handler = rest.find((value) => typeof value === 'function') as Handler | undefined
      if (typeof name !== 'string') throw new TypeError('Cannot create cron job, a unique name is required: received \'undefined\'')
      if (schedule === undefined) throw new TypeError('Cannot create cron job, a schedule is required: received \'undefined\'')
      if (!handler) throw new TypeError('Cannot create cron job: a handler is required')
      if (!/^[\w -]{1,64}$/.test(name)) throw new TypeError('Cannot create cron job, an invalid name: use letters, digits, "-", "_" and spaces, at most 64')
      if (isSealed()) throw new TypeError(`Cannot create cron job ${name}, it has to be made by the module's top level`)
      if (jobs.has(name)) throw new TypeError(`Cannot create cron job, a cron with the name already exists: ${name}`)
      if (jobs.size >= MAX_CRONS) throw new TypeError(`Cannot create cron job ${name}, a module may have ${MAX_CRONS}`)
      jobs.set(name, handler)
      note({ name, schedule: expressionOf(schedule) })
      return new Promise<void>(() => {})
    },
    handlerOf: (name) => jobs.get(name),
  }
}

type Part = undefined | number | { every: number } | { exact: number | number[] } | { start?: number; end?: number; every?: number }

/** Text of five fields, or the object that Deno takes instead. */
function expressionOf(schedule: unknown): string {
  if (typeof schedule === 'string') return schedule
  const { minute, hour, dayOfMonth, month, dayOfWeek } = schedule as Record<string, Part>
  return [minute, hour, dayOfMonth, month, dayOfWeek].map(fieldOf).join(' ')
}

function fieldOf(part: Part): string {
  if (part === undefined) return '*'
  if (typeof part === 'number') return String(part)
  if ('exact' in part) return Array.isArray(part.exact) ? part.exact.join(',') : String(part.exact)
  const { start, end, every } = part as { start?: number; end?: number; every?: number }
  const range = start === undefined && end === undefined ? '*' : end === undefined ? `${start}/1` : `${start ?? 0}-${end}`
  if (every === undefined) return range
  return start !== undefined && end === undefined ? `${start}/${every}` : `${range}/${every}`
}
