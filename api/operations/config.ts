import { Type, type Static } from 'typebox'
import { BulkheadError } from '../../bridge/errors.ts'
import { Label } from '../../runtime/context.ts'
import { type Scope, SCOPES } from '../../runtime/scopes.ts'
import { CONFIG_CHANGE_SORTS } from '../../runtime/store/config-rows.ts'
import type { Data } from '../../sdk/context.ts'
import { listOperation } from '../lists.ts'
import { operation, type Services } from '../operation.ts'
import { Moment, pageOf, sortedPaging, WIDE } from './page.ts'

const closed = { additionalProperties: false, expects: 'an object' }
const anyData = Type.Unsafe<Data>({ type: 'object', expects: 'an object' })
/** Kept in the configuration's own history, and nowhere else: people write keys where names of secrets belong. */
const values = Type.Unsafe<Data>({ type: 'object', expects: 'an object', secret: true })
const Said = Type.Object({ config: values, enabled: Type.Union([Type.Boolean(), Type.Null()]) })
const ScopeName = Type.Enum([...SCOPES], { noun: 'scope' })

/** Larger whole numbers are none that the database could be asked for. */
const REVISIONS = { minimum: 0, maximum: Number.MAX_SAFE_INTEGER }
const Revision = Type.Integer(REVISIONS)

/** Which of a module's rows is meant: that of the scope global, unless said otherwise. */
const scoped = {
  name: Label,
  scope: Type.Optional(Type.Enum([...SCOPES], { noun: 'scope', default: 'global' })),
  id: Type.Optional(Type.String({ ...Label, minLength: 1 })),
}

const Row = Type.Object({
  module: Type.String(),
  scope: ScopeName,
  id: Type.String(),
  config: values,
  enabled: Type.Union([Type.Boolean(), Type.Null()]),
  revision: Type.Integer(),
  changedBy: Type.String(),
  changedAt: Moment,
})

const change = Type.Object({ config: Type.Optional(values), enabled: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])) }, closed)

const Entry = Type.Object(
  { module: Label, scope: ScopeName, id: Label, config: values, enabled: Type.Union([Type.Boolean(), Type.Null()]) },
  closed,
)
const Exported = Type.Object({ version: Type.Enum([1]), entries: Type.Array(Entry, { maxItems: 10_000 }) }, closed)

/** As `config:get` answers where a scope's row is the nearest. */
function before({ runtime }: Services, { name, ...at }: { name: string; scope?: Static<typeof ScopeName>; id?: string }) {
  const { scope, id } = scopeOf(at)
  return runtime.config.get(name, scope === 'global' ? {} : inPlace(scope, id))
}

const whole = (resource: unknown) => resource

export const get = operation({
  name: 'config:get',
  http: 'GET /v1/modules/:name/config',
  scope: 'config:read',
  summary: 'Show how a module is configured, everywhere or in a group, class or tool, and what says so',
  input: Type.Object({ name: Label, group: Type.Optional(Label), class: Type.Optional(Label), tool: Type.Optional(Label) }),
  output: Type.Object({
    module: Type.String(),
    config: values,
    enabled: Type.Boolean(),
    sources: Type.Array(Row),
    schema: Type.Union([Type.Null(), anyData]),
    scope: Type.Object({ allowGlobal: Type.Boolean(), allowGroup: Type.Boolean(), allowClass: Type.Boolean(), allowTool: Type.Boolean() }),
  }),
  tagged: true,
  example: { name: 'pii-filter', class: 'class-1' },
  run({ runtime }, { name, group, class: learners, tool }) {
    const place = { ...inPlace('group', group), ...inPlace('class', learners), ...inPlace('tool', tool) }
    return runtime.config.get(name, place)
  },
})

export const list = listOperation({
  name: 'config:list',
  http: 'GET /v1/configs',
  scope: 'config:read',
  summary: 'List what is configured, of all modules or of one',
  input: { module: Type.Optional(Label) },
  item: Row,
  key: ['module', 'scope', 'id'],
  example: { module: 'pii-filter' },
  all: ({ runtime }, { module }) => runtime.config.list(module),
})

