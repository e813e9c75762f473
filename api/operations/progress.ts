import { Type } from 'typebox'
import { BulkheadError, ERRORS, type ErrorCode } from '../../bridge/errors.ts'
import { operation } from '../operation.ts'
import { allows } from '../roles.ts'
import { Moment } from './page.ts'

const Id = Type.String({ format: 'uuid', expects: 'the id that a 202 came with' })

/** Of work that takes longer than a request: what a 202 has, and where `Location` leads. */
export const ProgressOf = Type.Object({
  id: Type.String(),
  operation: Type.String(),
  state: Type.Enum(['running', 'done', 'failed', 'lost'], { description: 'lost: the host that did it is gone, and it may be half done' }),
  step: Type.Union([Type.Null(), Type.String()], { description: 'what was done last, such as "bundled (3 of 7)"' }),
  percent: Type.Union([Type.Null(), Type.Number()], { description: 'of its steps, where they can be counted' }),
  result: Type.Unknown({ description: 'what the operation answers, once it is done' }),
  error: Type.Union([
    Type.Null(),
    Type.Object({ code: Type.Enum(Object.keys(ERRORS) as ErrorCode[]), message: Type.String(), details: Type.Optional(Type.Unknown()) }),
  ]),
  startedAt: Moment,
  endedAt: Type.Union([Type.Null(), Moment]),
})

export const get = operation({
  name: 'progress:get',
  http: 'GET /v1/progress/:id',
  scope: 'progress:read',
  summary: 'Show how far a piece of long work is, and what came of it',
  description: 'For the key that asked for it, and for keys that may ask for the same. It is kept for 24 hours.',
  input: Type.Object({ id: Id }),
  output: ProgressOf,
  example: { id: '018f0000-0000-7000-8000-000000000000' },
  async run({ progress, operations }, { id }, { caller }) {
    const found = await progress.find(id)
    const done = operations.find(({ name }) => name === found?.operation)
    if (found === undefined || (found.caller !== caller.id && !(done && allows(caller.scopes, done)))) {
      throw new BulkheadError('NOT_FOUND', `no work with the id ${id}, or none of yours, or it is over for longer than a day`)
    }
    const { caller: _caller, ...row } = found
    return row
  },
})
