import { type Static, Type } from 'typebox'
import { ERRORS, type ErrorCode } from '../../bridge/errors.ts'
import type { Services } from '../operation.ts'

export const ErrorText = Type.Object({
  code: Type.Enum(Object.keys(ERRORS) as ErrorCode[]),
  message: Type.String(),
  details: Type.Optional(Type.Unknown()),
})

export const ModuleStatus = Type.Object({
  name: Type.String(),
  type: Type.Union([Type.Null(), Type.Enum(['service', 'daemon', 'plugin', 'extension'])]),
  version: Type.Union([Type.String(), Type.Null()]),
  description: Type.Union([Type.String(), Type.Null()]),
  installed: Type.Boolean({ description: 'Whether it belongs to the database; otherwise it lies in a folder of the host' }),
  number: Type.Union([Type.Integer(), Type.Null()], { description: 'Of its versions, the one that runs' }),
  pinned: Type.Boolean(),
  status: Type.Enum(['starting', 'ready', 'error', 'disabled', 'stopping', 'waiting', 'idle', 'upgrade_pending']),
  hooks: Type.Array(Type.String()),
  permissions: Type.Array(Type.String()),
  granted: Type.Array(Type.String()),
  upgrade: Type.Union([Type.Null(), Type.Object({ version: Type.String(), permissions: Type.Array(Type.String()), reason: Type.String() })]),
  limits: Type.Union([
    Type.Null(),
    Type.Object({
      maxMemoryMB: Type.Number(),
      maxCpuMs: Type.Number(),
      maxExecutionMs: Type.Number(),
      maxConcurrency: Type.Number(),
    }),
  ]),
  error: Type.Union([Type.Null(), ErrorText]),
  restarts: Type.Integer(),
  loadedAt: Type.Union([Type.String(), Type.Null()]),
  cell: Type.Union([Type.Null(), Type.Integer()]),
  capabilities: Type.Union([
    Type.Null(),
    Type.Object({
      hooks: Type.Array(Type.String()),
      lifecycle: Type.Array(Type.String()),
      service: Type.Array(Type.String()),
      jobs: Type.Array(Type.String()),
      messages: Type.Boolean(),
    }),
  ]),
})

/** What a write of a module is about to change. @throws NOT_FOUND */
export const before = ({ runtime }: Services, { name }: { name: string }) => runtime.module(name)

/** What of a module is decided, not what it is doing just now: its jobs run and its cell changes without anybody's doing. */
export const tagged = ({ name, version, number, pinned, status, granted, upgrade, error }: Static<typeof ModuleStatus>) => [
  name, version, number, pinned, status, granted, upgrade, error,
]
