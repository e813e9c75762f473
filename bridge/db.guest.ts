import type { ModuleSql, SqlRows, SqlTag, SqlTransaction, SqlValue } from '../sdk/sql.ts'
import type { ErrorCode } from './errors.ts'
import { refusal } from './errors.guest.ts'
import { defineProperty, freeze, isArray, keys, parse, slice, stringify } from './primordials.guest.ts'
import { readSql, writeSql } from './sql-value.guest.ts'

type Ask = (capability: string, args: string, maxLength: number) => Promise<string>

interface Answer {
  columns: Array<[string, number]>
  rows: Array<Array<string | null>>
  count: number
}

type Fault = { code: ErrorCode; message: string; retry?: boolean } & Record<string, unknown>

const ATTEMPTS = 5
/** The host's own checks decide; this ends the costliest mistake where it is made. */
const ARGS_LENGTH = 256 * 1024
const SHORT = 200

/** The SQL half of `ctx.db`, of one execution. */
export function openSql(askHost: Ask): ModuleSql {
  /** What the server refuses comes as an answer, with all it says. */
  const ask = async (capability: string, args: string, maxLength: number, onRetry: () => void): Promise<string> => {
    const answer = await askHost(capability, args, maxLength)
    if (slice(answer, 0, 8) !== '{"error"') return answer
    const { code, message, retry, ...more } = (parse(answer) as { error: Fault }).error
    if (retry) onRetry()
    const error = refusal(code, message)
    const names = keys(more)
    for (let i = 0; i < names.length; i++) {
      defineProperty(error, names[i] as string, { value: more[names[i] as string], enumerable: true })
    }
    throw error
  }

  const tagOf = (transaction: string, onRetry: () => void) => async (strings: TemplateStringsArray, ...values: SqlValue[]) => {
    const args = '{"text":' + stringify(textOf(strings)) + ',"parameters":' + parametersOf(values) + transaction + '}'
    return rowsOf(parse(await ask('db.sql', args, ARGS_LENGTH, onRetry)) as Answer)
  }

  const begin = async <Result>(work: (tx: SqlTransaction) => Result | Promise<Result>): Promise<Result> => {
    for (let attempt = 0; ; attempt++) {
      let again = false
      const onRetry = () => {
        again = true
      }
      const id = await ask('db.begin', '{"attempt":' + attempt + '}', SHORT, onRetry)
      const named = '"tx":' + id
      let committing = false
      try {
        const result = await work(freeze({ sql: tagOf(',' + named, onRetry) }) as SqlTransaction)
        committing = true
        await ask('db.commit', '{' + named + '}', SHORT, onRetry)
        return result
      } catch (thrown) {
        if (!committing) await rollBack(named)
        if (!again || attempt + 1 >= ATTEMPTS) throw thrown
      }
    }
  }

  const rollBack = async (named: string): Promise<void> => {
    try {
      await askHost('db.rollback', '{' + named + '}', SHORT)
    } catch {
      // it has ended by itself
    }
  }

  return freeze({ sql: tagOf('', () => {}) as SqlTag, begin })
}

function textOf(strings: TemplateStringsArray): string {
  // A plain call would run text that was put together somewhere.
  if (!isArray(strings) || !isArray((strings as Partial<TemplateStringsArray>).raw)) {
    throw refusal('INVALID', 'cannot run the statement, sql is a tag for a template, as in sql`select 1`')
  }
  let text = strings[0] as string
  for (let i = 1; i < strings.length; i++) text += '$' + i + strings[i]
  return text
}

function parametersOf(values: readonly SqlValue[]): string {
  let parameters = ''
  for (let i = 0; i < values.length; i++) parameters += (i > 0 ? ',' : '') + writeSql(values[i])
  return '[' + parameters + ']'
}

function rowsOf({ columns, rows, count }: Answer): SqlRows<object> {
  const objects: object[] = []
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as Array<string | null>
    const object = {}
    for (let j = 0; j < columns.length; j++) {
      const [name, type] = columns[j] as [string, number]
      // Defined, not assigned: a column may be called __proto__.
      defineProperty(object, name, { value: readSql(type, row[j] as string | null), writable: true, enumerable: true, configurable: true })
    }
    objects[i] = object
  }
  return defineProperty(objects, 'count', { value: count }) as SqlRows<object>
}
