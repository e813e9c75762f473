import { Type } from 'typebox'
import { Label } from '../../runtime/context.ts'
import { GRANT_CHANGE_SORTS } from '../../runtime/store/grant-rows.ts'
import { listOperation } from '../lists.ts'
import { operation } from '../operation.ts'
import { before, tagged } from './module-schemas.ts'
import { Moment, pageOf, sortedPaging, WIDE } from './page.ts'

const permission = Type.String({ minLength: 1, maxLength: 300 })

const Permission = Type.Object({
  module: Type.String(),
  permission: Type.String(),
  asked: Type.Boolean(),
  granted: Type.Boolean(),
  decidedBy: Type.Union([Type.String(), Type.Null()]),
  decidedAt: Type.Union([Moment, Type.Null()]),
})
const listOfPermissions = Type.Object({ items: Type.Array(Permission), nextCursor: Type.Null() })

const decision = Type.Object(
  { permissions: Type.Optional(Type.Array(permission, { minItems: 1, maxItems: 100, uniqueItems: true })) },
  { additionalProperties: false, expects: 'an object such as {"permissions": ["emit"]}' },
)

export const list = listOperation({
  name: 'permissions:list',
  http: 'GET /v1/permissions',
  scope: 'permissions:read',
  summary: 'List what modules ask for and what was granted, of all of them or of one',
  input: { module: Type.Optional(Label) },
  item: Permission,
  key: ['module', 'permission'],
  example: { module: 'pii-filter' },
  examples: [{ summary: 'What was asked for and not granted', input: { filter: ['granted=false'] } }],
  all: ({ runtime }, { module }) => runtime.permissions.list(module),
})

export const check = operation({
  name: 'permissions:check',
  http: 'GET /v1/modules/:name/permissions/:permission',
  scope: 'permissions:read',
  summary: 'Tell whether a module may do something',
  input: Type.Object({ name: Label, permission }),
  output: Type.Interface([Permission], { effective: Type.Boolean() }),
  example: { name: 'pii-filter', permission: 'emit' },
  run: ({ runtime }, { name, permission: asked }) => runtime.permissions.check(name, asked),
})

export const revoke = operation({
  name: 'permissions:revoke',
  http: 'POST /v1/modules/:name/permissions/revoke',
  scope: 'permissions:write',
  summary: 'Take permissions from a module, all unless some are named; a version that waits for them comes up without',
  input: Type.Object({ name: Label, decision }),
  body: 'decision',
  output: listOfPermissions,
  before,
  tag: tagged,
  example: { name: 'pii-filter', decision: { permissions: ['emit'] } },
  run: async ({ runtime }, { name, decision: { permissions } }, { caller }) => ({
    items: await runtime.permissions.revoke(name, permissions, caller.name),
    nextCursor: null,
  }),
})

export const grant = operation({
  name: 'permissions:grant',
  http: 'POST /v1/modules/:name/permissions/grant',
  scope: 'permissions:write',
  summary: 'Grant permissions to a module, all that it asks for unless some are named; a version that waits for them comes up',
  input: Type.Object({ name: Label, decision }),
  body: 'decision',
  output: listOfPermissions,
  before,
  tag: tagged,
  example: { name: 'pii-filter', decision: { permissions: ['emit'] } },
  run: async ({ runtime }, { name, decision: { permissions } }, { caller }) => ({
    items: await runtime.permissions.grant(name, permissions, caller.name),
    nextCursor: null,
  }),
})

export const audit = operation({
  name: 'permissions:audit',
  http: 'GET /v1/permissions/audit',
  scope: 'permissions:read',
  summary: 'List who granted and revoked what, and what modules tried without having been granted it',
  input: Type.Object({ module: Type.Optional(Label), ...sortedPaging(GRANT_CHANGE_SORTS, 'module, permission, action and name of who decided') }),
  errors: WIDE,
  output: Type.Interface(
    [
      pageOf(
        Type.Object({
          revision: Type.Integer(),
          module: Type.String(),
          permission: Type.String(),
          action: Type.Enum(['grant', 'revoke']),
          changedBy: Type.String(),
          changedAt: Moment,
        }),
      ),
    ],
    {
      violations: Type.Array(
        Type.Object({
          module: Type.String(),
          version: Type.String(),
          permission: Type.String(),
          count: Type.Integer(),
          hook: Type.String(),
          execution: Type.String(),
          firstAt: Moment,
          lastAt: Moment,
        }),
      ),
    },
  ),
  example: { module: 'pii-filter', limit: 10 },
  async run({ runtime }, query) {
    const { decisions, violations } = await runtime.permissions.audit(query)
    return { ...decisions, violations }
  },
})
