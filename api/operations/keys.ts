import { Type } from 'typebox'
import { BulkheadError } from '../../bridge/errors.ts'
import { Label } from '../../runtime/context.ts'
import type { Caller } from '../../runtime/store/keys.ts'
import { listOperation } from '../lists.ts'
import { operation, type Services } from '../operation.ts'
import { beyond, BUILT_IN, SCOPE_PATTERN, scopesOf } from '../roles.ts'
import { Moment, Nullable } from './page.ts'

export const Scopes = Type.Array(
  Type.String({ pattern: SCOPE_PATTERN, maxLength: 100, expects: 'a scope such as "modules:read", "modules:*", "*:read" or "*"' }),
  { maxItems: 100, uniqueItems: true },
)
const Id = Type.String({ format: 'uuid' })

const Key = Type.Object({
  id: Type.String(),
  prefix: Type.String(),
  name: Type.String(),
  scopes: Type.Array(Type.String()),
  roles: Type.Array(Type.String()),
  modules: Nullable(Type.Array(Type.String())),
  requestsPerMinute: Nullable(Type.Integer()),
  createdAt: Moment,
  createdBy: Nullable(Type.String()),
  expiresAt: Nullable(Moment),
  lastUsedAt: Nullable(Moment),
  revokedAt: Nullable(Moment),
  rotates: Nullable(Type.String()),
})
const NewKey = Type.Object({ key: Type.String({ secret: true }), row: Key })

const Rights = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100, pattern: '^[^\\x00-\\x1f]*$', expects: 'a name of 1 to 100 characters' }),
    scopes: Type.Optional(Scopes),
    roles: Type.Optional(Type.Array(Label, { maxItems: 20, uniqueItems: true })),
    modules: Type.Optional(Type.Array(Label, { minItems: 1, maxItems: 100, uniqueItems: true })),
    requestsPerMinute: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    expiresInDays: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 3650 })),
  },
  { additionalProperties: false, expects: 'what the key is called and may do' },
)

const DAY_MS = 24 * 60 * 60 * 1000

export const list = listOperation({
  name: 'auth:keys',
  http: 'GET /v1/auth/keys',
  scope: 'auth:read',
  summary: 'List the API keys by their visible prefix, those that have ended included',
  item: Key,
  key: ['createdAt', 'id'],
  example: {},
  examples: [{ summary: 'Those that were used last', input: { sort: 'lastUsedAt', order: 'desc', limit: 10 } }],
  all: ({ access }) => access.keys.all(),
})

export const generate = operation({
  name: 'auth:generatekey',
  http: 'POST /v1/auth/keys',
  scope: 'auth:write',
  summary: 'Make an API key, which is told this once',
  description: 'A key may be given no more than the caller may do. With `modules` it may only do what names one of them.',
  input: Type.Object({ key: Rights }),
  body: 'key',
  output: NewKey,
  statuses: [201],
  example: { key: { name: 'my app', roles: ['app'], expiresInDays: 90 } },
  async run({ access }, { key }, { caller }) {
    const { name, scopes = [], roles = [], modules = null, requestsPerMinute = null, expiresInDays } = key
    if (scopes.length + roles.length === 0) {
      throw new BulkheadError('INVALID', 'cannot make a key that may do nothing, give it scopes or roles')
    }
    await mayGive(caller, { scopes, roles, modules }, access)
    const expiresAt = expiresInDays === undefined ? null : new Date(Date.now() + expiresInDays * DAY_MS)
    return access.keys.create({ name, scopes, roles, modules, ...noMoreThan(caller, { requestsPerMinute, expiresAt }) }, caller.name)
  },
})

export const rotate = operation({
  name: 'auth:rotatekey',
  http: 'POST /v1/auth/keys/:id/rotate',
  scope: 'auth:write',
  summary: 'Make a key with the same rights, and end the old one after an overlap',
  input: Type.Object({ id: Id, overlapHours: Type.Optional(Type.Number({ minimum: 0, maximum: 720, default: 24 })) }),
  output: NewKey,
  statuses: [201],
  before: ({ access }, { id }) => access.keys.get(id),
  example: { id: '00000000-0000-4000-8000-00000000a001', overlapHours: 24 },
  async run({ access }, { id, overlapHours = 24 }, { caller }) {
    await mayGive(caller, await access.keys.get(id), access)
    return access.keys.rotate(id, overlapHours * 60 * 60 * 1000, caller.name)
  },
})

