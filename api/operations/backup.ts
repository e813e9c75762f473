import { Type } from 'typebox'
import { BulkheadError } from '../../bridge/errors.ts'
import { Lines, operation, Upload } from '../operation.ts'
import { Moment } from './page.ts'

const BACKUP = 'system:backup'

export const backup = operation({
  name: BACKUP,
  http: 'POST /v1/system/backup',
  scope: 'system:execute',
  writes: true,
  summary: 'Send everything that is kept as lines of JSON, the last of which has their checksum',
  description:
    'Roles, keys (as hashes), grants, configuration, versions of modules with their files, and all data of modules, as they are at one moment. ' +
    'Secrets of the environment are not in it, configuration has their names; nor are events and work under way, or who did what. ' +
    'For keys with every scope, or with the scope system:backup itself: system:* is not enough.',
  input: Type.Object({
    extractions: Type.Optional(Type.Boolean({ default: true, description: 'Whether records that modules have emitted are in it' })),
    logs: Type.Optional(Type.Boolean({ default: false, description: 'Whether what modules have logged is in it' })),
  }),
  output: Lines,
  example: { logs: true },
  run({ runtime }, { extractions = true, logs = false }, { caller }) {
    if (!caller.scopes.includes('*') && !caller.scopes.includes(BACKUP)) {
      throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" has neither every scope nor ${BACKUP}, one of which it takes to read all that is kept`)
    }
    return runtime.backups.take({ extractions, logs })
  },
})

export const restore = operation({
  name: 'system:restore',
  http: 'POST /v1/system/restore',
  scope: 'system:execute',
  writes: true,
  summary: 'Put what a backup has sent into an empty installation, all or nothing; for keys of every scope',
  description:
    'It is read whole before anything is changed: what is damaged, or of another version, is refused, as is an installation that keeps something already. ' +
    'The key of the first administrator stays that of this installation. With dryRun, it says what is in the backup and what stands in its way.',
  dangerous: true,
  long: true,
  errors: ['STORE_FAILED'],
  input: Type.Object({ archive: Upload, dryRun: Type.Optional(Type.Boolean({ default: false })) }),
  upload: 'archive',
  output: Type.Object({
    takenAt: Moment,
    counts: Type.Record(Type.String(), Type.Integer()),
    obstacles: Type.Array(Type.String()),
    done: Type.Boolean(),
  }),
  example: { archive: undefined as never, dryRun: true },
  run({ runtime }, { archive, dryRun = false }, { caller, report }) {
    if (!caller.scopes.includes('*')) {
      throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" has not every scope, which it takes to restore: a backup brings keys, roles and grants with it`)
    }
    return runtime.backups.restore(archive, { dryRun, report })
  },
})
