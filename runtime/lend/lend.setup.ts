import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { type Caller, serveAsk } from '../../bridge/capabilities.ts'
import { dbCapabilities } from '../../bridge/db.host.ts'
import { BulkheadError, type ErrorCode } from '../../bridge/errors.ts'
import type { Database } from '../store/database.ts'
import { collectLog, openTemporary, type TemporaryDatabase } from '../store/store.setup.ts'
import { type Lend, openLend } from './lend.ts'
import type { LendLimits } from './limits.ts'
import { roleOf } from './names.ts'

export interface Answer {
  columns: Array<[string, number]>
  rows: Array<Array<string | null>>
  count: number
}

/** One execution of a module, as the host's end of its bridge sees it. */
export interface Execution {
  sql(text: string, ...parameters: unknown[]): Promise<Answer>
  within(tx: string, text: string, ...parameters: unknown[]): Promise<Answer>
  begin(): Promise<string>
  commit(tx: string): Promise<void>
  rollback(tx: string): Promise<void>
  /** As the runtime ends an execution, for whatever reason. */
  end(): void
}

export interface LendLab extends AsyncDisposable {
  database: Database
  lend: Lend
  log: ReturnType<typeof collectLog>
  execution(module: string): Execution
  /** Statements as the module's role, as its migrations would run them. */
  define(module: string, ddl: string): Promise<void>
}

/** A database lent out, on the embedded server or an external one, gone when disposed. */
export async function openLendLab(external?: string, limits: Partial<LendLimits> = {}): Promise<LendLab> {
  const temporary = await openTemporary(external)
  return lendFrom(temporary, limits, external)
}

export async function lendFrom(temporary: TemporaryDatabase, limits: Partial<LendLimits>, external?: string): Promise<LendLab> {
  const { database } = temporary
  const log = collectLog()
  const modules = new Set<string>()
  const lend = openLend(database, { log, limits })
  const capabilities = dbCapabilities(lend)
  return {
    database,
    lend,
    log,
    execution(module) {
      modules.add(module)
      const caller = callerOf(module)
      const ask = async (name: string, args: object) => readAnswer(await serveAsk(capabilities, caller, name, JSON.stringify(args)))
      return {
        sql: (text, ...parameters) => ask('db.sql', { text, parameters }) as Promise<Answer>,
        within: (tx, text, ...parameters) => ask('db.sql', { text, parameters, tx }) as Promise<Answer>,
        begin: () => ask('db.begin', { attempt: 0 }) as Promise<string>,
        commit: (tx) => ask('db.commit', { tx }) as Promise<never>,
        rollback: (tx) => ask('db.rollback', { tx }) as Promise<never>,
        end: () => caller.atEnd.forEach((give) => give()),
      }
    },
    async define(module, ddl) {
      modules.add(module)
      const { schema, credentials } = await lend.prepare(module)
      await database.sql.begin(async (tx) => {
        await tx.unsafe(`grant create on schema "${schema}" to "${credentials.user}"; grant "${credentials.user}" to current_user`)
        await tx.unsafe(`set local role "${credentials.user}"; set local search_path to "${schema}"`)
        await tx.unsafe(ddl)
        await tx.unsafe(`reset role; revoke create on schema "${schema}" from "${credentials.user}"`)
      })
    },
    async [Symbol.asyncDispose]() {
      const name = String(database.sql.options.database)
      await lend[Symbol.asyncDispose]()
      await temporary[Symbol.asyncDispose]()
      if (external === undefined) return
      const admin = postgres(external, { max: 1, onnotice() {} })
      for (const module of modules) await admin.unsafe(`drop role if exists "${roleOf(module, name)}"`)
      await admin.end()
    },
  }
}

/** Code and message of the refusal; fails where there is none. */
export async function refusalOf(work: Promise<unknown>): Promise<{ code: ErrorCode; message: string; details: unknown }> {
  try {
    const answer = await work
    throw new Error(`not refused: ${JSON.stringify(answer).slice(0, 200)}`)
  } catch (error) {
    if (error instanceof BulkheadError) return { code: error.code, message: error.message, details: error.details }
    throw error
  }
}

function readAnswer(text: string): unknown {
  const answer = JSON.parse(text) as { error?: { code: ErrorCode; message: string } } | null
  if (answer === null || typeof answer !== 'object' || answer.error === undefined) return answer
  const { code, message, ...details } = answer.error
  throw new BulkheadError(code, message, details)
}

function callerOf(module: string): Caller {
  let seq = 0
  return {
    module,
    version: '1.0.0',
    execution: randomUUID(),
    hook: 'chat:before_ai',
    chain: [],
    deadline: performance.now() + 60_000,
    permissions: new Set(['db']),
    hide: (value) => value,
    violated() {},
    asked: new Map(),
    extractions: [],
    atEnd: [],
    nextSeq: () => seq++,
  }
}
