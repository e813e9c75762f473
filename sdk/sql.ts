/**
 * A parameter. Text, numbers, bigints and booleans are read by the server as the type the statement asks for; `undefined`
 * is null, a `Date` a point in time, a `Uint8Array` a `bytea`, an array an array or, for `json` and `jsonb`, JSON, and
 * any other object JSON.
 */
export type SqlValue = string | number | bigint | boolean | null | undefined | object

/** Rows as plain objects, in the order of the answer. */
export type SqlRows<Row> = Row[] & {
  /** How many rows the statement returned or touched. */
  readonly count: number
}

/**
 * Runs one statement: SELECT, INSERT, UPDATE, DELETE or MERGE, with CTEs, over the module's own tables. What stands in
 * `${}` is a parameter and never becomes part of the text.
 *
 * How values arrive, by PostgreSQL's type:
 *
 * | type | value |
 * |---|---|
 * | `smallint`, `integer`, `oid`, `real`, `double precision` | number |
 * | `bigint` | number where one holds it exactly (up to 2⁵³ − 1), else bigint; so a count or an identity is a number |
 * | `numeric`, `money` | text, as no digit may be lost |
 * | `boolean` | boolean |
 * | `timestamptz` | `Date`, to the millisecond; text where a date cannot be one (`infinity`, years past 9999) |
 * | `timestamp`, `date`, `time` | text as in ISO 8601 (`2026-07-01`), as they name no point in time |
 * | `interval` | text as in ISO 8601 (`P1DT2H`), which `Temporal.Duration.from` reads |
 * | `json`, `jsonb` | the value |
 * | `bytea` | `Uint8Array` |
 * | arrays of these | array, nested as the dimensions are, with nulls |
 * | `uuid`, text, enums and all others | text as PostgreSQL writes it |
 *
 * A statement that is not awaited is stopped when the execution ends.
 *
 * @throws `InvalidData` for what is no such statement, or what the server refuses: the error has its `sqlstate`, and
 * `detail`, `hint`, `constraint`, `table` and `column` where they are known
 * @throws `AlreadyExists` for a unique key that is taken (`23505`), or a transaction that should be tried again (`40001`)
 * @throws `TimedOut` past the time of a statement; `QuotaExceeded` for too many or too large rows, parameters or
 * statements, and for writing when the module's tables are too large; `Busy` where no connection is to be had
 * @throws `NotCapable` without the permission `db`
 * @example const [note] = await ctx.db.sql<{ text: string }>`select text from notes where id = ${id}`
 * @example await ctx.db.sql`insert into notes (text, tags) values (${text}, ${['a', 'b']})`
 */
export type SqlTag = <Row extends object = Record<string, unknown>>(strings: TemplateStringsArray, ...values: SqlValue[]) => Promise<SqlRows<Row>>

export interface SqlTransaction {
  sql: SqlTag
}

/** SQL over the module's own tables. */
export interface ModuleSql {
  sql: SqlTag
  /**
   * Runs `work` in a serialisable transaction and commits it; where `work` throws, or the execution ends, all of it is
   * rolled back. Where another transaction was in the way, `work` is called again, up to five times in all: what it
   * does besides `tx.sql` it does again.
   *
   * A transaction may take 10 seconds and 200 statements, and a module may have two at a time: others wait.
   *
   * @returns what `work` returned
   * @throws what `work` throws, and what `sql` throws
   * @example
   * await ctx.db.begin(async (tx) => {
   *   const [account] = await tx.sql<{ points: number }>`select points from accounts where id = ${id}`
   *   await tx.sql`update accounts set points = ${(account?.points ?? 0) + 1} where id = ${id}`
   * })
   */
  begin<Result>(work: (tx: SqlTransaction) => Result | Promise<Result>): Promise<Result>
}
