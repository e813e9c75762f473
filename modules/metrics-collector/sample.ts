import type { HookContext } from '@bulkhead/sdk'
import type { Sample } from './series.ts'

/** What the events say besides what every context has. */
interface Said {
  agentId?: string
  agent?: { id: string }
  meta?: Record<string, unknown>
  amount?: number
  to?: string
}

/** Which agent an event is about; undefined where it is about none. */
export function agentOf(ctx: HookContext): string | undefined {
  const { agentId, agent } = ctx as Said
  return agentId ?? agent?.id
}

/** What an event adds to the series of its agent. */
export function sampleOf(hook: string, ctx: HookContext): Sample {
  const { meta = {}, amount, to } = ctx as Said
  const at = ctx.timestamp.getTime()
  if (hook === 'agent:heartbeat') {
    return {
      at,
      error: meta['error'] === true,
      ...numbers({ durationMs: meta['latencyMs'] ?? meta['durationMs'], tokens: meta['tokensUsed'], costCents: meta['costCents'] }),
    }
  }
  if (hook === 'budget:spend_recorded') return { at, ...numbers({ spent: amount }) }
  if (hook === 'budget:threshold_crossed') return { at, threshold: true }
  if (hook === 'agent:status_changed' && to !== undefined) return { at, status: to, error: to === 'error' }
  return { at }
}

/** What a module published about itself. */
export function publishedSample(data: unknown, at: number): Sample {
  const said = (typeof data === 'object' && data !== null ? data : {}) as Record<string, unknown>
  const { count, durationMs, tokens, costCents } = said
  return { at, error: said['error'] === true, ...numbers({ count, durationMs, tokens, costCents }) }
}

function numbers<Name extends string>(values: Record<Name, unknown>): Partial<Record<Name, number>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value === 'number')) as Partial<Record<Name, number>>
}
