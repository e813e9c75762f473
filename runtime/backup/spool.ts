import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { BulkheadError } from '../../bridge/errors.ts'
import type { ExportEnd } from '../data/export.ts'
import { type Line, linesOf, readLine } from '../data/import.ts'
import { type BackedMigration, type BackupHeader, isModule, readBackupHeader, readBackupLine, refusal } from './format.ts'

/** A backup that has come in whole, and is what its last line says; it lies on the disk until it is disposed. */
export interface Spooled extends AsyncDisposable {
  header: BackupHeader
  /** By module, in their order. */
  migrations: ReadonlyMap<string, BackedMigration[]>
  /** Modules that are installed, as opposed to lying in a folder of the host. */
  installed: readonly string[]
  /** Rows by what they are. */
  counts: Record<string, number>
  /** All lines but the first and the last, from the beginning. */
  lines(): AsyncGenerator<{ line: Line; fields: Record<string, unknown> }>
}

/** Of all migrations of all modules, in characters: they are in memory while their tables are made. */
const MIGRATIONS_LENGTH = 64 * 1024 * 1024

/**
 * Takes a backup in, line by line: it is read twice, as nothing may be changed before all of it has been seen to be whole.
 *
 * @param schema the last migration of the database that it is to go into
 * @throws BulkheadError `INVALID` with the line of what cannot be read, or where the checksum is wrong; `STORE_FAILED`
 * where the disk does not take it
 */
export async function spool(chunks: AsyncIterable<Uint8Array>, { folder, schema }: { folder: string; schema: string }): Promise<Spooled> {
  const file = await nameless(folder)
  try {
    const seen = await readWhole(kept(chunks, file), schema)
    return {
      ...seen,
      async *lines() {
        for await (const line of linesOf(file.createReadStream({ start: 0, autoClose: false }))) {
          const fields = readLine(line)
          if (line.number > 1 && !('end' in fields)) yield { line, fields }
        }
      },
      [Symbol.asyncDispose]: () => file.close(),
    }
  } catch (thrown) {
    await file.close()
    throw thrown
  }
}

/** A file that nobody else finds, and that is gone with this process, however it ends: keys and records are in it. */
async function nameless(folder: string): Promise<FileHandle> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `restore-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}

async function* kept(chunks: AsyncIterable<Uint8Array>, file: FileHandle): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await file.appendFile(chunk).catch((thrown: Error) => {
      throw new BulkheadError('STORE_FAILED', `cannot take the backup in, it is read into a file first: ${thrown.message}`, undefined, thrown)
    })
    yield chunk
  }
}

async function readWhole(chunks: AsyncIterable<Uint8Array>, schema: string): Promise<Omit<Spooled, 'lines' | typeof Symbol.asyncDispose>> {
  const hash = createHash('sha256')
  const migrations = new Map<string, BackedMigration[]>()
  const installed: string[] = []
  const counts: Record<string, number> = {}
  let length = 0
  let header: BackupHeader | undefined
  let inModule = false
  let end: ExportEnd | undefined
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
    if (!header) {
      header = readBackupHeader(fields, schema)
      continue
    }
    const kind = kindOf(fields, line.number, inModule)
    counts[kind] = (counts[kind] ?? 0) + 1
    if (kind === 'modules with data') inModule = true
    if ('migration' in fields) {
      const migration = fields['migration'] as BackedMigration
      length += line.text.length
      if (length > MIGRATIONS_LENGTH) throw refusal(line.number, `the migrations of modules are longer than ${MIGRATIONS_LENGTH} characters`)
      migrations.set(migration.module, [...(migrations.get(migration.module) ?? []), migration])
    }
    const { platform, row } = fields as { platform?: string; row?: { module?: string; installed?: boolean } }
    if (platform === 'module_heads' && row?.installed === true) installed.push(String(row.module))
  }
  if (!header) throw refusal(1, 'it is empty')
  if (!end) throw refusal(count + 1, 'the end is missing, so that some may be lost')
  if (end.lines !== count || end.sha256 !== hash.digest('hex')) throw refusal(count + 1, 'the checksum is not that of the lines before it')
  return { header, migrations, installed, counts }
}

/** What a line is counted as. Rows of the platform come first, and then module after module. */
function kindOf(fields: Record<string, unknown>, number: number, inModule: boolean): string {
  if (fields['format'] === 'bulkhead-module') {
    if (isModule(fields['module'])) return 'modules with data'
    throw refusal(number, 'this names no module')
  }
  if (inModule) {
    const kind = ['table', 'sequence', 'kv', 'extraction'].find((one) => one in fields)
    if (kind !== undefined) return KINDS[kind] as string
    throw refusal(number, 'this is nothing that the data of a module has')
  }
  const line = readBackupLine(fields, number)
  return 'platform' in line ? line.platform : 'piece' in line ? 'pieces' : 'migrations'
}

const KINDS: Record<string, string> = { table: 'rows of modules', sequence: 'sequences', kv: 'keys of modules', extraction: 'extractions' }
