import type { Options, Sql } from 'postgres'
import { readArrayTypes, teachArrays } from './array-types.ts'

/** What the driver calls a query, as far as a pool needs it: when awaited, it gives itself to its handler. */
export type Query = Promise<unknown> & {
  handler(query: Query): void
  canceller(query: Query): Promise<void>
  reject(error: Error): void
  cancelled: unknown
}

/** One connection for its whole life: when it is lost, so is this. */
export interface Member {
  sql: Sql
  /** Settles with the query, whatever becomes of it. */
  run(query: Query): Promise<void>
  /** Settles when the connection is lost or given up. */
  lost: Promise<void>
  isLost(): boolean
  since: number
  giveUp(): void
}

/** A connection each for those who ask, `size` at the most; who comes when all are lent waits for the next. */
export interface Members {
  acquire(): Promise<Member>
  release(member: Member): void
  retire(member: Member): void
  /** Refuses what waits, and lets what runs go on for `timeout` seconds. */
  end(timeout: number): Promise<void>
}

export const CONNECT_SECONDS = 5
/** Connections are renewed, so that a name which leads to another server is noticed, and the server's memory freed. */
const LIFE_MS = 30 * 60 * 1000

/** @throws what connecting throws */
export async function openMembers(size: number, connect: (more: Options<{}>) => Sql): Promise<Members & { template: Sql }> {
  const learned = await learnTypes(connect)
  const members = new Set<Member>()
  const idle: Member[] = []
  const waiting: Array<PromiseWithResolvers<Member>> = []
  let ended: Promise<void> | undefined

  const open = (): Member => {
    const lost = Promise.withResolvers<void>()
    let isLost = false
    const sql = connect({ fetch_types: false, onclose: () => retire(member), ...inTime(() => retire(member)) })
    learned(sql)
    const run = (sql`` as unknown as Query).handler
    const member: Member = {
      sql,
      since: Date.now(),
      lost: lost.promise,
      isLost: () => isLost,
      giveUp() {
        isLost = true
        lost.resolve()
      },
      async run(query) {
        if (isLost) return query.reject(lostError())
        run(query)
        await query.catch(() => {})
      },
    }
    members.add(member)
    return member
  }

  const retire = (member: Member) => {
    if (!members.delete(member)) return
    member.giveUp()
    if (idle.includes(member)) idle.splice(idle.indexOf(member), 1)
    void member.sql.end({ timeout: 0 }) // it would connect again for whatever is in it
    if (ended === undefined && waiting.length > 0) waiting.shift()?.resolve(open())
  }

  return {
    template: template(connect, learned),
    retire,
    async acquire() {
      if (ended !== undefined) throw endedError()
      const free = idle.pop() ?? (members.size < size ? open() : undefined)
      if (free !== undefined) return free
      const wait = Promise.withResolvers<Member>()
      waiting.push(wait)
      return wait.promise
    },
    release(member) {
      if (Date.now() - member.since > LIFE_MS) retire(member)
      if (member.isLost()) return
      const next = waiting.shift()
      if (next === undefined) idle.push(member)
      else next.resolve(member)
    },
    end(timeout) {
      ended ??= Promise.all([...members].map(({ sql }) => sql.end({ timeout }))).then(() => {})
      for (const wait of waiting.splice(0)) wait.reject(endedError())
      return ended
    },
  }
}

/** Makes queries, and never connects. */
function template(connect: (more: Options<{}>) => Sql, learned: (sql: Sql) => void): Sql {
  const sql = connect({ fetch_types: false })
  learned(sql)
  return sql
}

/** Looks up, once, which types are arrays of which, and answers with how to tell an instance of the driver. */
async function learnTypes(connect: (more: Options<{}>) => Sql): Promise<(sql: Sql) => void> {
  const first = connect({ fetch_types: false, ...inTime(() => void first.end({ timeout: 0 })) })
  try {
    const types = await readArrayTypes(first)
    return (sql) => teachArrays(sql, types)
  } finally {
    await first.end({ timeout: 1 })
  }
}

/** The driver tries for ever where a server accepts and hangs up before it has said anything. */
function inTime(giveUp: () => void): Options<{}> {
  const late = setTimeout(giveUp, CONNECT_SECONDS * 1000 + 500).unref()
  return { onparameter: () => clearTimeout(late) }
}

export function lostError(): Error {
  return Object.assign(new Error('the connection was lost'), { code: 'CONNECTION_CLOSED' })
}

function endedError(): Error {
  return Object.assign(new Error('the connections are closed'), { code: 'CONNECTION_ENDED' })
}
