import { Type } from 'typebox'
import { Moment } from './page.ts'

export const VersionNumber = Type.Integer({ minimum: 1, maximum: 2_147_483_647 })

/** Where a version came from. */
export const Origin = Type.Union([
  Type.Object({ kind: Type.Literal('folder'), folder: Type.String() }),
  Type.Object({ kind: Type.Literal('upload') }),
  Type.Object({ kind: Type.Literal('npm'), package: Type.String(), name: Type.String(), version: Type.String() }),
  Type.Object({ kind: Type.Literal('git'), address: Type.String(), commit: Type.String() }),
])

export const VersionFile = Type.Object({ path: Type.String(), bytes: Type.Integer(), hash: Type.String() })

export const ListedVersion = Type.Object({
  module: Type.String(),
  number: VersionNumber,
  version: Type.String(),
  state: Type.Enum(['current', 'waiting', 'kept']),
  hash: Type.String(),
  origin: Origin,
  codeBytes: Type.Integer(),
  createdBy: Type.String(),
  createdAt: Moment,
})

export const FullVersion = Type.Object({ ...ListedVersion.properties, manifest: Type.Unsafe<object>({ type: 'object' }), files: Type.Array(VersionFile) })
