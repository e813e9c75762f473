import { createHash } from 'node:crypto'
import type { Sql, TransactionSql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { type ExportEnd, fetchLines, inTransaction, linesOf } from '../data/export.ts'
import { literal } from '../lend/names.ts'
import { type BackupHeader, OWN_KEYS, type PlatformTable, PLATFORM_TABLES, VERSION } from './format.ts'

export interface BackupOptions {
  /** Records that modules have emitted. */
  extractions: boolean
  /** What modules have logged. */
  logs: boolean
}

/** Of a bundle or a module's files in one line, in bytes: a multiple of three, so that no piece of base64 is padded. */
const PIECE_BYTES = 3 * 1024 * 1024
const OWN = OWN_KEYS.map(literal).join(', ')

/** How rows are read where it is not all of a table, in an order in which later ones may refer to earlier ones. */
const READ: Partial<Record<PlatformTable, string>> = {
  api_keys: `select id, prefix, hash, name, scopes, created_at, expires_at, last_used_at, revoked_at, roles, modules, requests_per_minute, created_by,
    case when rotates in (${OWN}) then null else rotates end as rotates from bulkhead.api_keys where id not in (${OWN}) order by created_at, id`,
  // Their bytes follow in pieces.
  module_versions: `select module, number, version, hash, manifest, files, ''::bytea as content, ''::bytea as artifact, code_bytes, built_with, origin, created_by, created_at
    from bulkhead.module_versions order by module, number`,
  grant_changes: 'select * from bulkhead.grant_changes order by revision',
  config_changes: 'select * from bulkhead.config_changes order by revision',
}

/**
 * Everything that is kept, as it is at one moment, a line of JSON for each row, the last of which has their number and
 * SHA-256: roles and keys (as hashes), grants, configuration (with the names of secrets, never their values), versions of
 * modules with their files and bundles, and all data of modules.
 *
 * @throws BulkheadError `CONFLICT` before the first line, where tables of a module could not be made anew
 * @example for await (const line of backUp(sql, { extractions: true, logs: false })) file.write(line)
 */
export async function* backUp(sql: Sql, options: BackupOptions): AsyncGenerator<string> {
  const hash = createHash('sha256')
  let lines = 0
  for await (const line of inTransaction(sql, (tx) => allLines(tx, options))) {
    lines++
    const text = `${line}\n`
    hash.update(text)
    yield text
  }
  const end: ExportEnd = { lines, sha256: hash.digest('hex') }
  yield `${JSON.stringify({ end })}\n`
}

/** The name of the last migration of the platform's schema. */
export async function schemaNow(sql: Sql | TransactionSql): Promise<string> {
  const [row] = await sql<Array<{ name: string }>>`select name from bulkhead.migrations order by number desc limit 1`
  return row?.name ?? ''
}

async function* allLines(tx: TransactionSql, { extractions, logs }: BackupOptions): AsyncGenerator<string> {
  await refuseUnknownMigrations(tx)
  const header: BackupHeader = { format: 'bulkhead-backup', version: VERSION, schema: await schemaNow(tx), takenAt: new Date().toISOString(), extractions, logs }
  yield JSON.stringify(header)
  for (const table of PLATFORM_TABLES) {
    if (table === 'logs' && !logs) continue
    const rows = READ[table] ?? `select * from bulkhead.${table}`
    yield* fetchLines(tx, `select '{"platform":"${table}","row":' || ${oneLine('row_to_json(r)')} || '}' as line from (${rows}) r`)
    if (table !== 'module_versions') continue
    for (const column of ['content', 'artifact']) yield* fetchLines(tx, pieces(column), { rows: 1 })
  }
  yield* fetchLines(tx, `
    select '{"migration":' || json_build_object('module', module, 'number', number, 'name', name, 'text', text, 'down', down)::text || '}' as line
    from bulkhead.mod_migrations order by module, number`)
  for (const module of await modulesWithData(tx, extractions)) yield* linesOf(tx, module, { extractions })
}

/** Of a column of JSON the server has the author's line ends, which mean nothing there. */
const oneLine = (json: string) => `translate(${json}::text, E'\\n\\r', '  ')`

const pieces = (column: string) => `
  select '{"piece":' || json_build_object('module', module, 'number', number, 'column', '${column}',
    'data', translate(encode(substr(${column}, at, ${PIECE_BYTES}), 'base64'), E'\\n', ''))::text || '}' as line
  from bulkhead.module_versions, generate_series(1, octet_length(${column}), ${PIECE_BYTES}) as at order by module, number, at`

async function refuseUnknownMigrations(tx: TransactionSql): Promise<void> {
  const [row] = await tx<Array<{ module: string; name: string }>>`select module, name from bulkhead.mod_migrations where text is null order by module, number limit 1`
  if (!row) return
  const remedy = 'disable the module and enable it again, with that file among its own, or purge its tables'
  throw new BulkheadError('CONFLICT', `cannot back up the tables of ${row.module}, as it is not known what its migration ${row.name} says: ${remedy}`, row)
}

/** Of many records, one look into the index for each module. */
async function modulesWithData(tx: TransactionSql, extractions: boolean): Promise<string[]> {
  const emitting = tx`
    union (with recursive emitting as (
      (select module from bulkhead.extractions order by module limit 1)
      union all
      select (select module from bulkhead.extractions e where e.module > emitting.module order by module limit 1) from emitting where module is not null
    ) select module from emitting where module is not null)`
  const rows = await tx<Array<{ module: string }>>`
    select module from bulkhead.mod_migrations union select module from bulkhead.kv_usage where keys > 0 ${extractions ? emitting : tx``} order by 1`
  return rows.map(({ module }) => module)
}
