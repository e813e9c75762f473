import { type Capabilities, type Caller, readArgs } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { BulkheadError } from './errors.ts'

/** Which records: all that is named has to match. */
export interface ReadQuery {
  /** Whose records are seen whatever they are about. */
  module: string
  /** Those of other modules are seen where they are about one of these. */
  others: { session: string | undefined; user: string | undefined } | undefined
  type: string | undefined
  session: string | undefined
  user: string | undefined
  class: string | undefined
  since: Date | undefined
}

export interface ReadRecord {
  id: string
  module: string
  type: string
  data: unknown
  sessionId: string | null
  userId: string | null
  runId: string | null
  createdAt: Date
}

export interface ReadRecords {
  /** The newest `limit`, oldest first. */
  list(query: ReadQuery, limit: number): Promise<ReadRecord[]>
  /** Counts no further than `most`. */
  count(query: ReadQuery, most: number): Promise<number>
}

const LIMIT = { default: 100, most: 1_000 }
const MOST_COUNTED = 100_000
/** The user of calls that name none: nobody's records are those of all of them. */
const NOBODY = 'anonymous'
const FILTERS = ['type', 'sessionId', 'userId'] as const

/**
 * What `ctx.db` tells of records. Reading one's own needs no more than what it takes to have some (`emit`), or a
 * database (`db`); `extractions:read` adds those of others, as far as they are about the execution's session or user.
 */
export function extractionCapabilities(records: ReadRecords): Capabilities {
  const shared = {
    permission: ['emit', 'db', 'extractions:read'],
    perExecution: EXECUTION_CAPS.calls,
    argsLength: 4 * 1024,
  }
  return {
    'extractions.list': {
      ...shared,
      async run(caller, args) {
        const { classId, limit = LIMIT.default, ...filters } = readArgs('extractions.list', args)
        const inLimits = Number.isInteger(limit) && (limit as number) >= 1 && (limit as number) <= LIMIT.most
        if (!inLimits) throw refusal(`the limit is a whole number from 1 to ${LIMIT.most}`)
        const query = { ...readQuery(caller, filters, FILTERS), class: readText('classId', classId) }
        return JSON.stringify((await records.list(query, limit as number)).map(withoutNulls))
      },
    },
    'extractions.count': {
      ...shared,
      async run(caller, args) {
        const { since, ...filters } = readArgs('extractions.count', args)
        const query = { ...readQuery(caller, filters, FILTERS), since: readMoment(since) }
        return String(await records.count(query, MOST_COUNTED))
      },
    },
  }
}

function readQuery(caller: Caller, filters: Record<string, unknown>, known: readonly string[]): ReadQuery {
  const unknown = Object.keys(filters).find((name) => !known.includes(name))
  if (unknown !== undefined) throw refusal(`there is no option ${JSON.stringify(unknown.slice(0, 64))}; there are ${known.join(', ')}`)
  const { type, sessionId, userId } = filters
  const user = readText('userId', userId)
  if (user !== undefined && user !== caller.user) {
    throw new BulkheadError('CAPABILITY_DENIED', 'cannot read extractions of another user than the one that the execution is about')
  }
  const others = caller.permissions.has('extractions:read')
    ? { session: caller.session, user: caller.user === NOBODY ? undefined : caller.user }
    : undefined
  return {
    module: caller.module,
    others,
    type: readText('type', type),
    session: readText('sessionId', sessionId),
    user,
    class: undefined,
    since: undefined,
  }
}

function readText(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && value.length <= 512) return value
  throw refusal(`${name} is a string of at most 512 characters`)
}

function readMoment(since: unknown): Date | undefined {
  if (since === undefined || since === null) return undefined
  const moment = typeof since === 'string' ? new Date(since) : undefined
  const year = moment?.getUTCFullYear() ?? NaN
  if (moment && year >= 1 && year <= 9999) return moment
  throw refusal('since is a Date of the years 1 to 9999')
}

function withoutNulls(record: ReadRecord): object {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null))
}

function refusal(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot read extractions, ${why}`)
}
