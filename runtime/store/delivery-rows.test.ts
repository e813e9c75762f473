import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type DeliveryRows, type NewEvent, openDeliveryRows } from './delivery-rows.ts'
import { openTemporary, type TemporaryDatabase } from './store.setup.ts'

let temporary: TemporaryDatabase
let one: DeliveryRows
let other: DeliveryRows

beforeAll(async () => {
  temporary = await openTemporary()
})
afterAll(() => temporary?.[Symbol.asyncDispose]())

beforeEach(async () => {
  await temporary.database.sql`truncate bulkhead.events, bulkhead.deliveries, bulkhead.hosts`
  one = openDeliveryRows(temporary.database.sql, { alone: false })
  other = openDeliveryRows(temporary.database.sql, { alone: false })
  await one.beat()
  await other.beat()
})

const CONTEXT = String.raw`{"text":"\u0000 \ud800 ü"}`

function event(modules: string[], ours: string[] = []): NewEvent {
  return { id: randomUUID(), hook: 'agent:heartbeat', context: CONTEXT, modules, ours: new Set(ours) }
}
const rows = async () => temporary.database.sql`select module, attempt, host is not null as taken, dead_at is not null as dead, code from bulkhead.deliveries order by module`
const eventsLeft = async () => (await temporary.database.sql`select from bulkhead.events`).length
const again = { afterMs: 0, unseen: false, dead: false, code: 'MODULE_FAILED', message: 'why' }

test('an event is claimed with its context to the letter, once, by one of two hosts', async () => {
  const events = Array.from({ length: 20 }, () => event(['a', 'b']))
  await one.insert(events)
  const wanted = new Map([['a', 100], ['b', 100], ['c', 100]])
  const claimed = (await Promise.all([one.claim(wanted), other.claim(wanted), one.claim(wanted)])).flat()
  expect(claimed).toHaveLength(40)
  expect(new Set(claimed.map(({ event, module }) => `${event} ${module}`)).size).toBe(40)
  expect(claimed[0]).toEqual({ event: expect.any(String), module: expect.any(String), attempt: 1, context: CONTEXT })
})

test('no more is claimed of a module than is wanted, the oldest first, and nothing of others', async () => {
  const events = Array.from({ length: 4 }, () => event(['a', 'b']))
  for (const each of events) await one.insert([each])
  const claimed = await one.claim(new Map([['a', 3]]))
  expect(claimed.map(({ event, module }) => [event, module]).toSorted()).toEqual(events.slice(0, 3).map(({ id }) => [id, 'a']).toSorted())
})

test('what a host begins with at once is nobody else’s, and stored twice it is there once', async () => {
  const each = event(['a', 'b'], ['a'])
  await one.insert([each])
  await one.insert([each])
  expect(await rows()).toMatchObject([{ module: 'a', attempt: 1, taken: true }, { module: 'b', attempt: 0, taken: false }])
  expect((await other.claim(new Map([['a', 9], ['b', 9]]))).map(({ module }) => module)).toEqual(['b'])
})

test('the last delivery that is done takes the event with it, also where both are done at the same time', async () => {
  const events = Array.from({ length: 10 }, () => event(['a', 'b'], ['a', 'b']))
  await one.insert(events)
  await one.settle(events.slice(0, 5).map(({ id }) => ({ event: id, module: 'a' })))
  expect(await eventsLeft()).toBe(10)
  await Promise.all([
    one.settle(events.map(({ id }) => ({ event: id, module: 'a' }))),
    other.settle(events.map(({ id }) => ({ event: id, module: 'b' }))),
  ])
  expect([await eventsLeft(), await rows()]).toEqual([0, []])
})

