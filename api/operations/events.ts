import { Type } from 'typebox'
import { Label } from '../../runtime/context.ts'
import { DEAD_SORTS } from '../../runtime/store/dead-letters.ts'
import { operation } from '../operation.ts'
import { Moment, pageOf, pageQuery, paging, sortedPaging, WIDE } from './page.ts'

const DeadLetter = Type.Object({
  event: Type.String(),
  module: Type.String(),
  hook: Type.String(),
  attempts: Type.Integer(),
  code: Type.String(),
  message: Type.String(),
  createdAt: Moment,
  deadAt: Moment,
})

export const dead = operation({
  name: 'events:dead',
  http: 'GET /v1/events/dead',
  scope: 'events:read',
  summary: 'List the events that a module failed on too often, and why the last attempt failed',
  input: Type.Object({
    ...paging,
    hook: Type.Optional(Label),
    ...sortedPaging(DEAD_SORTS, 'module, hook, code and message'),
  }),
  output: pageOf(DeadLetter),
  errors: WIDE,
  example: { limit: 10 },
  examples: [{ summary: 'Those that ran out of time', input: { search: 'timeout', sort: 'module', order: 'asc' } }],
  run: ({ runtime }, query) => runtime.deadLetters(pageQuery(query)),
})

const Id = Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', expects: 'the id of an event' })

export const retry = operation({
  name: 'events:retry',
  http: 'POST /v1/events/dead/retry',
  scope: 'events:write',
  summary: 'Deliver dead events again: those of one event, one module or one hook, or all',
  input: Type.Object({ event: Type.Optional(Id), module: Type.Optional(Label), hook: Type.Optional(Label) }),
  output: Type.Object({ deliveries: Type.Integer() }),
  example: { module: 'pii-filter' },
  run: async ({ runtime }, which) => ({ deliveries: await runtime.retryEvents(which) }),
})
