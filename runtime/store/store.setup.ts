import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { type Database, openDatabase } from './database.ts'
import type { NewExtraction } from '../../bridge/emit.host.ts'
import type { NewLog } from './logs.ts'
import type { StoreLog } from './server.ts'

/** Where an external PostgreSQL is expected, with trust authentication. */
const EXTERNAL = 'postgres://postgres@127.0.0.1:5432/test'

export interface TemporaryDatabase extends AsyncDisposable {
  database: Database
  folder: string
}

/** What the store said, for tests that look at it. */
export function collectLog(): StoreLog & { lines: string[] } {
  const lines: string[] = []
  const take = (level: string) => (details: object, message: string) =>
    void lines.push(`${level} ${message} ${JSON.stringify(details)}`)
  return { lines, info: take('info'), warn: take('warn'), error: take('error') }
}

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'store-'))
}

/** The url of the external server, or undefined, with a line that says so, where none answers. */
export async function findExternal(): Promise<string | undefined> {
  const sql = postgres(EXTERNAL, { max: 1, connect_timeout: 2 })
  try {
    await sql`select 1`
    return EXTERNAL
  } catch (error) {
    process.stderr.write(`skipped on an external server, none answers at 127.0.0.1:5432: ${(error as Error).message}\n`)
    return undefined
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** A database of its own on either kind of server, gone when disposed. */
export async function openTemporary(external?: string, log: StoreLog = collectLog()): Promise<TemporaryDatabase> {
  const folder = await temporaryFolder()
  if (external === undefined) {
    const database = await openDatabase({ folder, log })
    return {
      database,
      folder,
      async [Symbol.asyncDispose]() {
        await database[Symbol.asyncDispose]()
        await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
      },
    }
  }
  const name = `bulkhead_test_${randomUUID().slice(0, 8)}`
  const admin = postgres(external, { max: 1 })
  await admin.unsafe(`create database ${name}`)
  const database = await openDatabase({ url: external.replace(/\/test$/, `/${name}`), folder, log })
  return {
    database,
    folder,
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]()
      await admin.unsafe(`drop database ${name} with (force)`)
      await admin.end()
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}

export function someExtraction(over: Partial<NewExtraction> = {}): NewExtraction {
  return {
    id: randomUUID(),
    module: 'pii-filter',
    version: '1.0.0',
    execution: randomUUID(),
    seq: 0,
    hook: 'chat:before_ai',
    type: 'pii_detected',
    data: '{"email":1}',
    createdAt: new Date(),
    ...over,
  }
}

export function someLog(over: Partial<NewLog> = {}): NewLog {
  return {
    module: 'pii-filter',
    version: '1.0.0',
    execution: randomUUID(),
    seq: 0,
    level: 'info',
    message: 'hello',
    createdAt: new Date(),
    ...over,
  }
}
