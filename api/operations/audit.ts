import { Type } from 'typebox'
import { Label } from '../../runtime/context.ts'
import { AUDIT_SORTS } from '../../runtime/store/audit.ts'
import { operation } from '../operation.ts'
import { Moment, Nullable, pageOf, pageQuery, paging, sortedPaging, WIDE } from './page.ts'

export const list = operation({
  name: 'auth:audit',
  http: 'GET /v1/auth/audit',
  scope: 'auth:read',
  summary: 'List who changed what, newest first, with what was there before and after',
  input: Type.Object({
    module: Type.Optional(Label),
    key: Type.Optional(Type.String({ format: 'uuid' })),
    operation: Type.Optional(Type.String({ pattern: '^[a-z]+(:[a-z]+)+$', maxLength: 100, expects: 'the name of an operation, such as modules:reload' })),
    since: paging.since,
    ...sortedPaging(AUDIT_SORTS, 'key name, operation, module, request id, error, and input, before and after as JSON'),
  }),
  output: pageOf(
    Type.Object({
      id: Type.Integer(),
      at: Moment,
      key: Type.String(),
      keyName: Type.String(),
      operation: Type.String(),
      module: Nullable(Type.String()),
      requestId: Type.String(),
      status: Type.Integer(),
      error: Nullable(Type.String()),
      input: Type.Unknown(),
      before: Type.Unknown(),
      after: Type.Unknown(),
    }),
  ),
  errors: WIDE,
  example: { limit: 10 },
  run: ({ access }, query) => access.audit.page(pageQuery(query)),
})
