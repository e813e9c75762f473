import { setImmediate as turn } from 'node:timers/promises'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import type { BulkheadError } from '../../bridge/errors.ts'
import { type BatchLimits, type Entry, openBatches } from './batches.ts'

const LIMITS: BatchLimits = { batchRows: 10, batchBytes: 1000, queueRows: 20, queueBytes: 2000, retryMs: 200 }

/** A write that records its batches and settles when told to. */
function held() {
  const batches: number[][] = []
  const open: Array<PromiseWithResolvers<void>> = []
  const write = (rows: number[]) => {
    batches.push(rows)
    const gate = Promise.withResolvers<void>()
    open.push(gate)
    return gate.promise
  }
  return { batches, write, land: () => open.shift()?.resolve() }
}

function entries(rows: number[], settled: Array<number | BulkheadError> = [], bytes = 1): Entry<number>[] {
  return rows.map((row) => ({ row, bytes, settle: (error) => void settled.push(error ?? row) }))
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

test('what gathers while two writes are on their way goes together', async () => {
  const { batches, write, land } = held()
  const queue = openBatches(write, LIMITS)
  for (const row of range(0, 9)) queue.add(entries([row]))
  expect(batches).toEqual([[0], [1]])
  land()
  await turn()
  expect(batches).toEqual([[0], [1], range(2, 9)])
})

test('a batch holds as many rows and bytes as it may, and no more', async () => {
  const { batches, write } = held()
  const queue = openBatches(write, LIMITS)
  queue.add([...entries(range(0, 11)), ...entries([11, 12], [], 999), ...entries([13], [], 5000)])
  expect(batches).toEqual([range(0, 10), [10, 11]])
})

test('rows that exactly fill the queue are taken, those past it wait and are refused when only offered', async () => {
  const { batches, write, land } = held()
  const queue = openBatches(write, LIMITS)
  queue.add(entries([0]))
  queue.add(entries([1]))
  queue.add(entries(range(2, 21)))
  const [last, over] = entries([21, 22])
  expect(queue.offer(last as Entry<number>)).toBe(true)
  expect(queue.offer(over as Entry<number>)).toBe(false)
  const settled: Array<number | BulkheadError> = []
  queue.add(entries([23], settled))
  while (settled.length === 0) {
    land()
    await turn()
  }
  expect(settled).toEqual([23])
  expect(batches.flat()).toEqual([...range(0, 22), 23])
})

test('bytes that exactly fill the queue are taken, one more is refused', () => {
  const queue = openBatches(held().write, LIMITS)
  queue.add(entries([0, 1]))
  queue.add(entries([2]))
  const offered = [999, 1000, 1, 1].map((bytes, row) => queue.offer(entries([row], [], bytes)[0] as Entry<number>))
  expect(offered).toEqual([true, true, true, false])
})

test('one entry larger than the whole queue is stored all the same', async () => {
  const queue = openBatches(async () => {}, LIMITS)
  const settled: Array<number | BulkheadError> = []
  queue.add(entries([7], settled, 1_000_000))
  await queue.flush()
  expect(settled).toEqual([7])
})

test('a row that the server refuses is found, and its neighbours are stored', async () => {
  const stored: number[] = []
  const queue = openBatches<number>(async (rows) => {
    if (rows.some((row) => row % 7 === 3)) throw serverError('22P02', 'invalid input syntax')
    stored.push(...rows)
  }, LIMITS)
  const settled: Array<number | BulkheadError> = []
  queue.add(entries(range(0, 20), settled))
  await queue.flush()
  expect(stored.toSorted((a, b) => a - b)).toEqual(range(0, 20).filter((row) => row % 7 !== 3))
  expect(settled.filter((each) => typeof each !== 'number').map(({ code }) => code)).toEqual(['INVALID', 'INVALID', 'INVALID'])
})

test('a lost connection is tried again until it is back', async () => {
  let tries = 0
  const queue = openBatches<number>(async () => {
    if (++tries < 4) throw Object.assign(new Error('gone'), { code: 'CONNECTION_CLOSED' })
  }, LIMITS)
  const settled: Array<number | BulkheadError> = []
  queue.add(entries([1], settled))
  await queue.flush()
  expect([tries, settled]).toEqual([4, [1]])
})

test('rows are given up once they are too old, those that wait for room with them', async () => {
  const queue = openBatches<number>(async () => {
    throw Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED' })
  }, LIMITS)
  const settled: Array<number | BulkheadError> = []
  for (const from of [0, 20, 40, 60]) queue.add(entries(range(from, from + 20), settled))
  await queue.flush()
  expect(settled).toHaveLength(80)
  expect(settled.every((each) => typeof each !== 'number' && each.code === 'STORE_FAILED')).toBe(true)
})

test('a failure that will not pass is not repeated', async () => {
  let tries = 0
  const queue = openBatches<number>(async () => {
    tries++
    throw serverError('42P01', 'relation does not exist')
  }, LIMITS)
  const settled: Array<number | BulkheadError> = []
  queue.add(entries([1, 2], settled))
  await queue.flush()
  expect(tries).toBe(1)
  expect(settled).toEqual([expect.objectContaining({ code: 'STORE_FAILED' }), expect.objectContaining({ code: 'STORE_FAILED' })])
})

test('a flush waits for what was added before it and for nothing later', async () => {
  const { write, land } = held()
  const queue = openBatches(write, LIMITS)
  queue.add(entries([0]))
  let flushed = false
  const flush = queue.flush().then(() => { flushed = true })
  queue.add(entries([1]))
  await turn()
  expect(flushed).toBe(false)
  land()
  await flush
  expect(flushed).toBe(true)
})

test('ten thousand calls that wait for room are let in without exhausting the stack', async () => {
  const queue = openBatches<number>(async () => {}, { ...LIMITS, batchRows: 100, queueRows: 5000, queueBytes: 1e9 })
  const settled: Array<number | BulkheadError> = []
  for (const row of range(0, 20_000)) queue.add(entries([row], settled))
  await queue.flush()
  expect(settled).toHaveLength(20_000)
})

function serverError(code: string, message: string): Error {
  const error = new postgres.PostgresError(message as never)
  return Object.assign(error, { code, message })
}
