import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ANSWER_LIMITS, type AnswerLimits } from './kept-answers.ts'
import { openRequestRows, type RequestRows } from './request-rows.ts'
import { openTemporary, type TemporaryDatabase } from './store.setup.ts'

/** Without slack, so that what is tested holds after each answer. */
const LIMITS: AnswerLimits = { bytes: 100, perCaller: { answers: 3, bytes: 1000 }, inAll: { answers: 5, bytes: 1000 }, slack: { answers: 0, bytes: 0 } }

let temporary: TemporaryDatabase
beforeAll(async () => {
  temporary = await openTemporary()
})
afterAll(() => temporary?.[Symbol.asyncDispose]())
beforeEach(() => temporary.database.sql`delete from bulkhead.requests`)

const open = (over: Partial<AnswerLimits> = {}) => openRequestRows(temporary.database.sql, { alone: true, limits: { ...LIMITS, ...over } })
const hash = Buffer.alloc(32)

/** Sends the same request under a key, which is answered with this text where it is done. */
async function send(rows: RequestRows, caller: string, key: string, body = 'done'): Promise<unknown> {
  const answer = { status: 201, headers: {}, body }
  const answered = await rows.once({ caller, key, hash }, async () => answer, () => true)
  return answered === answer ? 'done now' : answered
}

test('an answer is kept up to the limit in bytes; of a larger one the key still guards', async () => {
  const rows = open()
  const caller = randomUUID()
  const [fits, large, bytes] = ['x'.repeat(100), 'x'.repeat(101), 'ä'.repeat(51)]
  for (const [key, body] of [['fits', fits], ['large', large], ['bytes', bytes]] as const) expect(await send(rows, caller, key, body)).toBe('done now')
  expect(await send(rows, caller, 'fits', fits)).toEqual({ again: { status: 201, headers: {}, body: fits } })
  expect(await send(rows, caller, 'large', large)).toEqual({ lost: { status: 201, bytes: 101 } })
  expect(await send(rows, caller, 'bytes', bytes)).toEqual({ lost: { status: 201, bytes: 102 } })
})

test('of each caller the latest keys are kept, and the oldest is free again', async () => {
  const rows = open()
  const [one, other] = [randomUUID(), randomUUID()]
  await send(rows, other, 'a')
  for (const key of ['a', 'b', 'c']) await send(rows, one, key)
  expect(await send(rows, one, 'a')).toHaveProperty('again')
  expect(await send(rows, one, 'd')).toBe('done now')
  expect(await send(rows, one, 'b')).toHaveProperty('again')
  expect(await send(rows, other, 'a')).toHaveProperty('again')
  expect(await send(rows, one, 'a')).toBe('done now')
})

test('there is room for so many of all callers', async () => {
  const rows = open()
  for (let caller = 0; caller < 8; caller++) await send(rows, randomUUID(), 'a')
  const [row] = await temporary.database.sql`select count(*)::int as count from bulkhead.requests`
  expect(row?.['count']).toBe(5)
})

test('past so many bytes the oldest answers are emptied, and their keys guard on', async () => {
  const limits = { perCaller: { answers: 100, bytes: 250 }, inAll: { answers: 100, bytes: 350 } }
  const rows = open(limits)
  const [one, other] = [randomUUID(), randomUUID()]
  const body = 'x'.repeat(100)
  for (const key of ['a', 'b', 'c']) await send(rows, one, key, body)
  expect(await send(rows, one, 'a', body)).toEqual({ lost: { status: 201, bytes: 100 } })
  expect(await send(rows, one, 'b', body)).toHaveProperty('again')
  for (const key of ['a', 'b']) await send(rows, other, key, body)
  expect(await send(rows, one, 'b', body)).toHaveProperty('lost')
  expect(await send(rows, one, 'c', body)).toHaveProperty('again')
  expect(await send(rows, other, 'a', body)).toHaveProperty('again')
})

test('what is under way does not count, and is not taken away', async () => {
  const rows = open()
  const caller = randomUUID()
  const gate = Promise.withResolvers<void>()
  const under = rows.once({ caller, key: 'slow', hash }, async () => (await gate.promise, { status: 200, headers: {}, body: 'slow' }), () => true)
  for (let key = 0; key < 10; key++) await send(rows, caller, String(key))
  expect(await send(rows, caller, 'slow')).toBe('busy')
  gate.resolve()
  await under
})

test('the limits hold within their slack however many answers come at once', async () => {
  const limits = { perCaller: { answers: 20, bytes: 1e6 }, inAll: { answers: 40, bytes: 1e6 }, slack: { answers: 10, bytes: 1e6 } }
  const rows = open(limits)
  const caller = randomUUID()
  await Promise.all(Array.from({ length: 200 }, (_, key) => send(rows, caller, String(key))))
  const [row] = await temporary.database.sql`select count(*)::int as count from bulkhead.requests`
  expect(row?.['count']).toBeLessThanOrEqual(20 + 10)
})

test('the limits of a server stand in an order in which each has a meaning', () => {
  const { bytes, perCaller, inAll, slack } = ANSWER_LIMITS
  expect(bytes).toBeLessThan(slack.bytes)
  for (const measure of ['answers', 'bytes'] as const) {
    expect(slack[measure]).toBeLessThan(perCaller[measure])
    expect(perCaller[measure]).toBeLessThan(inAll[measure])
  }
})
