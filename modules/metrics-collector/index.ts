import { defineModule } from '@bulkhead/sdk'
import { agentOf, publishedSample, sampleOf } from './sample.ts'
import { add, type Report, report, type Sample, type Series, touch } from './series.ts'

/** An event may be told twice: so many are known again. */
const MAX_SEEN = 2_000
const seen = new Set<string>()
let since = Date.now()

/** What other modules may ask. */
export interface Metrics {
  snapshot(): { since: number; agents: Record<string, Report>; modules: Record<string, Report>; hooks: Record<string, Report> }
  reset(): void
}

interface Carried {
  since: number
  seen: string[]
  series: Array<[string, Series]>
}

export default defineModule({
  config: { enabled: true },
  state: new Map<string, Series>(),

  add(kind: 'agent' | 'hook' | 'module', name: string, sample: Sample): void {
    add(touch(this.state, `${kind} ${name}`), sample)
  },

  handle(hook, ctx): void {
    if (!this.config.enabled || isSeen(ctx.event?.id)) return
    const agent = agentOf(ctx)
    this.add('hook', hook, { at: ctx.timestamp.getTime() })
    if (agent !== undefined) this.add('agent', agent, sampleOf(hook, ctx))
  },

  topics: {
    'metrics.*'({ from, data }): void {
      if (this.config.enabled) this.add('module', from, publishedSample(data, Date.now()))
    },
  },

  getService(): Metrics {
    return {
      snapshot: () => {
        const now = Date.now()
        const of = (kind: string) => {
          const own = [...this.state].filter(([key]) => key.startsWith(`${kind} `))
          return Object.fromEntries(own.map(([key, series]) => [key.slice(kind.length + 1), report(series, now)]))
        }
        return { since, agents: of('agent'), modules: of('module'), hooks: of('hook') }
      },
      reset: () => {
        this.state.clear()
        since = Date.now()
      },
    }
  },

  getState(): Carried {
    return { since, seen: [...seen], series: [...this.state] }
  },
  restoreState(state): void {
    const carried = state as Carried
    since = carried.since
    for (const id of carried.seen) seen.add(id)
    for (const [name, series] of carried.series) this.state.set(name, series)
  },
})

function isSeen(event: string | undefined): boolean {
  if (event === undefined) return false
  if (seen.has(event)) return true
  seen.add(event)
  for (const oldest of seen) {
    if (seen.size <= MAX_SEEN) break
    seen.delete(oldest)
  }
  return false
}
