import { Type } from 'typebox'

/**
 * `pipeline`: modules are asked in order, and their verdicts count. `event`: something has happened; every module that
 * subscribes is told of it at the same time, for certain, and has no veto.
 */
export type HookMode = 'pipeline' | 'event'

/** A named point at which the embedding application calls modules. */
export interface Hook {
  readonly mode: HookMode
  /** Of a pipeline: whether a call waits for each module and takes its verdict. A manifest may say otherwise. */
  readonly blocking: boolean
  readonly about: string
  /**
   * JSON Schema (2020-12) of what a call of it says besides what any call may: see `openCatalogue`.
   */
  readonly context?: object
}

const id = Type.String({ minLength: 1, maxLength: 128, expects: 'an id of 1 to 128 characters' })
const Thing = Type.Object({ id }, { additionalProperties: true, expects: 'an object with an id' })
const anyData = Type.Object({}, { additionalProperties: true, expects: 'an object' })
const status = Type.String({ minLength: 1, maxLength: 128 })

const pipeline = (blocking: boolean, about: string): Hook => ({ mode: 'pipeline', blocking, about })
const event = (about: string, fields: Parameters<typeof Type.Object>[0]): Hook => ({
  mode: 'event',
  blocking: false,
  about,
  context: Type.Object(fields, { additionalProperties: false, expects: 'an object' }),
})

/**
 * The hooks that Bulkhead knows without being told. Those of chats and tools that do not block are answered at once
 * and tell modules once, without a record of it; an application that needs more declares them events.
 */
export const HOOKS: Readonly<Record<string, Hook>> = {
  'chat:on_message': pipeline(false, 'a message was received'),
  'chat:before_ai': pipeline(true, 'a message is about to go to the model'),
  'chat:after_ai': pipeline(true, "the model's response is about to be shown"),
  'session:start': pipeline(false, 'a chat session was created'),
  'session:end': pipeline(false, 'a chat session was completed'),
  'product:before_ai': pipeline(true, "a product tool's input is about to go to the model"),
  'product:after_ai': pipeline(true, "a product tool's output is about to be shown"),
  'run:complete': pipeline(false, "a product tool's run has finished"),

  'server:started': event('the server has begun to listen', { port: Type.Integer({ minimum: 0, maximum: 65_535 }) }),
  'agent:created': event('an agent was made', { agent: Thing }),
  'agent:updated': event('an agent was changed', { agent: Thing, changes: Type.Unknown() }),
  'agent:deleted': event('an agent was removed', { agent: Thing }),
  'agent:heartbeat': event('an agent checked in', { agentId: id, meta: Type.Optional(anyData) }),
  'agent:status_changed': event("an agent's status changed", { agent: Thing, from: status, to: status }),
  'issue:created': event('an issue was made', { issue: Thing }),
  'issue:status_changed': event('an issue moved between statuses', { issue: Thing, from: status, to: status }),
  'issue:assigned': event('an issue was given to an agent', { issue: Thing, agent: Thing }),
  'goal:created': event('a goal was made', { goal: Thing }),
  'goal:completed': event('a goal was reached', { goal: Thing }),
  'budget:spend_recorded': event('an agent spent', { agentId: id, amount: Type.Number(), total: Type.Number() }),
  'budget:threshold_crossed': event("an agent's spending crossed a threshold of its budget", {
    agentId: id,
    budget: Type.Number(),
    spent: Type.Number(),
    percent: Type.Number(),
  }),
}
