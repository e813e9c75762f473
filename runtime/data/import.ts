import { createHash } from 'node:crypto'
import postgres, { type Sql, type TransactionSql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { identifier, schemaOf } from '../lend/names.ts'
import { storeFailed } from '../store/failures.ts'
import { BATCH_VERSIONS, KV_LIMITS } from '../store/kv.ts'
import type { ExportEnd, ExportHeader } from './export.ts'

export interface ImportReport {
  module: string
  dryRun: boolean
  /** Rows by table. */
  tables: Record<string, number>
  keys: number
  /** Those that were there already are left as they are and not counted. */
  extractions: number
}

const LINE_BYTES = 16 * 1024 * 1024
const BATCH_LINES = 200
const BATCH_BYTES = 1024 * 1024
const STATEMENT_MS = 60_000

/** A line of an import, counted from 1. */
export interface Line {
  number: number
  text: string
}

interface Batch {
  into: string
  lines: Line[]
  bytes: number
}

/** Thrown to undo what a dry run did. */
class Undone extends Error {}

/**
 * Puts what `exportModule` wrote into a module whose migrations are those it was written with, all or nothing. A dry run
 * does the same, and undoes it.
 *
 * @throws INVALID with the line of what cannot be read or stored, or where the checksum is wrong; CONFLICT where the
 * migrations differ or rows are there already; QUOTA
 * @example await importModule(sql, 'notes', request.body, { dryRun: true })
 */
export async function importModule(sql: Sql, module: string, chunks: AsyncIterable<Uint8Array>, { dryRun }: { dryRun: boolean }): Promise<ImportReport> {
  const report: ImportReport = { module, dryRun, tables: {}, keys: 0, extractions: 0 }
  try {
    await sql.begin(async (tx) => {
      await tx.unsafe(`set local statement_timeout = ${STATEMENT_MS}; set local idle_in_transaction_session_timeout = ${STATEMENT_MS}`)
      await readInto(tx, report, chunks)
      if (dryRun) throw new Undone()
    })
  } catch (error) {
    if (!(error instanceof Undone)) throw storeFailed(`import into ${module}`, error)
  }
  return report
}

async function readInto(tx: TransactionSql, report: ImportReport, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const reader = openModuleLines(tx, report)
  let end: ExportEnd | undefined
  const hash = createHash('sha256')
  let count = 0
  for await (const line of linesOf(chunks)) {
    if (end) throw refusal(line.number, 'there is more after the end')
    const fields = readLine(line)
    if ('end' in fields) {
      end = fields['end'] as ExportEnd
      continue
    }
    count++
    hash.update(line.text).update('\n')
    await reader.take(line, fields)
  }
  await reader.flush()
  if (!end) throw refusal(count + 1, 'the end is missing, so that some may be lost')
  if (end.lines !== count || end.sha256 !== hash.digest('hex')) throw refusal(count + 1, 'the checksum is not that of the lines before it')
  await sumUp(tx, report.module)
}

/** Stores the lines of one module, of which the first is the header; what has not been stored yet is by `flush`. */
export function openModuleLines(tx: TransactionSql, report: ImportReport) {
  let header: ExportHeader | undefined
  let batch: Batch = { into: '', lines: [], bytes: 0 }
  const flush = async () => {
    if (batch.lines.length > 0) await store(tx, report, batch)
    batch = { into: '', lines: [], bytes: 0 }
  }
  return {
    flush,
    async take(line: Line, fields: Record<string, unknown>): Promise<void> {
      if (!header) {
        header = await readHeader(tx, report.module, fields, line.number)
        return
      }
      const into = destinationOf(fields, header, line.number)
      if (into !== batch.into || batch.lines.length === BATCH_LINES || batch.bytes > BATCH_BYTES) await flush()
      batch.into = into
      batch.lines.push(line)
      batch.bytes += line.text.length
    },
  }
}

async function readHeader(tx: TransactionSql, module: string, fields: Record<string, unknown>, line: number): Promise<ExportHeader> {
  const header = fields as unknown as ExportHeader
  if (header.format !== 'bulkhead-module' || header.version !== 1 || !Array.isArray(header.tables) || !Array.isArray(header.migrations)) {
    throw refusal(line, 'this is no export of a module, or one of a later version')
  }
  if (header.module !== module) throw refusal(line, `this is an export of the module ${JSON.stringify(header.module)}`)
  const here = await tx<ExportHeader['migrations']>`select number, name, checksum from bulkhead.mod_migrations where module = ${module} order by number`
  const length = Math.max(here.length, header.migrations.length)
  for (let at = 0; at < length; at++) {
    if (here[at]?.checksum === header.migrations[at]?.checksum) continue
    const why = `it was exported with ${header.migrations[at]?.name ?? 'no'} as migration ${at + 1}, and here ${here[at]?.name ?? 'none'} was run`
    throw new BulkheadError('CONFLICT', `cannot import into ${module}, ${why}`)
  }
  return header
}

/** Where a line's row goes: a table of the header, or one of the other kinds. */
function destinationOf(fields: Record<string, unknown>, { tables }: ExportHeader, line: number): string {
  const { table } = fields
  if (typeof table === 'string' && tables.some(({ name }) => name === table)) return `table ${table}`
  for (const kind of ['sequence', 'kv', 'extraction']) if (kind in fields) return kind
  throw refusal(line, 'this is no row of a table that the first line names, and nothing else that is known')
}

async function store(tx: TransactionSql, report: ImportReport, batch: Batch): Promise<void> {
  const { into, lines } = batch
  const texts = lines.map(({ text }) => text)
  try {
    if (into.startsWith('table ')) await storeRows(tx, report, into.slice('table '.length), texts)
    else if (into === 'kv') await storeKeys(tx, report, texts)
    else if (into === 'extraction') await storeExtractions(tx, report, texts)
    else await storeSequences(tx, report.module, texts)
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error
    const [first, last] = [lines[0]?.number, lines.at(-1)?.number]
    const where = `lines ${first} to ${last}`
    const code = error.code === '23505' ? 'CONFLICT' : 'INVALID'
    throw new BulkheadError(code, `cannot import into ${report.module}, ${where}: ${error.message}`, { lines: [first, last], sqlstate: error.code }, error)
  }
}

/** As the module itself: what its tables check is the module's. */
async function storeRows(tx: TransactionSql, report: ImportReport, table: string, lines: string[]): Promise<void> {
  const schema = schemaOf(report.module)
  const columns = await tx<Array<{ name: string; owner: string }>>`
    select a.attname as name, pg_get_userbyid(c.relowner) as owner from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    where n.nspname = ${schema} and c.relname = ${table} and c.relkind = 'r' order by a.attnum`
  const [first] = columns
  if (!first) throw new BulkheadError('CONFLICT', `cannot import into ${report.module}, it has no table ${table}`)
  const [to, list] = [`${identifier(schema)}.${identifier(table)}`, columns.map(({ name }) => identifier(name)).join(', ')]
  await tx.unsafe(`set local role ${identifier(first.owner)}`)
  await tx.unsafe(
    `insert into ${to} (${list}) overriding system value
     select ${columns.map(({ name }) => `(r).${identifier(name)}`).join(', ')}
     from (select json_populate_record(null::${to}, line::json->'row') as r from unnest($1::text[]) as line offset 0) as rows`,
    [lines],
  )
  await tx.unsafe('set local role none')
  report.tables[table] = (report.tables[table] ?? 0) + lines.length
}

async function storeKeys(tx: TransactionSql, report: ImportReport, lines: string[]): Promise<void> {
  await tx`
    insert into bulkhead.kv (module, key, kind, value, version, expires_at)
    select ${report.module}, decode(kv->>'key', 'base64'), (kv->>'kind')::"char", decode(kv->>'value', 'base64'),
      nextval('bulkhead.kv_version') * ${String(BATCH_VERSIONS)}::int8, (kv->>'expiresAt')::timestamptz
    from (select line::jsonb->'kv' as kv from unnest(${lines}::text[]) as line) as lines`
  report.keys += lines.length
}

async function storeExtractions(tx: TransactionSql, report: ImportReport, lines: string[]): Promise<void> {
  const stored = await tx`
    insert into bulkhead.extractions select r.* from unnest(${lines}::text[]) as line,
      jsonb_populate_record(null::bulkhead.extractions, line::jsonb->'extraction' || jsonb_build_object('module', ${report.module}::text)) as r
    on conflict do nothing`
  report.extractions += stored.count
}

async function storeSequences(tx: TransactionSql, module: string, lines: string[]): Promise<void> {
  for (const line of lines) {
    const { sequence, value } = JSON.parse(line) as { sequence: string; value: unknown }
    const name = `${identifier(schemaOf(module))}.${identifier(String(sequence))}`
    await tx`select setval(${name}::text::regclass, (${line}::text::json->>'value')::bigint) where ${value !== null}`
  }
}

/** @throws QUOTA */
export async function sumUp(tx: TransactionSql, module: string): Promise<void> {
  await tx`insert into bulkhead.kv_usage (module) values (${module}) on conflict do nothing`
  await tx`select from bulkhead.kv_usage where module = ${module} for update`
  const [usage] = await tx<Array<{ keys: number; bytes: number }>>`
    update bulkhead.kv_usage set (keys, bytes) = (
      select count(*), coalesce(sum(octet_length(key) + octet_length(value)), 0) from bulkhead.kv where module = ${module})
    where module = ${module} returning keys::float8, bytes::float8`
  for (const measure of ['keys', 'bytes'] as const) {
    if ((usage?.[measure] ?? 0) <= KV_LIMITS[measure]) continue
    throw new BulkheadError('QUOTA', `cannot import into ${module}, its keys would take ${usage?.[measure]} ${measure} and may take ${KV_LIMITS[measure]}`)
  }
}

/** @throws INVALID for what is no text, or a line of more than 16 MiB */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let parts: Uint8Array[] = []
  let bytes = 0
  let number = 0
  const take = (): Line => {
    const line = { number: ++number, text: decode(Buffer.concat(parts), number) }
    parts = []
    bytes = 0
    return line
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end))
      from = end + 1
      yield take()
    }
    parts.push(chunk.subarray(from))
    bytes += chunk.length - from
    if (bytes > LINE_BYTES) throw refusal(number + 1, `it is longer than ${LINE_BYTES} bytes`)
  }
  if (bytes > 0) yield take()
}

function decode(bytes: Buffer, line: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw refusal(line, 'it is no UTF-8 text')
  }
}

/** @throws INVALID */
export function readLine({ number, text }: Line): Record<string, unknown> {
  try {
    const fields: unknown = JSON.parse(text)
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return fields as Record<string, unknown>
  } catch {
    // told below
  }
  throw refusal(number, 'it is no JSON object')
}

function refusal(line: number, why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot import, line ${line}: ${why}`, { line })
}
