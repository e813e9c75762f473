import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { openBatches } from './batches.ts'
import { answered, asked } from './failures.ts'
import type { Page } from './pages.ts'
import type { StoreLog } from './server.ts'
import { selectSorted, type SortedQuery, type Sorts } from './sorted-pages.ts'
import { storableJson, storableText } from './storable.ts'

/** Something that happened on a host, as it is kept. */
export interface Happening {
  /** Grows with time, over all hosts. */
  id: number
  at: Date
  /** The host that tells it. */
  host: string
  type: string
  module: string | null
  data: Record<string, unknown>
}

/** What happenings are sorted by: the first is their primary key, the others are read whole. */
export const HAPPENING_SORTS = ['id', 'type', 'module'] as const

export interface HappeningQuery extends SortedQuery<(typeof HAPPENING_SORTS)[number]> {
  module?: string | undefined
  type?: string | undefined
  since?: Date | undefined
}

export interface Happenings {
  /** Keeps it, a little later. Past a rate for each type and module it is counted only, and the next one says how many. */
  add(type: string, module: string | null, data: object): void
  /** Settles when what was added is kept or given up. */
  flush(): Promise<void>
  /** Those after a number, oldest first. @throws STORE_FAILED */
  after(id: number, query: { module?: string | undefined; type?: string | undefined; limit: number }): Promise<Happening[]>
  /** The number of the last one; 0 where there is none. */
  last(): Promise<number>
  /** @throws as `selectSorted` */
  page(query: HappeningQuery): Promise<Page<Happening>>
  /** @param listener told that there is something new @returns a function that ends it */
  onNew(listener: () => void): () => void
  close(): Promise<void>
}

const LOCK = 0x62756c6b_0007
const LIMITS = { batchRows: 500, batchBytes: 1024 * 1024, queueRows: 5_000, queueBytes: 8 * 1024 * 1024, retryMs: 15_000, flights: 1 }
/** How many of one type and module are kept of one second. */
const PER_SECOND = 20
const KEEP_DAYS = 7
const PRUNE_MS = 60 * 60 * 1000
const COLUMNS = ['once', 'at', 'type', 'module', 'data'] as const

interface Row {
  once: string
  at: string
  type: string
  module: string | null
  data: string
}

/** @example happenings.add('module:ready', 'pii-filter', { version: '1.0.0' }) */
export function openHappenings(sql: Sql, { log }: { log?: StoreLog } = {}): Happenings {
  const host = randomUUID()
  const listeners = new Set<() => void>()
  const counts = new Map<string, { second: number; count: number; omitted: number }>()
  const columns = sql`id::float8 as id, at, host, type, module, data`

  const batches = openBatches<Row>(async (rows) => {
    await answered(sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${LOCK})`
      const of = (name: (typeof COLUMNS)[number]) => rows.map((row) => row[name])
      await tx`
        insert into bulkhead.happenings (once, at, host, type, module, data)
        select once, at, ${host}::uuid, type, module, data::jsonb
        from unnest(${of('once')}::uuid[], ${of('at')}::timestamptz[], ${of('type')}::text[], ${of('module')}::text[], ${of('data')}::text[])
          with ordinality as t (once, at, type, module, data, place)
        order by place on conflict do nothing`
    }))
    for (const listener of listeners) listener()
  }, LIMITS)

  const prune = () =>
    sql`delete from bulkhead.happenings where at < now() - make_interval(days => ${KEEP_DAYS})`.then(() => {}, (thrown: Error) =>
      log?.warn({ error: thrown.message }, 'cannot drop what happened long ago, trying again in an hour'))
  const pruning = setInterval(() => void prune(), PRUNE_MS).unref()

  /** How many were left out since the last one that was kept; undefined where this one is to be left out too. */
  const omittedBefore = (key: string): number | undefined => {
    const second = Math.floor(Date.now() / 1000)
    if (counts.size > 10_000) counts.clear()
    const known = counts.get(key) ?? { second, count: 0, omitted: 0 }
    const { omitted, count } = known.second === second ? known : { ...known, count: 0 }
    const isKept = count < PER_SECOND
    counts.set(key, { second, count: count + 1, omitted: isKept ? 0 : omitted + 1 })
    return isKept ? omitted : undefined
  }

  return {
    add(type, module, data) {
      const omitted = omittedBefore(`${type} ${module}`)
      if (omitted === undefined) return
      try {
        const text = storableJson(JSON.stringify(omitted > 0 ? { ...data, omitted } : data))
        const row: Row = { once: randomUUID(), at: new Date().toISOString(), type, module: module === null ? null : storableText(module), data: text }
        const settle = (error?: Error) => void (error && log?.warn({ error: error.message }, 'cannot keep what happened'))
        batches.offer({ row, bytes: 200 + text.length, settle })
      } catch (thrown) {
        log?.warn({ type, error: (thrown as Error).message }, 'cannot keep what happened')
      }
    },
    flush: () => batches.flush(),
    after: (id, { module, type, limit }) =>
      asked('read what happened', () => sql<Happening[]>`
        select ${columns} from bulkhead.happenings where id > ${id}
          ${module === undefined ? sql`` : sql`and module = ${module}`} ${type === undefined ? sql`` : sql`and type = ${type}`}
        order by id limit ${limit}`),
    async last() {
      const [row] = await asked('read what happened', () => sql<Array<{ last: number }>>`
        select coalesce(max(id), 0)::float8 as last from bulkhead.happenings`)
      return row?.last ?? 0
    },
    page({ module, type, since, ...query }) {
      return selectSorted(sql, query, {
        what: 'read what happened',
        columns: { id: sql`id::float8`, at: 'at', host: 'host', type: 'type', module: 'module', data: 'data' },
        bytes: sql`octet_length(data::text)`,
        from: sql`bulkhead.happenings`,
        where: sql`
          ${module === undefined ? sql`` : sql`and module = ${module}`} ${type === undefined ? sql`` : sql`and type = ${type}`}
          ${since === undefined ? sql`` : sql`and at >= ${since}`}`,
        searched: ['type', 'module', sql`data::text`],
        key: [['id', 'integer']],
        sorts: { id: null, type: ['type', 'text'], module: [sql`coalesce(module, '')`, 'text'] } satisfies Sorts<(typeof HAPPENING_SORTS)[number]>,
        narrowing: 'name a module or a type, give a later "since", or leave the sort out',
      })
    },
    onNew(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      clearInterval(pruning)
      await batches.flush()
    },
  }
}
