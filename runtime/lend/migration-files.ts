import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { BulkheadError } from '../../bridge/errors.ts'
import { decodeText, openSources, SourceError } from '../sources.ts'
import type { Files, PlannedStatement, PlanVerdict } from './migration-thread.ts'
import { schemaOf } from './names.ts'

/** A file of a module's folder that is run once, in its turn. `database/schema.sql`, where there is one, is the first. */
export interface MigrationFile {
  /** 0 for `schema.sql`. */
  number: number
  name: string
  text: string
  checksum: string
  /** The text of `0001_name.down.sql`, which takes back what the file did. */
  down: string | undefined
}

const FOLDER = 'database/migrations'
const BASE = 'database/schema.sql'
const LIMITS = { bytes: 1024 * 1024, files: 500 }
const PARSE_MS = 10_000

/**
 * Reads the migrations of a module's folder, in order.
 *
 * @throws INVALID for names, numbers and files that cannot be used
 * @example await readMigrationFiles('modules/notes') // [{ number: 1, name: '0001_notes.sql', … }]
 */
export async function readMigrationFiles(folder: string): Promise<MigrationFile[]> {
  try {
    const sources = await openSources(folder, LIMITS)
    const read = async (path: string) => decodeText(path, await sources.read(path)).replaceAll('\r\n', '\n')
    const base = (await sources.has(BASE)) ? [fileOf(0, 'schema.sql', await read(BASE), undefined)] : []
    if (!(await sources.has(FOLDER))) return base
    const names = (await readdir(join(folder, FOLDER))).toSorted()
    if (names.length > LIMITS.files) throw new SourceError(`${FOLDER} has more than ${LIMITS.files} files`)
    const downs = new Set(names.filter((name) => name.endsWith('.down.sql')))
    const files = []
    for (const [index, name] of names.filter((name) => !downs.has(name)).entries()) {
      const number = Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1])
      if (number !== index + 1) {
        const expected = `${String(index + 1).padStart(4, '0')}_name.sql`
        throw new SourceError(`${name} stands where ${expected} is expected, numbers have no gaps and no doubles`)
      }
      const down = name.replace(/\.sql$/, '.down.sql')
      const way = downs.delete(down) ? await read(`${FOLDER}/${down}`) : undefined
      files.push(fileOf(number, name, await read(`${FOLDER}/${name}`), way))
    }
    const [alone] = downs
    if (alone !== undefined) throw new SourceError(`${alone} takes back a file that is not there`)
    return [...base, ...files]
  } catch (thrown) {
    if (thrown instanceof SourceError) throw new BulkheadError('INVALID', `cannot read the migrations, ${thrown.message}`)
    throw thrown
  }
}

function fileOf(number: number, name: string, text: string, down: string | undefined): MigrationFile {
  return { number, name, text, down, checksum: createHash('sha256').update(text).digest('hex') }
}

/**
 * Parses and judges texts of migrations, in a thread that is ended where one keeps it too long.
 *
 * @returns the statements of each, in order
 * @throws INVALID with file and line of what is not allowed
 */
export async function planMigrations(
  module: string,
  files: ReadonlyArray<{ name: string; text: string }>,
  projections: readonly string[],
): Promise<Record<string, PlannedStatement[]>> {
  if (files.length === 0) return {}
  const { plans, refusal } = await inThread({ schema: schemaOf(module), projections, files })
  if (refusal === undefined) return plans
  const { file, line, why } = refusal
  throw new BulkheadError('INVALID', `cannot run the migration ${file} of ${module}, line ${line}: ${why}`, { file, line })
}

async function inThread(files: Files): Promise<PlanVerdict> {
  const late = Promise.withResolvers<PlanVerdict>()
  const thread = new Worker(new URL('./migration-thread.ts', import.meta.url), {
    workerData: files,
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 256 },
  })
  const giveUp = () => late.reject(new BulkheadError('INVALID', 'cannot run the migrations, they take too long to parse'))
  const timer = setTimeout(giveUp, PARSE_MS)
  thread.on('message', (verdict: PlanVerdict) => late.resolve(verdict))
  thread.on('error', giveUp)
  thread.on('exit', giveUp)
  try {
    return await late.promise
  } finally {
    clearTimeout(timer)
    await thread.terminate()
  }
}
