import { Type } from 'typebox'
import { Label } from '../../runtime/context.ts'
import { VERSION_SORTS } from '../../runtime/store/version-rows.ts'
import type { ListedVersion as Listed } from '../../runtime/version-control.ts'
import { operation } from '../operation.ts'
import { before, ModuleStatus, tagged } from './module-schemas.ts'
import { pageOf, sortedPaging, WIDE } from './page.ts'
import { FullVersion, ListedVersion, VersionFile, VersionNumber } from './version-schemas.ts'

const named = Type.Object({ name: Label })
const example = { name: 'pii-filter' }

export const list = operation({
  name: 'modules:versions',
  http: 'GET /v1/modules/:name/versions',
  scope: 'modules:read',
  summary: 'List the versions of a module that are kept, newest first',
  input: Type.Object({ name: Label, ...sortedPaging(VERSION_SORTS, 'version, hash, origin and name of who brought it') }),
  output: pageOf(ListedVersion),
  errors: WIDE,
  example,
  async run({ runtime }, { name, ...query }) {
    const { items, nextCursor } = await runtime.versions.list(name, query)
    return { items: items.map(listed), nextCursor }
  },
})

export const get = operation({
  name: 'modules:version',
  http: 'GET /v1/modules/:name/versions/:number',
  scope: 'modules:read',
  summary: 'Show a version of a module: its manifest, its files, and where it came from',
  input: Type.Object({ name: Label, number: VersionNumber }),
  output: FullVersion,
  example: { ...example, number: 1 },
  run: ({ runtime }, { name, number }) => runtime.versions.get(name, number),
})

export const diff = operation({
  name: 'modules:diff',
  http: 'GET /v1/modules/:name/diff',
  scope: 'modules:read',
  summary: 'Compare two versions of a module: manifest, permissions, files',
  description: 'From the one that runs to the one that waits, or else to the newest, unless numbers are given.',
  input: Type.Object({ name: Label, from: Type.Optional(VersionNumber), to: Type.Optional(VersionNumber) }),
  output: Type.Object({
    from: VersionNumber,
    to: VersionNumber,
    manifest: Type.Array(Type.Object({ path: Type.String(), before: Type.Optional(Type.Unknown()), after: Type.Optional(Type.Unknown()) })),
    permissions: Type.Object({ added: Type.Array(Type.String()), removed: Type.Array(Type.String()) }),
    files: Type.Object({
      added: Type.Array(VersionFile),
      removed: Type.Array(VersionFile),
      changed: Type.Array(Type.Object({ path: Type.String(), before: VersionFile, after: VersionFile })),
    }),
  }),
  example,
  run: ({ runtime }, { name, from, to }) => runtime.versions.diff(name, from, to),
})

export const rollback = operation({
  name: 'modules:rollback',
  http: 'POST /v1/modules/:name/rollback',
  scope: 'modules:write',
  summary: 'Bring an earlier version of a module up, and switch to it',
  description:
    'The one before the one that runs, unless a number is given. Tables stay as they are; database:rollback takes back what later ' +
    'migrations made. A module in a folder stays at that version until something in its folder changes, or it is reloaded.',
  input: Type.Object({
    name: Label,
    target: Type.Optional(Type.Object({ number: Type.Optional(VersionNumber) }, { additionalProperties: false, expects: 'an object such as {"number": 3}' })),
  }),
  body: 'target',
  output: ModuleStatus,
  errors: ['MODULE_FAILED', 'MEMORY_LIMIT', 'CPU_LIMIT', 'TIMEOUT', 'UNHEALTHY', 'CELL_LOST', 'UNAVAILABLE', 'STORE_FAILED'],
  long: true,
  tagged,
  before,
  example: { name: 'greeter', target: { number: 1 } },
  run: ({ runtime }, { name, target }, { caller, report }) => runtime.versions.rollback(name, target?.number, caller.name, report),
})

export const pin = operation({
  name: 'modules:pin',
  http: 'POST /v1/modules/:name/pin',
  scope: 'modules:write',
  summary: 'Keep a module at the version that runs: nothing replaces it until it is unpinned',
  input: named,
  output: ModuleStatus,
  tagged,
  before,
  example: { name: 'greeter' },
  run: ({ runtime }, { name }, { caller }) => runtime.versions.pin(name, true, caller.name),
})

export const unpin = operation({
  name: 'modules:unpin',
  http: 'POST /v1/modules/:name/unpin',
  scope: 'modules:write',
  summary: 'Let other versions take the place of a pinned one',
  input: named,
  output: ModuleStatus,
  tagged,
  before,
  example: { name: 'greeter' },
  run: ({ runtime }, { name }, { caller }) => runtime.versions.pin(name, false, caller.name),
})

/** Manifests and files are for one version at a time: of a page of them, they would be megabytes. */
function listed({ manifest: _manifest, files: _files, ...version }: Listed): Omit<Listed, 'manifest' | 'files'> {
  return version
}
