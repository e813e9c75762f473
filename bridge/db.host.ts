import { type Capabilities, type Caller, type Capability, readArgs } from './capabilities.ts'
import { BulkheadError } from './errors.ts'

/** What a module sent to be run; nothing in it has been looked at, but for its shape. */
export interface SqlStatement {
  text: string
  /** A list becomes JSON or an array, as the server's type of the parameter asks for. */
  parameters: Array<string | null | unknown[]>
}

/** Runs statements in a module's name. Results are JSON text: `{columns: [[name, type]…], rows: [[text…]…], count}`. */
export interface Lender {
  run(caller: Caller, statement: SqlStatement, transaction: string | undefined): Promise<string>
  /** Begins a serialisable transaction, after a pause where this is not the first attempt. Resolves with its id. */
  begin(caller: Caller, attempt: number): Promise<string>
  commit(caller: Caller, transaction: string): Promise<void>
  rollback(caller: Caller, transaction: string): Promise<void>
}

/** What a statement failed with, beyond code and message. */
export interface SqlFault {
  sqlstate: string
  /** The transaction could succeed if it were begun again. */
  retry?: boolean
  detail?: string
  hint?: string
  constraint?: string
  table?: string
  column?: string
}

export const DB_CAPS = {
  statements: 500,
  transactions: 50,
  argsLength: 256 * 1024,
  parameters: 2_000,
  attempts: 5,
} as const

const SHORT = 200

/** `ctx.db`: SQL over the module's own tables. */
export function dbCapabilities(lender: Lender): Capabilities {
  const capability = (
    name: string,
    caps: Pick<Capability, 'perExecution' | 'argsLength'>,
    run: (caller: Caller, args: Record<string, unknown>) => Promise<string | void>,
  ): Capability => ({
    permission: 'db',
    ...caps,
    async run(caller, args) {
      try {
        return (await run(caller, readArgs(name, args))) ?? 'null'
      } catch (thrown) {
        // What the database says of a module's own statement is the module's to read, in full.
        if (thrown instanceof BulkheadError && isSqlFault(thrown.details)) {
          return JSON.stringify({ error: { code: thrown.code, message: thrown.message, ...thrown.details } })
        }
        throw thrown
      }
    },
  })
  const short = { perExecution: DB_CAPS.transactions, argsLength: SHORT }
  return {
    'db.sql': capability('db.sql', { perExecution: DB_CAPS.statements, argsLength: DB_CAPS.argsLength }, (caller, args) =>
      lender.run(caller, readStatement(args), args['tx'] === undefined ? undefined : readTransaction(args)),
    ),
    'db.begin': capability('db.begin', short, async (caller, { attempt }) => {
      if (typeof attempt !== 'number' || !(attempt >= 0 && attempt < DB_CAPS.attempts)) throw refusal('begin', 'it was tried too often')
      return JSON.stringify(await lender.begin(caller, attempt))
    }),
    'db.commit': capability('db.commit', short, (caller, args) => lender.commit(caller, readTransaction(args))),
    'db.rollback': capability('db.rollback', short, (caller, args) => lender.rollback(caller, readTransaction(args))),
  }
}

function isSqlFault(details: unknown): details is SqlFault {
  return typeof details === 'object' && details !== null && 'sqlstate' in details
}

function readStatement({ text, parameters }: Record<string, unknown>): SqlStatement {
  if (typeof text !== 'string' || !Array.isArray(parameters)) throw refusal('run the statement', 'it must be a text and a list of parameters')
  // The server ends a text at a zero byte; half of a surrogate pair it reads as another character than the parser does.
  if (text.includes('\0') || !text.isWellFormed()) throw refusal('run the statement', 'its text holds what no text in UTF-8 can')
  if (parameters.length > DB_CAPS.parameters) {
    throw new BulkheadError('SIZE_LIMIT', `cannot run the statement, it has ${parameters.length} parameters and may have ${DB_CAPS.parameters}`)
  }
  return { text, parameters: parameters.map(readParameter) }
}

function readParameter(value: unknown, at: number): string | null | unknown[] {
  if (value === null || Array.isArray(value)) return value
  if (typeof value !== 'string') throw refusal('run the statement', `parameter ${at + 1} is no text`)
  return value
}

function readTransaction({ tx }: Record<string, unknown>): string {
  if (typeof tx !== 'string') throw refusal('go on with the transaction', 'it is not named')
  return tx
}

function refusal(what: string, why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot ${what}, ${why}`)
}
