import type { Sql } from 'postgres'
import { answered } from '../store/failures.ts'

/** How much the modules' schemas take, as it was measured last. */
export interface Sizes {
  /** Measures, unless that was done within `maxAgeMs`. Where the server does not answer in time, what was known. */
  of(schema: string, maxAgeMs: number): Promise<number>
}

/** Waiting for the lock of a table that is being changed is no use. */
const ANSWER_MS = 1_000

export function openSizes(sql: Sql): Sizes {
  const known = new Map<string, { bytes: number; at: number }>()
  const measuring = new Map<string, Promise<number>>()

  const measure = async (schema: string): Promise<number> => {
    const at = performance.now()
    try {
      const [row] = await answered(
        sql<Array<{ bytes: string }>>`
          select coalesce(sum(pg_total_relation_size(c.oid)), 0)::text as bytes
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = ${schema} and c.relkind in ('r', 'm')`,
        ANSWER_MS,
      )
      known.set(schema, { bytes: Number(row?.bytes ?? 0), at })
    } catch {
      // what was known stays
    }
    return known.get(schema)?.bytes ?? 0
  }

  return {
    of(schema, maxAgeMs) {
      const last = known.get(schema)
      if (last !== undefined && performance.now() - last.at <= maxAgeMs) return Promise.resolve(last.bytes)
      const running = measuring.get(schema)
      if (running !== undefined) return running
      const started = measure(schema).finally(() => measuring.delete(schema))
      measuring.set(schema, started)
      return started
    },
  }
}
