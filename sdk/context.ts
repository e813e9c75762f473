import type { ExtractionReads } from './extractions.ts'
import type { Kv } from './kv.ts'
import type { Messages } from './messages.ts'
import type { ModuleSql } from './sql.ts'

/** A value that JSON can carry; the only kind of value that crosses into or out of an isolate. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/** A plain object as a module sees it, its values not yet looked at. */
export type Data = Record<string, unknown>

export interface Message {
  id: string
  role: 'user' | 'assistant' | 'system'
  content: string
  seq: number
}

/** The four levels of a module's log; each line is kept with its time, module and execution. */
export interface Log {
  debug(message: string, data?: Data): void
  info(message: string, data?: Data): void
  warn(message: string, data?: Data): void
  error(message: string, data?: Data): void
}

/** What the embedding application says about one call of a hook. Dates cross as ISO 8601 text and arrive as `Date`. */
export interface HookData {
  requestId: string
  hook: string
  timestamp: Date
  user: { id: string; email: string; name: string; role: 'student' | 'teacher' | 'admin' }
  group?: { id: string; name: string; path: string }
  class?: { id: string; name: string }
  assignment?: { id: string; name: string; config: Data }
  tool: {
    id: string
    name: string
    type: 'chat' | 'product'
    definition: {
      behavior: string
      model: string
      constraints?: Data
      modules?: string[]
      meta?: Data
    }
  }
  session?: {
    id: string
    state: 'active' | 'paused' | 'completed'
    startedAt: Date
    messageCount: number
  }
  messages?: Array<Message & { createdAt: Date }>
  message?: Message
  response?: string
  run?: { id: string; state: 'pending' | 'complete' | 'failed'; createdAt: Date }
  input?: Data
  output?: Data
  /**
   * Where the hook is an event: its id, the same in every attempt to tell this module of it, and the number of this one,
   * from 1. A module may be told twice; what it does only once, it does under this id.
   */
  event?: { id: string; attempt: number }
}

/** What a handler is given: the call's data, deep-frozen, and what the module may do with the host. */
export interface HookContext extends HookData, Messages {
  /**
   * Keeps a typed record. The promise settles once the record is in the database; awaiting it is optional,
   * as the execution itself ends only when its records are stored.
   *
   * @throws NotCapable without the permission `emit`; QuotaExceeded past the execution's number or bytes of records
   * @example ctx.emit('pii_detected', { email: 2 })
   */
  emit(type: string, data: Data): Promise<void>
  log: Log
  kv: Kv
  db: ExtractionReads & ModuleSql
  /**
   * The configuration that holds for this call: that of the module, with what its group, class and tool say laid over
   * it, deep-frozen. `this.config` is that of the module, whatever the call, as executions interleave at each await.
   */
  config: Data
  env: {
    /**
     * A value that the operator lends to the module; undefined where there is none of that name.
     *
     * @throws NotCapable without the permission `env:NAME`
     * @example const region = ctx.env.get('REGION') ?? 'eu'
     */
    get(name: string): string | undefined
  }
}

/** A module's verdict on a hook. Nothing returned means `{ action: 'continue' }`. */
export interface HookResult {
  /** `continue` applies the modifications, `block` ends the pipeline, `skip` ends this module's say without effect. */
  action: 'continue' | 'block' | 'skip'
  modifications?: {
    message?: { content: string; [key: string]: unknown }
    response?: string
    input?: Data
    output?: Data
    systemPromptAdditions?: string[]
  }
  reason?: string
  directResponse?: string
  /** Records to keep, as if each had been given to `ctx.emit`. */
  extractions?: Array<{ type: string; data: Data }>
}
