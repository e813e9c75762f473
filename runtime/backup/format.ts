import { BulkheadError } from '../../bridge/errors.ts'

/** The first line of a backup. */
export interface BackupHeader {
  format: 'bulkhead-backup'
  version: typeof VERSION
  /** The last migration of the platform's schema: rows fit the same schema only. */
  schema: string
  takenAt: string
  extractions: boolean
  logs: boolean
}

/** The text of a migration that a module's tables were made by. */
export interface BackedMigration {
  module: string
  number: number
  name: string
  text: string
  down: string | null
}

/** What lines a backup has after the first; those of modules are the lines of their exports. */
export type BackupLine =
  | { platform: PlatformTable; row: object }
  | { piece: { module: string; number: number; column: 'content' | 'artifact'; data: string } }
  | { migration: BackedMigration }

export const VERSION = 1

/**
 * The platform's own tables, in an order in which none refers to a later one. What is left out is of the moment, such as
 * deliveries, events and work under way, or about the installation itself: its hosts, and who did what in it.
 */
export const PLATFORM_TABLES = [
  'roles', 'api_keys', 'key_usage', 'modules', 'module_versions', 'module_heads', 'module_asks', 'module_grants', 'grant_changes',
  'module_configs', 'config_changes', 'violations', 'job_runs', 'logs',
] as const
export type PlatformTable = (typeof PLATFORM_TABLES)[number]

/** Keys that each installation makes for itself: the first administrator's, and the one that is preset. */
export const OWN_KEYS = ['00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002']

const MODULE = /^[a-z][a-z0-9-]{0,62}$/
const MIGRATION = /^(schema|\d{4}_[a-z0-9_]{1,200})\.sql$/

/** What a line is, by its shape; what is in a row, the database checks. @throws BulkheadError `INVALID` */
export function readBackupLine(fields: Record<string, unknown>, line: number): BackupLine {
  const { platform, row, piece, migration } = fields as { platform?: unknown; row?: unknown; piece?: Record<string, unknown>; migration?: Record<string, unknown> }
  if (PLATFORM_TABLES.includes(platform as PlatformTable) && typeof row === 'object' && row !== null) return fields as BackupLine
  if (piece && isModule(piece['module']) && Number.isInteger(piece['number']) && /^(content|artifact)$/.test(String(piece['column'])) && typeof piece['data'] === 'string') {
    return fields as BackupLine
  }
  // The name becomes that of a file.
  if (migration && isModule(migration['module']) && Number.isInteger(migration['number']) && MIGRATION.test(String(migration['name'])) && typeof migration['text'] === 'string') {
    return fields as BackupLine
  }
  throw refusal(line, 'this is nothing that a backup has')
}

/** @throws BulkheadError `INVALID` */
export function readBackupHeader(fields: Record<string, unknown>, schema: string): BackupHeader {
  const header = fields as unknown as BackupHeader
  if (header.format !== 'bulkhead-backup') {
    const what = (fields['format'] as unknown) === 'bulkhead-module' ? 'an export of one module, which data:import takes' : 'no backup'
    throw refusal(1, `this is ${what}`)
  }
  if (header.version !== VERSION) throw refusal(1, `this is a backup of the format ${JSON.stringify(header.version)}, and ${VERSION} is the one that is known here`)
  if (header.schema === schema && Number.isFinite(Date.parse(header.takenAt))) return header
  throw refusal(1, `this is a backup of a database after the migration ${JSON.stringify(header.schema)}, and this one is after ${schema}: restore it with the Bulkhead that made it`)
}

export function isModule(name: unknown): name is string {
  return typeof name === 'string' && MODULE.test(name)
}

export function refusal(line: number, why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot restore, line ${line}: ${why}`, { line })
}