export const set = operation({
  name: 'config:set',
  http: 'PUT /v1/modules/:name/config',
  scope: 'config:write',
  summary: 'Configure a module, or switch it on or off, everywhere or in one group, class or tool; "$NAME" stands for a secret',
  input: Type.Object({ ...scoped, revision: Type.Optional(Revision), said: change }),
  body: 'said',
  output: Row,
  before,
  tag: whole,
  example: { name: 'pii-filter', scope: 'class', id: 'class-1', said: { config: { kinds: ['email'] }, enabled: true } },
  run: ({ runtime }, { name, said, revision, ...at }, { caller }) => runtime.config.set(name, scopeOf(at), said, caller.name, revision),
})

export const unset = operation({
  name: 'config:unset',
  http: 'DELETE /v1/modules/:name/config',
  scope: 'config:write',
  summary: 'Take back what one scope says of a module',
  input: Type.Object(scoped),
  output: Type.Object({ items: Type.Array(Row), nextCursor: Type.Null() }),
  before,
  tag: whole,
  example: { name: 'pii-filter', scope: 'tool', id: 'tool-1' },
  async run({ runtime }, { name, ...at }, { caller }) {
    await runtime.config.unset(name, scopeOf(at), caller.name)
    return { items: runtime.config.list(name), nextCursor: null }
  },
})

export const validate = operation({
  name: 'config:validate',
  http: 'POST /v1/modules/:name/config/validate',
  scope: 'config:read',
  summary: 'Tell every fault that setting a configuration would be refused for',
  input: Type.Object({ ...scoped, said: change }),
  body: 'said',
  output: Type.Object({ valid: Type.Boolean(), message: Type.Union([Type.String(), Type.Null()]), faults: Type.Array(Type.Unknown()) }),
  example: { name: 'pii-filter', said: { config: { kinds: ['email', 'iban'] } } },
  run({ runtime }, { name, said, ...at }) {
    const error = runtime.config.validate(name, scopeOf(at), said)
    return { valid: !error, message: error?.message ?? null, faults: faultsIn(error) }
  },
})

export const validateAll = listOperation({
  name: 'config:validate:all',
  http: 'GET /v1/configs/validate',
  scope: 'config:read',
  summary: 'Check what is configured of all modules, everywhere and in each scope, against their manifests as they are now',
  description:
    'A module may have come to want something else than it was configured with, or have lost a secret that it is configured with. ' +
    'What is said of modules that are not there is not checked.',
  input: { module: Type.Optional(Label) },
  item: Type.Object({
    module: Type.String(),
    scope: ScopeName,
    id: Type.String(),
    valid: Type.Boolean(),
    message: Type.Union([Type.String(), Type.Null()]),
    faults: Type.Array(Type.Unknown()),
  }),
  key: ['module', 'scope', 'id'],
  example: {},
  examples: [{ summary: 'What does not fit', input: { filter: ['valid=false'] } }],
  async all({ runtime }, { module }) {
    const checked = await runtime.config.validateAll(module)
    return checked.map(({ module: name, scope, id, fault }) => ({ module: name, scope, id, valid: !fault, message: fault?.message ?? null, faults: faultsIn(fault) }))
  },
})

export const history = operation({
  name: 'config:history',
  http: 'GET /v1/modules/:name/config/history',
  scope: 'config:read',
  summary: 'List who changed the configuration of a module, when, from what and to what',
  input: Type.Object({
    name: Label,
    scope: Type.Optional(ScopeName),
    id: scoped.id,
    ...sortedPaging(CONFIG_CHANGE_SORTS, 'scope, id, action, name of who changed it, and what it said before and after as JSON'),
  }),
  errors: WIDE,
  output: pageOf(
    Type.Object({
      revision: Type.Integer(),
      module: Type.String(),
      scope: ScopeName,
      id: Type.String(),
      action: Type.Enum(['set', 'unset', 'rollback', 'import']),
      before: Type.Union([Type.Null(), Said]),
      after: Type.Union([Type.Null(), Said]),
      changedBy: Type.String(),
      changedAt: Moment,
    }),
  ),
  example: { name: 'pii-filter', limit: 10 },
  run({ runtime }, { name, scope, id, ...query }) {
    return runtime.config.history(name, { ...query, ...(scope && { scope: scopeOf({ scope, ...(id !== undefined && { id }) }) }) })
  },
})

