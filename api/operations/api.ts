import { Type } from 'typebox'
import { listOperation } from '../lists.ts'
import { allows } from '../roles.ts'

export const list = listOperation({
  name: 'api:operations',
  http: 'GET /v1/api/operations',
  scope: 'api:read',
  summary: 'List all that can be asked for, and the scope that each takes',
  description: 'A key may do what its scopes hold: the scope of an operation, its name, or a pattern such as `modules:*`.',
  item: Type.Object({
    name: Type.String(),
    domain: Type.String(),
    method: Type.Enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
    path: Type.String(),
    scope: Type.String(),
    summary: Type.String(),
    writes: Type.Boolean(),
    dangerous: Type.Boolean(),
    long: Type.Boolean(),
    mayDo: Type.Boolean({ description: 'whether the key that asks may' }),
  }),
  key: ['name'],
  example: {},
  examples: [{ summary: 'What a key with a scope may do', input: { filter: ['scope=modules:write'] } }],
  all: ({ operations }, _, { caller }) =>
    operations.map((operation) => {
      const { name, domain, method, path, scope, summary, writes, dangerous, long } = operation
      return { name, domain, method, path, scope, summary, writes, dangerous, long, mayDo: allows(caller.scopes, operation) }
    }),
})
