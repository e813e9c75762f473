import type { Data, HookContext } from './context.ts'

/** A context in which fields that are optional elsewhere are there. */
type Having<Field extends keyof HookContext> = HookContext & Required<Pick<HookContext, Field>>

/** What an event is about: an agent, an issue, a goal, with whatever else the application says of it. */
type Thing = { id: string } & Data

/**
 * The context of each hook that Bulkhead knows by itself. An application that declares hooks of its own tells their
 * contexts by merging into this interface.
 *
 * @example
 * declare module '@bulkhead/sdk' {
 *   interface HookContexts {
 *     'order:placed': HookContext & { order: { id: string; total: number } }
 *   }
 * }
 */
export interface HookContexts {
  'chat:on_message': Having<'message'>
  'chat:before_ai': Having<'message'>
  'chat:after_ai': Having<'response'>
  'session:start': Having<'session'>
  'session:end': Having<'session'>
  'product:before_ai': Having<'input' | 'run'>
  'product:after_ai': Having<'input' | 'output' | 'run'>
  'run:complete': Having<'run'>

  'server:started': HookContext & { port: number }
  'agent:created': HookContext & { agent: Thing }
  'agent:updated': HookContext & { agent: Thing; changes: unknown }
  'agent:deleted': HookContext & { agent: Thing }
  'agent:heartbeat': HookContext & { agentId: string; meta?: Data }
  'agent:status_changed': HookContext & { agent: Thing; from: string; to: string }
  'issue:created': HookContext & { issue: Thing }
  'issue:status_changed': HookContext & { issue: Thing; from: string; to: string }
  'issue:assigned': HookContext & { issue: Thing; agent: Thing }
  'goal:created': HookContext & { goal: Thing }
  'goal:completed': HookContext & { goal: Thing }
  'budget:spend_recorded': HookContext & { agentId: string; amount: number; total: number }
  'budget:threshold_crossed': HookContext & { agentId: string; budget: number; spent: number; percent: number }
}

/**
 * The name of a hook whose context is known.
 *
 * @example const name: HookName = 'chat:before_ai'
 */
export type HookName = keyof HookContexts
