import { BulkheadError } from '../../bridge/errors.ts'
import type { Connection } from './connection.ts'
import type { LendLimits } from './limits.ts'

/** A connection of a module for as long as it needs it. */
export interface Lease {
  readonly connection: Connection
  /** Gives it back; one that is lost, or still in a transaction, is closed. */
  give(): void
}

export interface Pool extends AsyncDisposable {
  /**
   * A connection for one statement, or for a transaction. Modules are served in turn.
   *
   * @throws BUSY where none becomes free in time, and what opening throws
   */
  take(module: string, purpose: 'statement' | 'transaction', signal: AbortSignal): Promise<Lease>
  readonly size: number
}

interface Holder {
  readonly module: string
  idle: Array<{ connection: Connection; since: number }>
  /** Open and opening. */
  count: number
  transactions: number
  waiting: Waiter[]
}

interface Waiter {
  purpose: 'statement' | 'transaction'
  resolve(lease: Lease): void
  reject(error: unknown): void
}

type Limits = Pick<LendLimits, 'connections' | 'connectionsPerModule' | 'transactions' | 'waiting' | 'waitMs' | 'idleMs'>

/**
 * Connections for modules: few for each, a number for all, opened when needed and closed when idle. One that is idle
 * makes room for a module that has none.
 *
 * @param open logs in as the module's role; throws BUSY where the server has no connection to spare
 */
export function openPool(open: (module: string) => Promise<Connection>, limits: Limits): Pool {
  const holders = new Map<string, Holder>()
  let total = 0
  let closed = false
  const sweeping = setInterval(() => sweep(performance.now() - limits.idleMs), Math.max(50, limits.idleMs / 4)).unref()

  const holderOf = (module: string): Holder => {
    const known = holders.get(module)
    if (known !== undefined) return known
    const holder: Holder = { module, idle: [], count: 0, transactions: 0, waiting: [] }
    holders.set(module, holder)
    return holder
  }

  const close = (holder: Holder, connection: Connection) => {
    connection.destroy()
    holder.count--
    total--
  }

  const sweep = (before: number) => {
    for (const [module, holder] of holders) {
      for (const { connection } of holder.idle.filter(({ connection, since }) => since < before || connection.lost)) close(holder, connection)
      holder.idle = holder.idle.filter(({ connection }) => !connection.lost)
      if (holder.count === 0 && holder.waiting.length === 0) holders.delete(module)
    }
    serve()
  }

  /** Closes the connection that has been idle for longest. */
  const makeRoom = (): boolean => {
    let oldest: { holder: Holder; since: number } | undefined
    for (const holder of holders.values()) {
      const since = holder.idle[0]?.since
      if (since !== undefined && (oldest === undefined || since < oldest.since)) oldest = { holder, since }
    }
    const idle = oldest?.holder.idle.shift()
    if (oldest === undefined || idle === undefined) return false
    close(oldest.holder, idle.connection)
    return true
  }

  const lend = (holder: Holder, connection: Connection, waiter: Waiter) => {
    let given = false
    waiter.resolve({
      connection,
      give() {
        if (given) return
        given = true
        if (waiter.purpose === 'transaction') holder.transactions--
        if (connection.lost || connection.status !== 'I' || closed) close(holder, connection)
        else holder.idle.push({ connection, since: performance.now() })
        serve()
      },
    })
  }

  /** Serves one that waits, if that can be done now. */
  const serveOne = (holder: Holder): boolean => {
    const at = holder.waiting.findIndex(({ purpose }) => purpose === 'statement' || holder.transactions < limits.transactions)
    const waiter = holder.waiting[at]
    if (waiter === undefined) return false
    let idle = holder.idle.pop()
    while (idle?.connection.lost) {
      close(holder, idle.connection)
      idle = holder.idle.pop()
    }
    if (idle === undefined && holder.count >= limits.connectionsPerModule) return false
    if (idle === undefined && total >= limits.connections && !makeRoom()) return false
    holder.waiting.splice(at, 1)
    if (waiter.purpose === 'transaction') holder.transactions++
    if (idle !== undefined) {
      lend(holder, idle.connection, waiter)
      return true
    }
    holder.count++
    total++
    open(holder.module).then(
      (connection) => lend(holder, connection, waiter),
      (error: unknown) => {
        holder.count--
        total--
        if (waiter.purpose === 'transaction') holder.transactions--
        waiter.reject(error)
        serve()
      },
    )
    return true
  }

  const serve = () => {
    for (let served = true; served; ) {
      served = false
      for (const holder of holders.values()) {
        if (!serveOne(holder)) continue
        served = true
        holders.delete(holder.module)
        holders.set(holder.module, holder) // the others first, the next time
        break
      }
    }
  }

  return {
    get size() {
      return total
    },
    take(module, purpose, signal) {
      if (closed) return Promise.reject(new BulkheadError('UNAVAILABLE', 'cannot run the statement, the host is stopping'))
      const holder = holderOf(module)
      if (holder.waiting.length >= limits.waiting) {
        return Promise.reject(new BulkheadError('BUSY', `cannot run the statement, ${limits.waiting} others of the module wait for a connection`))
      }
      return new Promise((resolve, reject) => {
        let over = false
        const settle = () => {
          over = true
          clearTimeout(timer)
          signal.removeEventListener('abort', leave)
          const at = holder.waiting.indexOf(waiter)
          if (at >= 0) holder.waiting.splice(at, 1)
        }
        const refuse = (error: unknown) => {
          settle()
          reject(error)
        }
        const leave = () => refuse(new BulkheadError('UNAVAILABLE', 'cannot run the statement, the execution has ended'))
        const late = () => refuse(new BulkheadError('BUSY', `cannot run the statement, no connection became free within ${limits.waitMs} ms`))
        const timer = setTimeout(late, limits.waitMs)
        const waiter: Waiter = {
          purpose,
          reject: refuse,
          resolve(lease) {
            if (over) return lease.give() // it waited for too long, and the connection came all the same
            settle()
            resolve(lease)
          },
        }
        if (signal.aborted) return leave()
        signal.addEventListener('abort', leave, { once: true })
        holder.waiting.push(waiter)
        serve()
      })
    },
    async [Symbol.asyncDispose]() {
      closed = true
      clearInterval(sweeping)
      for (const holder of holders.values()) {
        for (const { reject } of holder.waiting.splice(0)) reject(new BulkheadError('UNAVAILABLE', 'cannot run the statement, the host is stopping'))
        for (const { connection } of holder.idle.splice(0)) close(holder, connection)
      }
    },
  }
}
