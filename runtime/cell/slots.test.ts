import { expect, test } from 'vitest'
import { createSlots } from './slots.ts'

function enter(slots: ReturnType<typeof createSlots>, module: string) {
  const entry = { module, inside: false, leave: () => {} }
  slots.acquire(module, (release) => {
    entry.inside = true
    entry.leave = release
  })
  return entry
}

test('as many are inside as there are slots; the others follow in order', () => {
  const slots = createSlots(2)
  const entries = ['a', 'b', 'c', 'd'].map((name) => enter(slots, name))
  expect(entries.map(({ inside }) => inside)).toEqual([true, true, false, false])
  entries[1]?.leave()
  expect(entries.map(({ inside }) => inside)).toEqual([true, true, true, false])
})

test('a slot given back twice is given back once', () => {
  const slots = createSlots(1)
  const [a, , c] = ['a', 'b', 'c'].map((name) => enter(slots, name))
  a?.leave()
  a?.leave()
  expect(c?.inside).toBe(false)
})

test('who stays long makes way, comes back by the slow lane only, and waits there for others like it', () => {
  const slots = createSlots(1)
  const looper = enter(slots, 'looper')
  const neighbour = enter(slots, 'neighbour')
  expect(neighbour.inside).toBe(false)
  slots.demote(performance.now() + 21)
  expect(neighbour.inside).toBe(true)
  const again = enter(slots, 'looper')
  neighbour.leave()
  expect(again.inside).toBe(false)
  const other = enter(slots, 'other')
  expect(other.inside).toBe(true)
  looper.leave()
  expect(again.inside).toBe(true)
})

test('who was merely held up does not wait for a looper until it ends', () => {
  const slots = createSlots(1)
  const now = performance.now()
  const heldUp = enter(slots, 'neighbour')
  slots.demote(now + 30)
  heldUp.leave()
  const looper = enter(slots, 'looper')
  slots.demote(now + 200)
  const again = enter(slots, 'neighbour')
  const looperToo = enter(slots, 'looper')
  expect([looper.inside, again.inside, looperToo.inside]).toEqual([true, false, false])
  slots.demote(now + 1_000)
  expect([again.inside, looperToo.inside]).toEqual([true, false])
})

test('who leaves before 20 ms have passed is not slow', () => {
  const slots = createSlots(1)
  const quick = enter(slots, 'quick')
  slots.demote(performance.now() + 15)
  expect(enter(slots, 'next').inside).toBe(false)
  quick.leave()
})

test('who has stayed long in sum leaves the last fast slot to others', async () => {
  const slots = createSlots(2)
  const hog = enter(slots, 'hog')
  await new Promise((done) => setTimeout(done, 120))
  hog.leave()
  const first = enter(slots, 'hog')
  const second = enter(slots, 'hog')
  const third = enter(slots, 'hog')
  expect([first, second, third].map(({ inside }) => inside)).toEqual([true, true, false])
  expect(enter(slots, 'neighbour').inside).toBe(true)
})
