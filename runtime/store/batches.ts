import { setTimeout as delay } from 'node:timers/promises'
import { BulkheadError } from '../../bridge/errors.ts'
import { kindOf, storeFailed } from './failures.ts'

export interface BatchLimits {
  /** Of one statement. */
  batchRows: number
  batchBytes: number
  /** Of what waits; beyond it those who add wait. */
  queueRows: number
  queueBytes: number
  /** How long a row is tried to be stored before it is given up, in milliseconds. */
  retryMs: number
  /** Statements on their way at one time, two unless given; with one, rows are written in their order. */
  flights?: number
}

export interface Entry<Row> {
  row: Row
  bytes: number
  /** Called once: stored, or why not. */
  settle(error?: BulkheadError): void
}

export interface Batches<Row> {
  /** Has the entries stored; in the order of calls they wait for room. There is always room for a first one. */
  add(entries: Entry<Row>[]): void
  /** Has the entry stored only if there is room now. */
  offer(entry: Entry<Row>): boolean
  /** Settles when all that was added before is settled. */
  flush(): Promise<void>
  /** How many rows wait. */
  depth(): number
}

/** Two statements on their way keep the server busy while the host writes the next; more only make smaller batches. */
const FLIGHTS = 2

interface Taken<Row> {
  entry: Entry<Row>
  since: number
  turn: number
}

/** Added with one call, and let in together. */
interface Group<Row> {
  taken: Taken<Row>[]
  size: number
  since: number
}

/**
 * Gathers rows while earlier ones are on their way, and writes what has gathered with one statement.
 *
 * `write` must be safe to repeat. A row that PostgreSQL refuses is found by halving and refused alone; a lost
 * connection is retried until a row is `retryMs` old.
 */
export function openBatches<Row>(write: (rows: Row[]) => Promise<void>, limits: BatchLimits): Batches<Row> {
  const queue: Taken<Row>[] = []
  const waiting: Group<Row>[] = []
  let bytes = 0
  let flying = 0
  /** How many entries of each turn are not settled; a flush ends a turn and waits for it and those before. */
  const unsettled = new Map<number, number>()
  const flushing = new Set<{ turn: number; done(): void }>()
  let turn = 0

  const group = (entries: Entry<Row>[]): Group<Row> => {
    const since = Date.now()
    unsettled.set(turn, (unsettled.get(turn) ?? 0) + entries.length)
    return { taken: entries.map((entry) => ({ entry, since, turn })), size: sizeOf(entries), since }
  }

  const hasRoom = (rows: number, size: number) =>
    queue.length === 0 || (queue.length + rows <= limits.queueRows && bytes + size <= limits.queueBytes)

  const letIn = ({ taken, size }: Group<Row>) => {
    for (const each of taken) queue.push(each)
    bytes += size
  }

  const settle = ({ entry, turn: of }: Taken<Row>, error?: BulkheadError) => {
    entry.settle(error)
    const left = (unsettled.get(of) ?? 0) - 1
    if (left > 0) return unsettled.set(of, left)
    unsettled.delete(of)
    const oldest = Math.min(...unsettled.keys())
    for (const flush of flushing) if (flush.turn < oldest) flush.done()
    return undefined
  }

  const depart = () => {
    for (;;) {
      while (waiting[0] !== undefined && hasRoom(waiting[0].taken.length, waiting[0].size)) letIn(waiting.shift() as Group<Row>)
      if (flying === (limits.flights ?? FLIGHTS) || queue.length === 0) return
      const batch = nextBatch()
      flying++
      void store(batch).finally(() => {
        flying--
        depart()
      })
    }
  }

  const nextBatch = () => {
    let count = 0
    let size = 0
    for (const { entry } of queue) {
      if (count === limits.batchRows || (count > 0 && size + entry.bytes > limits.batchBytes)) break
      count++
      size += entry.bytes
    }
    bytes -= size
    return queue.splice(0, count)
  }

  const store = async (batch: Taken<Row>[]): Promise<void> => {
    let left = batch
    for (let wait = 20; left.length > 0; wait = Math.min(wait * 2, 1_000)) {
      try {
        await write(left.map(({ entry }) => entry.row))
        for (const taken of left) settle(taken)
        return
      } catch (error) {
        const kind = kindOf(error)
        if (kind === 'row' && left.length > 1) {
          const half = left.length >> 1
          await store(left.slice(0, half))
          return store(left.slice(half))
        }
        if (kind === 'row') return left.forEach((taken) => settle(taken, refusal(error)))
        left = giveUp(left, kind === 'never' ? Number.POSITIVE_INFINITY : Date.now() + wait - limits.retryMs, error)
        if (left.length > 0) await delay(wait)
      }
    }
  }

  /** Settles with the error what is older than a moment; those who wait for room are no better off. */
  const giveUp = (batch: Taken<Row>[], before: number, error: unknown) => {
    const failure = storeFailed('store the records', error)
    while (waiting[0] !== undefined && waiting[0].since < before) {
      for (const taken of waiting.shift()?.taken ?? []) settle(taken, failure)
    }
    for (const taken of batch) if (taken.since < before) settle(taken, failure)
    return batch.filter(({ since }) => since >= before)
  }

  return {
    add(entries) {
      if (entries.length === 0) return
      waiting.push(group(entries))
      depart()
    },
    depth: () => queue.length + waiting.reduce((sum, { taken }) => sum + taken.length, 0),
    offer(entry) {
      if (waiting.length > 0 || !hasRoom(1, entry.bytes)) return false
      letIn(group([entry]))
      depart()
      return true
    },
    async flush() {
      const flush = { turn: turn++, done: () => {} }
      if (![...unsettled.keys()].some((open) => open <= flush.turn)) return
      await new Promise<void>((resolve) => flushing.add(Object.assign(flush, { done: resolve })))
      flushing.delete(flush)
    },
  }
}

function sizeOf(entries: Entry<unknown>[]): number {
  return entries.reduce((sum, entry) => sum + entry.bytes, 0)
}

function refusal(error: unknown): BulkheadError {
  return new BulkheadError('INVALID', `cannot store the record: ${(error as Error).message}`, undefined, error)
}
