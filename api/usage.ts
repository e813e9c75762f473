import type { Log } from '../runtime/events.ts'
import type { KeyRows } from '../runtime/store/key-rows.ts'

/** Counts what keys do, and keeps the sums by day. */
export interface Usage extends AsyncDisposable {
  count(key: string, refused: boolean): void
}

const FLUSH_MS = 10_000

/** Requests do not wait for it; what a host that is killed had counted in the last 10 s is lost. */
export function openUsage(rows: Pick<KeyRows, 'addUsage'>, log: Log): Usage {
  let counts = new Map<string, { requests: number; refused: number }>()

  const flush = async () => {
    const used = [...counts].map(([key, count]) => ({ key, ...count }))
    counts = new Map()
    try {
      await rows.addUsage(used)
    } catch (thrown) {
      log.warn({ error: (thrown as Error).message }, 'cannot keep how keys were used, the counts of ten seconds are lost')
    }
  }
  const timer = setInterval(() => void flush(), FLUSH_MS).unref()

  return {
    count(key, refused) {
      const count = counts.get(key) ?? { requests: 0, refused: 0 }
      counts.set(key, { requests: count.requests + 1, refused: count.refused + (refused ? 1 : 0) })
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await flush()
    },
  }
}
