import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'

const PATIENCE_MS = 3_000
const ANSWER_MS = 10_000

/**
 * What a failed statement calls for: `row`, one of its values is at fault, for the server or for the driver; `again`,
 * the connection or the server had a bad moment; `never`, it will fail the next time too, with whatever values.
 */
export function kindOf(error: unknown): 'row' | 'again' | 'never' {
  if (!(error instanceof postgres.PostgresError)) return kindOfDriver(codeOf(error))
  const sqlClass = error.code.slice(0, 2)
  if (['22', '23', '54'].includes(sqlClass)) return 'row'
  if (['08', '40', '53', '55', '57', '58'].includes(sqlClass) || error.code === '25006') return 'again'
  return 'never'
}

/** The driver and the socket name their failures in words (`CONNECTION_CLOSED`, `ECONNREFUSED`). */
function kindOfDriver(code: string): 'row' | 'again' | 'never' {
  if (code === 'CONNECTION_ENDED') return 'never' // we have ended it
  return /^(CONNECT|E[A-Z])/.test(code) ? 'again' : 'row'
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Any failure of a statement as the error that leaves the store. */
export function storeFailed(what: string, error: unknown): BulkheadError {
  if (error instanceof BulkheadError) return error
  return new BulkheadError('STORE_FAILED', `cannot ${what}: ${(error as Error).message}`, undefined, error)
}

/** Cancels a statement that does not answer in 10 s; that counts as a lost connection, and mostly is one. */
export async function answered<T>(query: Promise<T> & { cancel?(): void }, ms = ANSWER_MS): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(Object.assign(new Error(`no answer from the database within ${ms} ms`), { code: 'ETIMEDOUT' }))
    query.cancel?.()
  }, ms)
  try {
    return await Promise.race([query, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks again, for 3 s, after what a connection lost or a server starting again explains. Only for what may be repeated. */
export async function asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
  const until = Date.now() + PATIENCE_MS
  for (let wait = 20; ; wait = Math.min(wait * 2, 500)) {
    try {
      return await ask()
    } catch (error) {
      if (kindOf(error) !== 'again' || Date.now() + wait > until) throw storeFailed(what, error)
      await delay(wait)
    }
  }
}
