import { Type } from 'typebox'
import { BulkheadError } from '../../bridge/errors.ts'
import { Label } from '../../runtime/context.ts'
import { PURGED, type Purged } from '../../runtime/store/purge.ts'
import { type Asked, operation } from '../operation.ts'
import { allows } from '../roles.ts'
import { before, tagged } from './module-schemas.ts'

const Kinds = Type.Array(Type.Enum([...PURGED]), {
  maxItems: PURGED.length,
  uniqueItems: true,
  description: `Of what is kept for it, what is deleted: ${PURGED.join(', ')}; with config, also what was granted`,
})
/** With what was granted, what was revoked would be forgotten: installed again, the module would have it. */
function mayPurge(kinds: readonly Purged[], { caller }: Asked): void {
  if (!kinds.includes('config') || allows(caller.scopes, { name: 'permissions:revoke', scope: 'permissions:write' })) return
  throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" cannot purge config, as what was granted and revoked goes with it: that takes the scope "permissions:write"`, { scope: 'permissions:write' })
}

const Deleted = Type.Object(Object.fromEntries(PURGED.map((kind) => [kind, Type.Optional(Type.Integer())])))

export const remove = operation({
  name: 'modules:remove',
  http: 'DELETE /v1/modules/:name',
  scope: 'modules:write',
  summary: 'Remove an installed module with all its versions',
  description:
    'It finishes its calls and leaves. Refused while others depend on it, unless they are removed with it, and for a module that lies in a folder ' +
    'of the host. What it keeps stays for the day it is installed again, unless it is purged.',
  input: Type.Object({
    name: Label,
    cascade: Type.Optional(Type.Boolean({ default: false, description: 'Remove those that depend on it as well' })),
    purge: Type.Optional(Kinds),
    dryRun: Type.Optional(Type.Boolean({ default: false, description: 'Say which modules would go, and change nothing' })),
  }),
  output: Type.Object({
    removed: Type.Array(Type.String()),
    purged: Type.Array(Type.Object({ module: Type.String(), deleted: Deleted })),
  }),
  dangerous: true,
  long: true,
  before,
  tag: tagged,
  example: { name: 'greeter', dryRun: true },
  examples: [{ summary: 'With those that depend on it, and all their tables', input: { name: 'greeter', cascade: true, purge: ['tables'], confirm: true } }],
  run({ runtime }, { name, cascade = false, purge = [], dryRun = false }, asked) {
    const { caller, report } = asked
    mayPurge(purge, asked)
    if (cascade && caller.modules !== null) throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" is for some modules alone, and cascade removes others`)
    return runtime.versions.remove(name, { cascade, purge, dryRun, by: caller.name, report })
  },
})

export const purge = operation({
  name: 'modules:purge',
  http: 'POST /v1/modules/:name/purge',
  scope: 'modules:write',
  summary: 'Delete what is kept of a module that is not there any more',
  input: Type.Object({
    name: Label,
    what: Type.Object({ kinds: Kinds }, { additionalProperties: false, expects: 'an object such as {"kinds": ["tables"]}' }),
  }),
  body: 'what',
  output: Type.Object({ deleted: Deleted }),
  dangerous: true,
  example: { name: 'gone', what: { kinds: ['tables', 'keys'] }, confirm: true },
  async run({ runtime }, { name, what: { kinds } }, asked) {
    mayPurge(kinds, asked)
    return { deleted: await runtime.versions.purge(name, kinds, asked.caller.name) }
  },
})
