/** What is known of one agent, module or hook. */
export interface Series {
  count: number
  errors: number
  /** Milliseconds. */
  duration: Durations
  tokens: number
  costCents: number
  /** What an agent spent, as its budget says. */
  spent: number
  /** How often budgets crossed a threshold. */
  thresholds: number
  /** The status an agent is in, and the milliseconds it spent in each so far. */
  status?: { name: string; since: number }
  statusMs?: Record<string, number>
  /** When it was last heard of, milliseconds since 1970. */
  lastAt: number
}

export interface Durations {
  count: number
  sum: number
  min: number
  max: number
  /** How many took at most as long as the bound of the same place in BOUNDS, and no less than the one before. */
  buckets: number[]
}

/** What is added to a series. */
export interface Sample {
  at: number
  count?: number
  error?: boolean
  durationMs?: number
  tokens?: number
  costCents?: number
  spent?: number
  threshold?: boolean
  status?: string
}

export const BOUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, Infinity]
export const MAX_SERIES = 300
const MAX_STATUSES = 20

/** The series of a name, as the one last heard of; the one not heard of for longest is forgotten when there are too many. */
export function touch(all: Map<string, Series>, name: string): Series {
  const series = all.get(name) ?? openSeries()
  all.delete(name)
  all.set(name, series)
  const kind = kindOf(name)
  const same = [...all.keys()].filter((key) => kindOf(key) === kind)
  for (const oldest of same.slice(0, Math.max(0, same.length - MAX_SERIES))) all.delete(oldest)
  return series
}

export function add(series: Series, sample: Sample): void {
  series.count += amount(sample.count ?? 1)
  if (sample.error === true) series.errors++
  if (sample.threshold === true) series.thresholds++
  series.tokens += amount(sample.tokens)
  series.costCents += amount(sample.costCents)
  series.spent += amount(sample.spent)
  if (isAmount(sample.durationMs)) addDuration(series.duration, sample.durationMs)
  if (sample.status !== undefined) changeStatus(series, sample.status, sample.at)
  series.lastAt = Math.max(series.lastAt, sample.at)
}

/** A series as others read it: percentiles are the bounds of buckets, and null stands for no durations. */
export interface Report extends Omit<Series, 'duration' | 'status'> {
  durationMs: { count: number; min: number; max: number; mean: number; p50: number; p95: number } | null
  status?: string
}

export function report({ duration, status, statusMs, ...rest }: Series, now: number): Report {
  const { count, sum, min, max } = duration
  const durationMs = count === 0 ? null : { count, min, max, mean: sum / count, p50: quantile(duration, 0.5), p95: quantile(duration, 0.95) }
  if (!status) return { ...rest, durationMs }
  const until = { ...statusMs, [status.name]: (statusMs?.[status.name] ?? 0) + Math.max(0, now - status.since) }
  return { ...rest, durationMs, status: status.name, statusMs: until }
}

function openSeries(): Series {
  const duration = { count: 0, sum: 0, min: 0, max: 0, buckets: BOUNDS.map(() => 0) }
  return { count: 0, errors: 0, duration, tokens: 0, costCents: 0, spent: 0, thresholds: 0, lastAt: 0 }
}

function addDuration(duration: Durations, ms: number): void {
  duration.min = duration.count === 0 ? ms : Math.min(duration.min, ms)
  duration.max = Math.max(duration.max, ms)
  duration.count++
  duration.sum += ms
  const bucket = BOUNDS.findIndex((bound) => ms <= bound)
  duration.buckets[bucket] = (duration.buckets[bucket] ?? 0) + 1
}

function quantile({ count, max, buckets }: Durations, share: number): number {
  let seen = 0
  for (const [place, held] of buckets.entries()) {
    seen += held
    if (seen >= count * share) return Math.min(max, BOUNDS[place] ?? max)
  }
  return max
}

function changeStatus(series: Series, name: string, at: number): void {
  const { status, statusMs = {} } = series
  if (status && (Object.hasOwn(statusMs, status.name) || Object.keys(statusMs).length < MAX_STATUSES)) {
    statusMs[status.name] = (statusMs[status.name] ?? 0) + Math.max(0, at - status.since)
  }
  series.statusMs = statusMs
  series.status = { name: name.slice(0, 128), since: at }
}

function kindOf(name: string): string {
  return name.slice(0, name.indexOf(' '))
}

function amount(value: unknown): number {
  return isAmount(value) ? value : 0
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < Number.MAX_SAFE_INTEGER
}
