import { BulkheadError } from '../bridge/errors.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Database } from '../runtime/store/database.ts'

const DATABASE_DEADLINE_MS = 1000

interface HealthRoute {
  method: 'GET'
  path: string
  check(): unknown
}

/** What a supervisor may ask without a key: whether the host lives, and whether it can take calls. */
export function healthRoutes({ runtime, database }: { runtime: Runtime; database: Database }): HealthRoute[] {
  // Anybody may ask as often as they like, so that all who wait share one query.
  let asking: Promise<boolean> | undefined
  const ready = async () => {
    if (!runtime.ready()) throw new BulkheadError('UNAVAILABLE', 'not ready: modules are still being loaded')
    asking ??= answers(database).finally(() => (asking = undefined))
    if (!(await asking)) throw new BulkheadError('UNAVAILABLE', 'not ready: the database does not answer')
    return { status: 'ready' }
  }
  return [
    { method: 'GET', path: '/healthz', check: () => ({ status: 'ok' }) },
    { method: 'GET', path: '/readyz', check: ready },
  ]
}

async function answers({ sql }: Database): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(resolve, DATABASE_DEADLINE_MS, false)
  sql`select 1`.then(
    () => resolve(true),
    () => resolve(false),
  )
  return promise.finally(() => clearTimeout(timer))
}