export const rollback = operation({
  name: 'config:rollback',
  http: 'POST /v1/modules/:name/config/rollback',
  scope: 'config:write',
  summary: 'Make a scope say again what it said after a revision, 0 being before the first, or before the latest change',
  input: Type.Object({ ...scoped, revision: Type.Optional(Revision) }),
  output: Type.Object({ row: Type.Union([Type.Null(), Row]) }),
  before,
  tag: whole,
  example: { name: 'pii-filter', scope: 'class', id: 'class-1', revision: 0 },
  run: async ({ runtime }, { name, revision, ...at }, { caller }) => ({ row: await runtime.config.rollback(name, scopeOf(at), revision, caller.name) }),
})

export const diff = operation({
  name: 'config:diff',
  http: 'GET /v1/modules/:name/config/diff',
  scope: 'config:read',
  summary: 'Show what changed in a scope from one revision to another, or to now',
  input: Type.Object({ ...scoped, from: Type.Optional(Type.Integer({ ...REVISIONS, default: 0 })), to: Type.Optional(Revision) }),
  output: Type.Object({
    items: Type.Array(Type.Object({ path: Type.String(), before: Type.Optional(Type.Unknown()), after: Type.Optional(Type.Unknown()) })),
    nextCursor: Type.Null(),
  }),
  example: { name: 'pii-filter', scope: 'class', id: 'class-1', from: 0 },
  run: async ({ runtime }, { name, from = 0, to, ...at }) => ({ items: await runtime.config.diff(name, scopeOf(at), from, to), nextCursor: null }),
})

export const exported = operation({
  name: 'config:export',
  http: 'GET /v1/configs/export',
  scope: 'config:read',
  summary: 'Export what is configured, of all modules, of one, or of one scope of it; secrets stay references',
  input: Type.Object({ module: Type.Optional(Label), scope: Type.Optional(ScopeName), id: scoped.id }),
  output: Exported,
  example: { module: 'pii-filter' },
  run({ runtime }, { module, scope, id }) {
    const at = scope && scopeOf({ scope, ...(id !== undefined && { id }) })
    return { version: 1 as const, entries: runtime.config.export(module, at) }
  },
})

export const imported = operation({
  name: 'config:import',
  http: 'POST /v1/configs/import',
  scope: 'config:write',
  summary: 'Set all that an export holds, or nothing where some of it is refused',
  input: Type.Object({ dryRun: Type.Optional(Type.Boolean({ default: false })), document: Exported }),
  body: 'document',
  output: Type.Object({ imported: Type.Integer() }),
  example: {
    document: { version: 1, entries: [{ module: 'pii-filter', scope: 'group', id: 'group-1', config: { kinds: ['phone'] }, enabled: null }] },
  },
  async run({ runtime }, { document: { entries }, dryRun }, { caller }) {
    for (const { scope, id } of entries) scopeOf({ scope, ...(id !== '' && { id }) })
    return { imported: await runtime.config.import(entries, caller.name, dryRun) }
  },
})

export const env = listOperation({
  name: 'config:env',
  http: 'GET /v1/configs/env',
  scope: 'config:read',
  summary: 'List the names of the values that modules can be lent, and the modules that were granted each',
  item: Type.Object({ name: Type.String(), modules: Type.Array(Type.String()) }),
  key: ['name'],
  example: {},
  all: ({ runtime }) => runtime.config.lent(),
})

function faultsIn(error: BulkheadError | undefined): unknown[] {
  return Array.isArray(error?.details) ? error.details : []
}

/** @throws INVALID for a scope without the id it needs, or an id without a scope */
function scopeOf({ scope = 'global', id = '' }: { scope?: Static<typeof ScopeName>; id?: string }): Scope {
  if ((scope === 'global') === (id === '')) return { scope, id }
  const message = scope === 'global' ? 'is given, and the scope global has none' : `is missing, the scope ${scope} needs one`
  throw new BulkheadError('INVALID', `cannot tell which scope is meant: "id" ${message}`, { faults: [{ path: 'id', message }] })
}

function inPlace(name: 'group' | 'class' | 'tool', id: string | undefined) {
  return id === undefined ? {} : { [name]: { id } }
}
