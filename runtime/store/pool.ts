import postgres, { type Options, type Sql, type TransactionSql } from 'postgres'
import { CONNECT_SECONDS, lostError, type Member, openMembers, type Query } from './members.ts'

/** How long a cancelled query may go on before its connection is given up. */
const CANCEL_MS = 1_000
/** What the driver would do on connections of its own. */
const WITHHELD = new Set(['reserve', 'listen', 'subscribe', 'notify', 'file', 'close', 'largeObject'])

/**
 * The driver with a pool of our own: `sql` as ever, but each query and each transaction has a connection to itself.
 *
 * The driver's own pool (3.4.9) does not outlive lost connections: one that closes while a write is buffered never
 * writes again, and every query on it ends in CONNECT_TIMEOUT; a transaction goes on outside of itself after the
 * automatic reconnect; writing to a closed one, or losing one while it learns the types of arrays, throws where nobody
 * can catch it. Here a connection that was lost is never used again, types are read by a query of our own, a connection has
 * one query at a time, and transactions are made here.
 *
 * Withheld are cursors and streams, which never tell that they have ended, `prepare`, and what `WITHHELD` names.
 *
 * @throws what connecting throws
 * @example const sql = await openPool(8, 'postgres://localhost/test')
 */
export async function openPool(size: number, url: string | undefined, options: Options<{}> = {}): Promise<Sql> {
  const settings = { ...options, max: 1, idle_timeout: 0, max_lifetime: null, connect_timeout: CONNECT_SECONDS }
  const members = await openMembers(size, (more) =>
    url === undefined ? postgres({ ...settings, ...more }) : postgres(url, { ...settings, ...more }))
  const running = new Map<Query, Member>()
  const cancelled = new WeakSet<Query>()

  const run = async (member: Member, query: Query) => {
    if (query.cancelled !== null) return
    running.set(query, member)
    await member.run(query)
    running.delete(query)
    // the server signals a cancelled query twice, and the second signal may meet whatever comes next
    if (query.cancelled !== null || cancelled.has(query)) members.retire(member)
  }

  /** Asks the server to stop, on a connection of its own; where that does not help, ours is given up. */
  const cancel = async (query: Query, ask: Query['canceller']) => {
    cancelled.add(query)
    const late = setTimeout(() => {
      const member = running.get(query)
      if (member !== undefined) members.retire(member)
    }, CANCEL_MS)
    await ask(query).catch(() => {})
    await query.catch(() => {})
    clearTimeout(late)
  }

  /** The driver's `sql`, whose queries go to `handler`. */
  const withHandler = (handler: Query['handler'], own: object): Sql => {
    const adopt = <T>(made: T): T => {
      if (!(made instanceof Promise)) return made
      const ask = (made as unknown as Query).canceller
      return Object.assign(made, { handler, canceller: (query: Query) => cancel(query, ask) })
    }
    const { template } = members
    const ours = { ...own, unsafe: (...args: [string]) => adopt(template.unsafe(...args)) }
    return new Proxy(template, {
      apply: (_target, self, args) => adopt(Reflect.apply(template, self, args)),
      get(_target, name) {
        if (WITHHELD.has(String(name))) throw new Error(`the pool has no sql.${String(name)}`)
        return Reflect.get(Object.hasOwn(ours, name) ? ours : template, name)
      },
    })
  }

  const alone = async (query: Query) => {
    try {
      const member = await members.acquire()
      await run(member, query)
      members.release(member)
    } catch (error) {
      query.reject(error as Error)
    }
  }

  const begin = async (...args: [Work] | [string, Work]) => {
    const work = args.at(-1) as Work
    const mode = args.length === 2 ? args[0].replace(/[^a-z ]/gi, '') : ''
    const member = await members.acquire()
    let last = Promise.resolve()
    let ended = false
    let savepoints = 0
    const inTurn = (query: Query) => {
      last = last.then(() => (ended ? query.reject(new Error('the transaction has ended')) : run(member, query)))
    }
    const savepoint = async (...given: [Work] | [string, Work]) => {
      const name = tx(`s${savepoints++}`)
      await tx`savepoint ${name}`
      try {
        return await all((given.at(-1) as Work)(tx))
      } catch (error) {
        await tx`rollback to ${name}`
        throw error
      }
    }
    const tx = withHandler(inTurn, { savepoint }) as unknown as TransactionSql

    try {
      await tx.unsafe(`begin ${mode}`)
      const result = await Promise.race([all(work(tx)), member.lost.then(() => { throw lostError() })])
      const { command } = await tx`commit`
      if (command !== 'COMMIT') throw new Error('the transaction was rolled back: one of its statements failed')
      return result
    } catch (error) {
      await tx`rollback`.catch(() => members.retire(member)) // and the server rolls back what it hears no more of
      throw error
    } finally {
      ended = true
      members.release(member)
    }
  }

  return withHandler(alone, { begin, end: ({ timeout = 5 }: { timeout?: number } = {}) => members.end(timeout) })
}

type Work = (tx: TransactionSql) => unknown

function all(made: unknown): unknown {
  return Array.isArray(made) ? Promise.all(made) : made
}
