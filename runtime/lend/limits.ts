/** What modules may use of the database. Milliseconds, bytes and rows, as the names say. */
export const LEND_LIMITS = {
  /** Of one statement; then the host asks the server to stop it. */
  statementMs: 5_000,
  /** From asking the server to stop a statement until its backend is terminated. */
  graceMs: 500,
  /** Of one transaction, from begin to commit. */
  transactionMs: 10_000,
  /** How long work waits for a connection. */
  waitMs: 3_000,
  /** What waits for a connection in the name of one module. */
  waiting: 256,
  resultRows: 10_000,
  resultBytes: 2 * 1024 * 1024,
  /** Characters of a statement without its parameters. */
  textLength: 16 * 1024,
  parameters: 2_000,
  /** Open in one module at a time. */
  transactions: 2,
  statementsPerTransaction: 200,
  connectionsPerModule: 3,
  connections: 24,
  /** Connections of the server that are left to others. */
  connectionsLeft: 5,
  /** Without work, a connection is closed after this long. */
  idleMs: 10_000,
  /** Tables and indexes of one module, on disk. */
  schemaBytes: 256 * 1024 * 1024,
  /** Temporary files of one connection, where the server lets us set it. */
  tempFileBytes: 64 * 1024 * 1024,
  /** Memory of one backend while a statement runs, where the host can see it. */
  backendBytes: 192 * 1024 * 1024,
}

export type LendLimits = typeof LEND_LIMITS
