import { expect, test } from 'vitest'
import { openAdmission } from './admission.ts'

test('as many calls run at one time as may, the others wait their turn in order', async () => {
  const admission = openAdmission('m', 2)
  const started: number[] = []
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
  const calls = gates.map((gate, index) =>
    admission.run(async () => {
      started.push(index)
      await gate.promise
    }, 1_000),
  )
  await Promise.resolve()
  expect([started, admission.waiting]).toEqual([[0, 1], 2])
  gates[1]?.resolve()
  await calls[1]
  await Promise.resolve()
  expect(started).toEqual([0, 1, 2])
  for (const gate of gates) gate.resolve()
  await Promise.all(calls)
  expect([started, admission.waiting]).toEqual([[0, 1, 2, 3], 0])
})

test('a place is handed on, so that a newcomer does not pass those who wait', async () => {
  const admission = openAdmission('m', 1)
  let running = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++running)
    await Promise.resolve()
    running--
  }
  await Promise.all(Array.from({ length: 50 }, async () => {
    await admission.run(work, 1_000)
    await admission.run(work, 1_000)
  }))
  expect(most).toBe(1)
})

test('a failure gives its place on', async () => {
  const admission = openAdmission('m', 1)
  await expect(admission.run(() => Promise.reject(new Error('x')), 1_000)).rejects.toThrow('x')
  expect(await admission.run(async () => 'next', 1_000)).toBe('next')
})

test('ten thousand may wait; one more is refused at once, with the limit named', async () => {
  const admission = openAdmission('m', 1)
  const gate = Promise.withResolvers<void>()
  const calls = Array.from({ length: 10_001 }, () => admission.run(() => gate.promise, 60_000))
  await expect(admission.run(async () => {}, 60_000)).rejects.toMatchObject({
    code: 'BUSY', details: { limit: 'waiting', value: 10_000, used: 10_000 },
  })
  gate.resolve()
  await Promise.all(calls)
})

test('whoever waits past its time is told so and never runs', async () => {
  const admission = openAdmission('m', 1)
  const gate = Promise.withResolvers<void>()
  const first = admission.run(() => gate.promise, 1_000)
  let ran = false
  await expect(admission.run(async () => void (ran = true), 10)).rejects.toMatchObject({ code: 'TIMEOUT' })
  gate.resolve()
  await first
  expect([ran, admission.waiting]).toEqual([false, 0])
})
