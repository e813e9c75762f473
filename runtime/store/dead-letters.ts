import type { Sql } from 'postgres'
import { asked } from './failures.ts'
import type { Page } from './pages.ts'
import { selectSorted, type SortedQuery, type Sorts } from './sorted-pages.ts'
import { storableText } from './storable.ts'

/** An event that a module could not be told of. */
export interface DeadLetter {
  event: string
  module: string
  hook: string
  attempts: number
  /** Why the last attempt failed. */
  code: string
  message: string
  createdAt: Date
  deadAt: Date
}

/** What dead letters are sorted by: the first has an index, the others are read whole. */
export const DEAD_SORTS = ['deadAt', 'module', 'hook', 'attempts', 'code'] as const

export interface DeadLetterQuery extends SortedQuery<(typeof DEAD_SORTS)[number]> {
  module?: string | undefined
  hook?: string | undefined
  /** Dead since then. */
  since?: Date | undefined
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The dead letters, those that died last first. @throws as `selectSorted` */
export function selectDead(sql: Sql, query: DeadLetterQuery): Promise<Page<DeadLetter>> {
  const { module, hook, since } = query
  const [code, message] = [sql`coalesce(d.code, '')`, sql`coalesce(d.message, '')`]
  return selectSorted(sql, query, {
    what: 'list the dead letters',
    columns: {
      event: 'd.event',
      module: 'd.module',
      hook: 'd.hook',
      attempts: 'd.attempt',
      code,
      message,
      createdAt: sql`coalesce(e.created_at, d.dead_at)`,
      deadAt: 'd.dead_at',
    },
    from: sql`bulkhead.deliveries d left join bulkhead.events e on e.id = d.event`,
    where: sql`and d.dead_at is not null
      ${module === undefined ? sql`` : sql`and d.module = ${storableText(module)}`}
      ${hook === undefined ? sql`` : sql`and d.hook = ${storableText(hook)}`}
      ${since === undefined ? sql`` : sql`and d.dead_at >= ${since}`}`,
    searched: ['d.module', 'd.hook', code, message],
    key: [['d.dead_at', 'time'], ['d.event', 'uuid'], ['d.module', 'text']],
    sorts: {
      deadAt: null,
      module: ['d.module', 'text'],
      hook: ['d.hook', 'text'],
      attempts: ['d.attempt', 'integer'],
      code: [code, 'text'],
    } satisfies Sorts<(typeof DEAD_SORTS)[number]>,
    narrowing: 'name a module or a hook, give a later "since", or leave the sort out',
  })
}

/**
 * Has dead letters delivered again, from the first attempt: those of one event, one module or one hook, or all.
 *
 * @returns how many
 */
export async function retryDead(sql: Sql, { event, module, hook }: Pick<DeadLetterQuery, 'module' | 'hook'> & { event?: string | undefined }): Promise<number> {
  if (event !== undefined && !UUID.test(event)) return 0
  const rows = await asked('retry the events', () => sql`
    update bulkhead.deliveries set dead_at = null, attempt = 0, due_at = now(), code = null, message = null
    where dead_at is not null
      ${event === undefined ? sql`` : sql`and event = ${event}`}
      ${module === undefined ? sql`` : sql`and module = ${storableText(module)}`}
      ${hook === undefined ? sql`` : sql`and hook = ${storableText(hook)}`}
    returning true`)
  return rows.length
}
