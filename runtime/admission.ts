import { BulkheadError } from '../bridge/errors.ts'

/** Calls of one module that may wait for their turn; one more is refused at once. */
const MAX_WAITING = 10_000

/** Lets a module's calls in, as many at one time as it may run; the others wait in order. */
export interface Admission {
  /** Runs `work` when its turn comes. @throws BUSY at once where too many wait, TIMEOUT where its turn did not come in time */
  run<Result>(work: () => Promise<Result>, waitMs: number): Promise<Result>
  readonly waiting: number
}

interface Ticket {
  start(): void
  expire(error: BulkheadError): void
  deadline: number
}

export function openAdmission(module: string, maxConcurrency: number): Admission {
  // A Set keeps the order of arrival and forgets a ticket in constant time.
  const queue = new Set<Ticket>()
  let running = 0
  let sweep: NodeJS.Timeout | undefined

  const leave = () => {
    const [next] = queue
    if (!next) return void running--
    queue.delete(next) // the place is handed on, so that nobody slips in between
    if (queue.size === 0) stopSweep()
    next.start()
  }
  const stopSweep = () => {
    clearInterval(sweep)
    sweep = undefined
  }
  // One timer for all who wait: a timer for each of ten thousand would cost more than the calls.
  const expireLate = () => {
    const now = performance.now()
    for (const ticket of queue) {
      if (ticket.deadline > now) continue
      queue.delete(ticket)
      ticket.expire(new BulkheadError('TIMEOUT', `cannot call ${module}, no turn came while ${queue.size} calls waited`))
    }
    if (queue.size === 0) stopSweep()
  }

  return {
    async run(work, waitMs) {
      if (running < maxConcurrency) running++
      else {
        if (queue.size >= MAX_WAITING) {
          throw new BulkheadError('BUSY', `cannot call ${module}, ${MAX_WAITING} calls wait for it`, {
            limit: 'waiting',
            value: MAX_WAITING,
            used: queue.size,
          })
        }
        await new Promise<void>((start, expire) => {
          queue.add({ start, expire, deadline: performance.now() + waitMs })
          sweep ??= setInterval(expireLate, 20)
        })
      }
      try {
        return await work()
      } finally {
        leave()
      }
    },
    get waiting() {
      return queue.size
    },
  }
}
