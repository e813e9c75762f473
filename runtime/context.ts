import { Type, type Static } from 'typebox'
import { BulkheadError } from '../bridge/errors.ts'
import type { Data, HookData } from '../sdk/context.ts'
import { randomId } from './random-id.ts'

/** A value as JSON carries it: dates are ISO 8601 text. */
export type Wire<T> = T extends Date ? string : T extends object ? { [Key in keyof T]: Wire<T[Key]> } : T

const closed = { additionalProperties: false, expects: 'an object' }
const anyData = Type.Unsafe<Data>({ type: 'object', expects: 'an object' })

/** A time as text. Schemas say with `expects` what a form means, for the messages about faults. */
export const Time = Type.String({
  format: 'date-time',
  expects: 'an ISO 8601 time with its zone, such as "2026-01-31T09:30:00Z"',
})

/** A name or an id: at most 512 bytes of what PostgreSQL can store, so no NUL and no half of a surrogate pair. */
export const Label = Type.String({
  maxLength: 128,
  pattern: '^[^\\u0000\\ud800-\\udfff]*$',
  expects: 'text without NUL characters and halves of surrogate pairs',
})

const message = {
  id: Type.Optional(Label),
  role: Type.Optional(Type.Enum(['user', 'assistant', 'system'])),
  content: Type.String(),
  seq: Type.Optional(Type.Integer({ minimum: 0 })),
}

/** What a call of any hook may say: when, by whom, and where. */
export const CALL_FIELDS = {
  requestId: Type.Optional(Label),
  hook: Type.Optional(Label),
  timestamp: Type.Optional(Time),
  user: Type.Optional(
    Type.Object(
      {
        id: Type.Optional(Label),
        email: Type.Optional(Label),
        name: Type.Optional(Label),
        role: Type.Optional(Type.Enum(['student', 'teacher', 'admin'])),
      },
      closed,
    ),
  ),
  group: Type.Optional(
    Type.Object({ id: Label, name: Type.Optional(Label), path: Type.Optional(Type.String()) }, closed),
  ),
  class: Type.Optional(Type.Object({ id: Label, name: Type.Optional(Label) }, closed)),
  assignment: Type.Optional(
    Type.Object({ id: Label, name: Type.Optional(Label), config: Type.Optional(anyData) }, closed),
  ),
  tool: Type.Optional(
    Type.Object(
      {
        id: Type.Optional(Label),
        name: Type.Optional(Label),
        type: Type.Optional(Type.Enum(['chat', 'product'])),
        definition: Type.Optional(
          Type.Object(
            {
              behavior: Type.Optional(Type.String()),
              model: Type.Optional(Type.String()),
              constraints: Type.Optional(anyData),
              modules: Type.Optional(Type.Array(Label)),
              meta: Type.Optional(anyData),
            },
            closed,
          ),
        ),
      },
      closed,
    ),
  ),
  session: Type.Optional(
    Type.Object(
      {
        id: Label,
        state: Type.Optional(Type.Enum(['active', 'paused', 'completed'])),
        startedAt: Type.Optional(Time),
        messageCount: Type.Optional(Type.Integer({ minimum: 0 })),
      },
      closed,
    ),
  ),
}

/** What a call about a chat or a product tool may say. All of it is optional; `completeContext` fills the rest in. */
export const HookBody = Type.Object(
  {
    ...CALL_FIELDS,
    messages: Type.Optional(Type.Array(Type.Object({ ...message, createdAt: Type.Optional(Time) }, closed))),
    message: Type.Optional(Type.Object(message, { ...closed, expects: 'an object such as {"content": "hello"}' })),
    response: Type.Optional(Type.String()),
    run: Type.Optional(
      Type.Object(
        {
          id: Label,
          state: Type.Optional(Type.Enum(['pending', 'complete', 'failed'])),
          createdAt: Type.Optional(Time),
        },
        closed,
      ),
    ),
    input: Type.Optional(anyData),
    output: Type.Optional(anyData),
  },
  closed,
)
export type HookBody = Static<typeof HookBody>

/**
 * The context that modules are called with: what the caller said, and plain values for what was left out, since a
 * module may rely on `ctx.user.role` or `ctx.message.seq` without asking whether they are there.
 *
 * @param body already checked against `HookBody`
 * @param requestId used where the body names none
 * @throws BulkheadError `INVALID` when the body names another hook than the one that is called
 * @example completeContext('chat:before_ai', { message: { content: 'hi' } }, 'r1').message?.role // 'user'
 */
export function completeContext(hook: string, body: HookBody, requestId: string): Wire<HookData> {
  if (body.hook !== undefined && body.hook !== hook) {
    const fault = { path: 'hook', message: `must be "${hook}", the hook that is called, or be left out` }
    throw new BulkheadError('INVALID', `the context is of another hook than "${hook}"`, { faults: [fault] })
  }
  const { user, group, class: learners, assignment, tool, session, messages, message: current, run, ...rest } = body
  const now = body.timestamp ?? new Date().toISOString()
  return {
    ...rest,
    requestId: body.requestId ?? requestId,
    hook,
    timestamp: now,
    user: { id: 'anonymous', email: '', name: '', role: 'student', ...user },
    tool: {
      id: 'default',
      name: 'default',
      type: /^(product|run):/.test(hook) ? 'product' : 'chat',
      ...tool,
      definition: { behavior: '', model: '', ...tool?.definition },
    },
    ...(group && { group: { name: '', path: '', ...group } }),
    ...(learners && { class: { name: '', ...learners } }),
    ...(assignment && { assignment: { name: '', config: {}, ...assignment } }),
    ...(session && {
      session: { state: 'active', startedAt: now, messageCount: messages?.length || 1, ...session },
    }),
    ...(messages && {
      messages: messages.map((one, index) => ({
        ...{ id: randomId(), role: 'user' as const, seq: index + 1, createdAt: now },
        ...one,
      })),
    }),
    ...(current && { message: { id: randomId(), role: 'user', seq: 1, ...current } }),
    ...(run && { run: { state: 'pending', createdAt: now, ...run } }),
  }
}
