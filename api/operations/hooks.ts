import { Type } from 'typebox'
import { ERRORS, type ErrorCode } from '../../bridge/errors.ts'
import { Label } from '../../runtime/context.ts'
import type { Data } from '../../sdk/context.ts'
import { listOperation } from '../lists.ts'
import { operation } from '../operation.ts'

const anyData = Type.Unsafe<Data>({ type: 'object' })
const Code = Type.Enum(Object.keys(ERRORS) as ErrorCode[])

const Trace = Type.Object({
  requestId: Type.String(),
  hook: Type.String(),
  startedAt: Type.String(),
  steps: Type.Array(
    Type.Object({
      module: Type.String(),
      version: Type.String(),
      waited: Type.Boolean(),
      outcome: Type.Enum(['continue', 'block', 'skip', 'told', 'failed']),
      code: Type.Optional(Code),
      wallMs: Type.Number(),
      cpuMs: Type.Optional(Type.Number()),
      calls: Type.Optional(Type.Integer()),
      execution: Type.Optional(Type.String()),
      changes: Type.Array(Type.Object({ field: Type.String(), before: Type.Integer(), after: Type.Integer() })),
    }),
  ),
})

const HookOutcome = Type.Object({
  action: Type.Enum(['continue', 'block']),
  modifications: Type.Optional(
    Type.Object({
      message: Type.Optional(Type.Unsafe<{ content: string; [key: string]: unknown }>({ type: 'object' })),
      response: Type.Optional(Type.String()),
      input: Type.Optional(anyData),
      output: Type.Optional(anyData),
      systemPromptAdditions: Type.Optional(Type.Array(Type.String())),
    }),
  ),
  reason: Type.Optional(Type.String()),
  directResponse: Type.Optional(Type.String()),
  blockedBy: Type.Optional(Type.String()),
  extractions: Type.Array(Type.Object({ module: Type.String(), type: Type.String(), data: anyData })),
  failures: Type.Array(Type.Object({ module: Type.String(), code: Code, message: Type.String() })),
  trace: Type.Optional(Trace),
})

/** Of an event, once it is stored. */
const Accepted = Type.Object({ id: Type.String() }, { additionalProperties: false })

export const execute = operation({
  name: 'hooks:execute',
  http: 'POST /v1/hooks/:hook',
  scope: 'hooks:execute',
  summary: 'Ask the modules of a hook, in their order, what they make of a context; or accept an event for them (202)',
  input: Type.Object({
    hook: Label,
    trace: Type.Optional(Type.Enum(['0', '1'])),
    // Which one, the hook says: the catalogue checks it.
    context: Type.Object({}, { additionalProperties: true, expects: 'an object' }),
  }),
  body: 'context',
  output: Type.Union([HookOutcome, Accepted]),
  statuses: [200, 202],
  status: (output) => ('action' in output ? 200 : 202),
  example: { hook: 'chat:before_ai', context: { message: { content: 'Write to jane.doe@example.org, please' } } },
  async run({ runtime }, { hook, trace, context }, { requestId }) {
    const { event, ...outcome } = await runtime.executeHook(hook, context, { requestId, trace: trace === '1' })
    return event ?? outcome
  },
})

export const list = listOperation({
  name: 'hooks:list',
  http: 'GET /v1/hooks',
  scope: 'hooks:read',
  summary: 'List the hooks that there are, with what their contexts may say and the modules that answer them',
  item: Type.Object({
    name: Type.String(),
    mode: Type.Enum(['pipeline', 'event']),
    blocking: Type.Boolean(),
    about: Type.String(),
    context: Type.Unsafe<object>({ type: 'object' }),
    modules: Type.Array(Type.String()),
  }),
  key: ['name'],
  example: {},
  examples: [{ summary: 'The hooks that a module answers', input: { filter: ['modules=pii-filter'] } }],
  all: ({ runtime }) => runtime.hooks(),
})

export const traces = operation({
  name: 'hooks:traces',
  http: 'GET /v1/hooks/traces/:requestId',
  scope: 'hooks:read',
  summary: 'Show what each module did in the latest calls of a request: verdict, time, and which fields it changed',
  input: Type.Object({ requestId: Label }),
  output: Type.Object({ items: Type.Array(Trace), nextCursor: Type.Null() }),
  example: { requestId: 'r1' },
  run: ({ runtime }, { requestId }) => ({ items: runtime.traces(requestId), nextCursor: null }),
})