test('what failed comes back when it is due, with the next attempt; what was not seen, with the same', async () => {
  const [failed, unseen, later] = [event(['failed'], ['failed']), event(['unseen'], ['unseen']), event(['later'], ['later'])]
  await one.insert([failed, unseen, later])
  await one.settle([
    { event: failed.id, module: 'failed', again },
    { event: unseen.id, module: 'unseen', again: { ...again, unseen: true } },
    { event: later.id, module: 'later', again: { ...again, afterMs: 60_000 } },
  ])
  const claimed = await other.claim(new Map([['failed', 9], ['unseen', 9], ['later', 9]]))
  expect(claimed.map(({ module, attempt }) => [module, attempt]).toSorted()).toEqual([['failed', 2], ['unseen', 1]])
})

test('a host that puts back what another has taken over changes nothing', async () => {
  const each = event(['a'], ['a'])
  await one.insert([each])
  await one.leave()
  await other.claim(new Map([['a', 1]]))
  await one.settle([{ event: each.id, module: 'a', again: { ...again, dead: true } }])
  expect(await rows()).toMatchObject([{ attempt: 1, taken: true, dead: false }])
})

test('what is dead is not claimed, and forgotten after 30 days with its event', async () => {
  const [fresh, old] = [event(['fresh'], ['fresh']), event(['old'], ['old'])]
  await one.insert([fresh, old])
  await one.settle([fresh, old].map(({ id, modules }) => ({ event: id, module: modules[0] as string, again: { ...again, dead: true } })))
  expect(await one.claim(new Map([['fresh', 9], ['old', 9]]))).toEqual([])
  const { sql } = temporary.database
  await sql`update bulkhead.deliveries set dead_at = now() - interval '30 days 1 minute' where module = 'old'`
  await sql`update bulkhead.deliveries set dead_at = now() - interval '29 days 23 hours' where module = 'fresh'`
  await sql`update bulkhead.events set created_at = now() - interval '31 days'`
  await one.sweep()
  expect(await rows()).toMatchObject([{ module: 'fresh', dead: true }])
  expect(await eventsLeft()).toBe(1)
})

test('what could not be delivered for 14 days is dead', async () => {
  await one.insert([event(['long']), event(['short'])])
  const { sql } = temporary.database
  await sql`update bulkhead.deliveries set due_at = now() - interval '14 days 1 minute' where module = 'long'`
  await sql`update bulkhead.deliveries set due_at = now() - interval '13 days 23 hours' where module = 'short'`
  await one.sweep()
  expect(await rows()).toMatchObject([{ module: 'long', dead: true, code: 'TIMEOUT' }, { module: 'short', dead: false }])
})

test('what belongs to a host that is gone is free again, and not before it is held to be gone', async () => {
  await one.insert([event(['a'], ['a'])])
  const { sql } = temporary.database
  await sql`update bulkhead.hosts set seen_at = now() - interval '14 seconds'`
  await other.beat()
  expect(await other.claim(new Map([['a', 1]]))).toEqual([])
  await sql`update bulkhead.hosts set seen_at = now() - interval '16 seconds'`
  await other.beat()
  expect(await other.claim(new Map([['a', 1]]))).toMatchObject([{ module: 'a', attempt: 2 }])
})

test('a host that is alone takes over at once what was another’s', async () => {
  await one.insert([event(['a'], ['a'])])
  const alone = openDeliveryRows(temporary.database.sql, { alone: true })
  await alone.beat()
  expect(await alone.claim(new Map([['a', 1]]))).toMatchObject([{ module: 'a', attempt: 2 }])
  await alone.beat()
  expect(await rows()).toMatchObject([{ taken: true }])
})

test('what is a host’s and not in its hands is free again', async () => {
  const [held, lost] = [event(['held'], ['held']), event(['lost'], ['lost'])]
  await one.insert([held, lost])
  await one.recover([{ event: held.id, module: 'held' }])
  expect(await rows()).toMatchObject([{ module: 'held', attempt: 1, taken: true }, { module: 'lost', attempt: 0, taken: false }])
  await one.recover([])
  expect(await rows()).toMatchObject([{ taken: false }, { taken: false }])
})
