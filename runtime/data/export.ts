import { createHash } from 'node:crypto'
import type { Sql, TransactionSql } from 'postgres'
import { identifier, schemaOf } from '../lend/names.ts'

/** The first line of an export. */
export interface ExportHeader {
  format: 'bulkhead-module'
  version: 1
  module: string
  exportedAt: string
  migrations: Array<{ number: number; name: string; checksum: string }>
  /** In an order in which none refers to a later one, as far as there is one. */
  tables: Array<{ name: string; columns: string[] }>
}

/** The last line: how many came before it, and the SHA-256 of their bytes, line ends included. */
export interface ExportEnd {
  lines: number
  sha256: string
}

const FETCH = 100
/** A reader who stops reading must not keep old rows alive for ever. */
const IDLE_MS = 60_000

type Line = { line: string }

/**
 * All data of a module as it is at one moment, a line of JSON for each row: of its tables, its keys and values, and its
 * records.
 *
 * @example for await (const line of exportModule(sql, 'notes')) process.stdout.write(line)
 */
export async function* exportModule(sql: Sql, module: string): AsyncGenerator<string> {
  const hash = createHash('sha256')
  let lines = 0
  const counted = (line: string): string => {
    lines++
    const text = `${line}\n`
    hash.update(text)
    return text
  }
  for await (const line of inTransaction(sql, (tx) => linesOf(tx, module))) yield counted(line)
  const end: ExportEnd = { lines, sha256: hash.digest('hex') }
  yield `${JSON.stringify({ end })}\n`
}

/** The lines of an export, without their end. */
export async function* linesOf(tx: TransactionSql, module: string, { extractions = true } = {}): AsyncGenerator<string> {
  const schema = schemaOf(module)
  const tables = inOrder(await tablesOf(tx, schema), await referencesOf(tx, schema))
  const migrations = await tx<ExportHeader['migrations']>`
    select number, name, checksum from bulkhead.mod_migrations where module = ${module} order by number`
  const header: ExportHeader = { format: 'bulkhead-module', version: 1, module, exportedAt: new Date().toISOString(), migrations: [...migrations], tables }
  yield JSON.stringify(header)
  for (const { name, columns } of tables) {
    const row = `select ${columns.map(identifier).join(', ')} from ${identifier(schema)}.${identifier(name)}`
    const prefix = `{"table":${JSON.stringify(name)},"row":`
    // The server's own JSON, not looked into: numbers of any size pass through as they are. Of a column of JSON it has the
    // author's line ends, which mean nothing there.
    yield* fetchLines(tx, `select ${textOf(prefix)} || translate(row_to_json(r)::text, E'\n\r', '  ') || '}' as line from (${row}) r`)
  }
  for (const { name, value } of await sequencesOf(tx, schema)) yield `{"sequence":${JSON.stringify(name)},"value":${value}}`
  yield* fetchLines(tx, `
    select '{"kv":' || json_build_object('key', encode(key, 'base64'), 'kind', kind, 'value', encode(value, 'base64'), 'expiresAt', expires_at)::text || '}' as line
    from bulkhead.kv where module = ${textOf(module)} and (expires_at is null or expires_at > now()) order by key`)
  if (!extractions) return
  yield* fetchLines(tx, `
    select '{"extraction":' || (to_jsonb(e) - 'module')::text || '}' as line from bulkhead.extractions e where module = ${textOf(module)} order by created_at, seq, id`)
}

/** Those that rows are kept in; generated columns make themselves. */
async function tablesOf(tx: TransactionSql, schema: string): Promise<ExportHeader['tables']> {
  return [...(await tx<ExportHeader['tables']>`
    select c.relname as name, coalesce(array_agg(a.attname::text order by a.attnum) filter (where a.attname is not null), '{}') as columns
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    where n.nspname = ${schema} and c.relkind = 'r' group by c.relname order by c.relname`)]
}

async function referencesOf(tx: TransactionSql, schema: string): Promise<Array<{ from: string; to: string }>> {
  return [...(await tx<Array<{ from: string; to: string }>>`
    select f.relname as from, t.relname as to from pg_constraint k join pg_class f on f.oid = conrelid join pg_class t on t.oid = confrelid
    join pg_namespace n on n.oid = f.relnamespace where contype = 'f' and n.nspname = ${schema} and f.oid <> t.oid`)]
}

async function sequencesOf(tx: TransactionSql, schema: string): Promise<Array<{ name: string; value: string }>> {
  return [...(await tx<Array<{ name: string; value: string }>>`
    select sequencename as name, last_value::text as value from pg_sequences where schemaname = ${schema} and last_value is not null order by 1`)]
}

/** Each after those it refers to; where they refer to each other in a circle, as they come. */
function inOrder(tables: ExportHeader['tables'], references: Array<{ from: string; to: string }>): ExportHeader['tables'] {
  const left = new Map(tables.map((table) => [table.name, table]))
  const ordered: ExportHeader['tables'] = []
  while (left.size > 0) {
    const free = [...left.values()].filter(({ name }) => !references.some(({ from, to }) => from === name && left.has(to)))
    for (const table of free.length > 0 ? free : [...left.values()]) {
      ordered.push(table)
      left.delete(table.name)
    }
  }
  return ordered
}

/** @param rows how many are in memory at a time */
export async function* fetchLines(tx: TransactionSql, query: string, { rows: most = FETCH } = {}): AsyncGenerator<string> {
  await tx.unsafe(`declare export_rows no scroll cursor for ${query}`)
  for (;;) {
    const rows = await tx.unsafe<Line[]>(`fetch ${most} from export_rows`)
    for (const { line } of rows) yield line
    if (rows.length < most) break
  }
  await tx.unsafe('close export_rows')
}

/** What is made within a transaction, handed out as it is asked for; the transaction ends with it, read to its end or not. */
export async function* inTransaction<Item>(sql: Sql, make: (tx: TransactionSql) => AsyncGenerator<Item>): AsyncGenerator<Item> {
  const opened = Promise.withResolvers<TransactionSql>()
  const done = Promise.withResolvers<void>()
  const ended = sql.begin('isolation level repeatable read read only', async (tx) => {
    await tx.unsafe(`set local idle_in_transaction_session_timeout = ${IDLE_MS}; set local statement_timeout = ${IDLE_MS}`)
    opened.resolve(tx)
    await done.promise
  })
  ended.catch((error: unknown) => opened.reject(error))
  try {
    yield* make(await opened.promise)
    done.resolve()
    await ended
  } finally {
    done.resolve()
    await ended.catch(() => {})
  }
}

function textOf(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