export const revoke = operation({
  name: 'auth:revokekey',
  http: 'DELETE /v1/auth/keys/:id',
  scope: 'auth:write',
  summary: 'End a key; hosts that have just seen it notice within five seconds',
  dangerous: true,
  input: Type.Object({ id: Id }),
  output: Key,
  before: ({ access }, { id }) => access.keys.get(id),
  example: { id: '00000000-0000-4000-8000-00000000a001', confirm: true },
  async run({ access }, { id }, { caller }) {
    await mayGive(caller, await access.keys.get(id), access)
    return access.keys.revoke(id)
  },
})

export const usage = operation({
  name: 'auth:usage',
  http: 'GET /v1/auth/usage',
  scope: 'auth:read',
  summary: 'Count the requests of each key by day, UTC, up to ten seconds ago',
  input: Type.Object({ key: Type.Optional(Id), days: Type.Optional(Type.Integer({ minimum: 1, maximum: 366, default: 30 })) }),
  output: Type.Object({
    items: Type.Array(Type.Object({ key: Type.String(), day: Type.String(), requests: Type.Number(), refused: Type.Number() })),
    nextCursor: Type.Null(),
  }),
  example: { days: 7 },
  run: async ({ access }, { key, days = 30 }) => ({
    items: await access.keys.usage({ days, ...(key !== undefined && { key }) }),
    nextCursor: null,
  }),
})

export const whoami = operation({
  name: 'auth:whoami',
  http: 'GET /v1/auth/whoami',
  scope: 'api:read',
  summary: 'Tell which key this is, and what it may do',
  input: Type.Object({}),
  output: Type.Pick(Key, ['id', 'name', 'scopes', 'roles', 'modules', 'requestsPerMinute']),
  example: {},
  run: (_, __, { caller: { id, name, scopes, roles, modules, requestsPerMinute } }) => ({ id, name, scopes, roles, modules, requestsPerMinute }),
})

/** A key that ends, or has a rate, makes none that outlives it or may ask more. */
function noMoreThan(caller: Caller, wanted: Pick<Caller, 'requestsPerMinute' | 'expiresAt'>): Pick<Caller, 'requestsPerMinute' | 'expiresAt'> {
  const rates = [caller.requestsPerMinute, wanted.requestsPerMinute].filter((rate) => rate !== null)
  const ends = [caller.expiresAt, wanted.expiresAt].filter((end) => end !== null).map(Number)
  return {
    requestsPerMinute: rates.length > 0 ? Math.min(...rates) : null,
    expiresAt: ends.length > 0 ? new Date(Math.min(...ends)) : null,
  }
}

/**
 * A key that could hand on more than it has would have everything.
 *
 * @throws FORBIDDEN with what goes too far; NOT_FOUND for a role that is none
 */
async function mayGive(
  caller: Caller,
  { scopes, roles, modules }: { scopes: readonly string[]; roles: readonly string[]; modules: readonly string[] | null },
  { roles: rows }: Services['access'],
): Promise<void> {
  const own = await rows.all()
  const known = [...BUILT_IN, ...own]
  const unknown = roles.filter((role) => !known.some(({ name }) => name === role))
  if (unknown.length > 0) {
    const names = known.map(({ name }) => name).join(', ')
    throw new BulkheadError('NOT_FOUND', `no role named ${unknown.map((role) => JSON.stringify(role)).join(', ')}; roles are ${names}`)
  }
  const wanted = [...scopesOf({ scopes, roles }), ...own.filter(({ name }) => roles.includes(name)).flatMap((role) => role.scopes)]
  const excess = beyond(caller.scopes, wanted)
  if (excess.length > 0) throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" cannot give ${excess.join(', ')}, which it has not itself`)
  const isWider = caller.modules !== null && (modules === null || modules.some((module) => !caller.modules?.includes(module)))
  if (isWider) throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" is for ${caller.modules?.join(', ')} alone, and gives no key for others`)
}
