import { Type } from 'typebox'
import { Label } from '../../runtime/context.ts'
import type { Source } from '../../runtime/origins.ts'
import { type Asked, operation } from '../operation.ts'
import { allows } from '../roles.ts'
import { before, ErrorText, tagged } from './module-schemas.ts'
import { Origin, VersionNumber } from './version-schemas.ts'

/** Without it, a key would have granted what the modules that it installs ask for. */
const GRANTING = { name: 'permissions:grant', scope: 'permissions:write' } as const
const Text = Type.String({ minLength: 1, maxLength: 1000 })
const source = Type.Union(
  [
    Type.Object({ folder: Type.String({ minLength: 1, maxLength: 4096, description: 'A folder of the host; outside of its folder of modules only for a key with every scope' }) }, { additionalProperties: false }),
    Type.Object({ npm: Type.String({ ...Text, description: 'A package: name, name@version, name@range or name@tag' }) }, { additionalProperties: false }),
    Type.Object({ git: Type.String({ ...Text, description: 'A repository: URL#REF:FOLDER' }) }, { additionalProperties: false }),
  ],
  { expects: 'one of {"folder": …}, {"npm": …} and {"git": …}' },
)
const From = Type.Object({ source }, { additionalProperties: false })
const Archive = Type.Unsafe<AsyncIterable<Uint8Array>>({ type: 'string', contentMediaType: 'application/gzip', description: 'A tar.gz of the module' })
const dryRun = Type.Optional(Type.Boolean({ default: false, description: 'Find out what would happen, and change nothing' }))

const Fault = Type.Object({
  file: Type.String(),
  message: Type.String(),
  line: Type.Optional(Type.Integer()),
  column: Type.Optional(Type.Integer()),
  path: Type.Optional(Type.String()),
  loading: Type.Optional(Type.Literal(true)),
})

const Report = Type.Object({
  module: Type.String(),
  version: Type.String(),
  hash: Type.String(),
  number: Type.Union([VersionNumber, Type.Null()]),
  origin: Origin,
  outcome: Type.Enum(['running', 'unchanged', 'waiting', 'off', 'checked']),
  replaces: Type.Union([Type.Null(), Type.Object({ number: VersionNumber, version: Type.String() })]),
  bytes: Type.Object({ files: Type.Integer(), code: Type.Integer() }),
  permissions: Type.Object({ asked: Type.Array(Type.String()), added: Type.Array(Type.String()), undecided: Type.Array(Type.String()) }),
  migrations: Type.Array(Type.String()),
  conflicts: Type.Array(ErrorText),
  faults: Type.Array(Fault),
})

/** As far as whoever asks may go. */
const by = ({ caller, report }: Asked) => ({ by: caller.name, anywhere: caller.scopes.includes('*'), grantsNothing: !allows(caller.scopes, GRANTING), report })
const statusOf = ({ outcome }: { outcome: string }) => (outcome === 'waiting' ? 202 : outcome === 'running' ? 201 : 200)
/** What loading a module may end with. */
const errors = ['MODULE_FAILED', 'MEMORY_LIMIT', 'CPU_LIMIT', 'TIMEOUT', 'CALL_LIMIT', 'SIZE_LIMIT', 'UNHEALTHY', 'CELL_LOST', 'QUOTA', 'UNAVAILABLE', 'STORE_FAILED'] as const

export const install = operation({
  name: 'modules:install',
  http: 'POST /v1/modules',
  scope: 'modules:write',
  summary: 'Install a module, or a new version of one',
  description:
    'It is validated, bundled, given its tables, loaded beside the version that runs, asked whether it is well, and only then takes its place. ' +
    'Where a step fails, nothing is left of it. One that asks for more than the version before waits until somebody has decided about that; a new one that a key ' +
    'without permissions:write installs runs without any permission until then. ' +
    'Scripts of packages are never run.',
  input: Type.Object({ from: From, dryRun }),
  body: 'from',
  output: Report,
  statuses: [201, 200, 202],
  status: statusOf,
  errors,
  long: true,
  example: { from: { source: { npm: 'bulkhead-module-greeter' } }, dryRun: true },
  examples: [
    { summary: 'From git', input: { from: { source: { git: 'https://example.org/modules.git#v1.2:greeter' } } } },
    { summary: 'From a folder of the host', input: { from: { source: { folder: '/srv/modules/greeter' } } } },
  ],
  run: ({ runtime }, { from, dryRun: dry = false }, asked) => runtime.versions.install(from.source as Source, { ...by(asked), dryRun: dry }),
})

export const upload = operation({
  name: 'modules:upload',
  http: 'POST /v1/modules/upload',
  scope: 'modules:write',
  summary: 'Install a module, or a new version of one, from a tar.gz',
  description: 'As modules:install. The archive holds the module, or one folder with the module, and no links.',
  input: Type.Object({ archive: Archive, dryRun }),
  upload: 'archive',
  output: Report,
  statuses: [201, 200, 202],
  status: statusOf,
  errors,
  long: true,
  example: { archive: undefined as never, dryRun: true },
  run: ({ runtime }, { archive, dryRun: dry = false }, asked) => runtime.versions.install({ upload: archive }, { ...by(asked), dryRun: dry }),
})

export const validate = operation({
  name: 'modules:validate',
  http: 'POST /v1/modules/validate',
  scope: 'modules:write',
  writes: false,
  summary: 'Find everything that is wrong with a module, and what installing it would do',
  description: 'The same as installing it with dryRun.',
  input: Type.Object({ from: From }),
  body: 'from',
  output: Report,
  errors,
  long: true,
  example: { from: { source: { npm: 'bulkhead-module-greeter' } } },
  run: ({ runtime }, { from }, asked) => runtime.versions.install(from.source as Source, { ...by(asked), dryRun: true }),
})

export const upgrade = operation({
  name: 'modules:upgrade',
  http: 'POST /v1/modules/:name/upgrade',
  scope: 'modules:write',
  summary: 'Install what is now where a module came from',
  description: 'As modules:install, from the same package, repository or folder. Refused for one that came as an upload, or that is pinned.',
  input: Type.Object({ name: Label, dryRun }),
  output: Report,
  statuses: [201, 200, 202],
  status: statusOf,
  errors,
  long: true,
  before,
  tag: tagged,
  example: { name: 'greeter', dryRun: true },
  run: ({ runtime }, { name, dryRun: dry = false }, asked) => runtime.versions.upgrade(name, { ...by(asked), dryRun: dry }),
})
