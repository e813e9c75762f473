import { Type } from 'typebox'
import { BulkheadError } from '../../bridge/errors.ts'
import { Label } from '../../runtime/context.ts'
import { listOperation } from '../lists.ts'
import { operation, type Services } from '../operation.ts'
import { beyond, BUILT_IN } from '../roles.ts'
import { Scopes } from './keys.ts'

const Role = Type.Object({
  name: Type.String(),
  description: Type.String(),
  scopes: Type.Array(Type.String()),
  builtIn: Type.Boolean(),
})

/** The role that is there already, if one is. */
const asItIs = async ({ access }: Services, { name }: { name: string }) => (await access.roles.all()).find((role) => role.name === name) ?? null

export const list = listOperation({
  name: 'auth:roles',
  http: 'GET /v1/auth/roles',
  scope: 'auth:read',
  summary: 'List the roles that keys can have, with their scopes',
  item: Role,
  key: ['name'],
  example: {},
  all: async ({ access }) => {
    const own = await access.roles.all()
    return [
      ...BUILT_IN.map((role) => ({ ...role, scopes: [...role.scopes], builtIn: true })),
      ...own.map(({ name, description, scopes }) => ({ name, description, scopes, builtIn: false })),
    ]
  },
})

export const set = operation({
  name: 'auth:setrole',
  http: 'PUT /v1/auth/roles/:name',
  scope: 'auth:write',
  summary: 'Make a role, or give one other scopes; keys that have it follow within five seconds',
  input: Type.Object({
    name: Label,
    role: Type.Object(
      { description: Type.String({ maxLength: 500 }), scopes: Scopes },
      { additionalProperties: false, expects: 'a description and scopes' },
    ),
  }),
  body: 'role',
  output: Role,
  before: asItIs,
  example: { name: 'support', role: { description: 'reads records', scopes: ['extractions:read', 'logs:read'] } },
  async run({ access }, { name, role }, { caller }) {
    refuseBuiltIn(name)
    // Nor does anybody take away what they could not give: other keys live on it.
    const there = (await access.roles.all()).find((one) => one.name === name)
    const excess = beyond(caller.scopes, [...role.scopes, ...(there?.scopes ?? [])])
    if (excess.length > 0) throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" cannot give or take ${excess.join(', ')}, which it has not itself`)
    const made = await access.roles.set({ name, ...role }, caller.name)
    return { name, description: made.description, scopes: made.scopes, builtIn: false }
  },
})

export const remove = operation({
  name: 'auth:removerole',
  http: 'DELETE /v1/auth/roles/:name',
  scope: 'auth:write',
  summary: 'Remove a role that no key has',
  input: Type.Object({ name: Label }),
  output: Type.Object({ removed: Type.String() }),
  before: asItIs,
  example: { name: 'unused' },
  async run({ access }, { name }) {
    refuseBuiltIn(name)
    const holders = await access.roles.holders(name)
    if (holders.length > 0) throw new BulkheadError('CONFLICT', `cannot remove the role "${name}", keys have it: ${holders.join(', ')}; revoke them first`)
    if (!(await access.roles.remove(name))) throw new BulkheadError('NOT_FOUND', `no role named "${name}"`)
    return { removed: name }
  },
})

function refuseBuiltIn(name: string): void {
  if (BUILT_IN.some((role) => role.name === name)) {
    throw new BulkheadError('CONFLICT', `the role "${name}" is built in and stays as it is; choose another name`)
  }
}
