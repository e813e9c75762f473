import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readFixtures } from '../runtime/trials/fixtures.ts'
import { openStage, type Stage } from '../runtime/trials/stage.ts'
import { type Trial, tryFixture } from '../runtime/trials/trial.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const fixtures = await readFixtures('fixtures')
const trials: Trial[] = []
let stage: Stage
let resourcesBefore: Map<string, number>
let residentBefore: number

beforeAll(async () => {
  resourcesBefore = resources()
  stage = await openStage(fixtures, 'fixtures/neighbour', silent)
  await stage.pulse.answers(20, 10_000)
  residentBefore = process.memoryUsage.rss()
})

afterAll(() => stage?.[Symbol.asyncDispose]())

describe('a module that misbehaves harms neither host nor neighbour:', () => {
  for (const fixture of fixtures) {
    const { name, manifest, expectation } = fixture
    test(`${name} ${manifest.description.toLowerCase()}: ${expectation.ends.join(' or ')}`, { timeout: 60_000 }, async () => {
      const trial = await tryFixture(stage, fixture)
      trials.push(trial)
      expect(trial.faults).toEqual([])
    })
  }
})

describe('when all of them have misbehaved', () => {
  test('no call of the neighbour had a wrong answer or failed but for the loss of its cell', () => {
    const { WRONG: wrong = 0, THROWN: thrown = 0, ...lost } = Object.fromEntries(stage.pulse.failed)
    expect({ wrong, thrown }).toEqual({ wrong: 0, thrown: 0 })
    expect(Object.keys(lost).filter((code) => !['CELL_LOST', 'MEMORY_LIMIT', 'UNAVAILABLE'].includes(code))).toEqual([])
  })

  test('every record of the neighbour that was acknowledged is in the database', async () => {
    const acknowledged = [...stage.pulse.acknowledged]
    const kept = new Set<unknown>()
    for (let cursor: string | undefined; ; ) {
      const page = await stage.runtime.records.listExtractions({ type: 'answered', limit: 200, ...(cursor === undefined ? {} : { cursor }) })
      for (const { data } of page.items) kept.add((data as { to: unknown }).to)
      if (page.nextCursor === null) break
      cursor = page.nextCursor
    }
    expect(acknowledged.filter((text) => !kept.has(text))).toEqual([])
  })

  test('the host has not grown by more than what its records and its garbage take', () => {
    expect((process.memoryUsage.rss() - residentBefore) / 2 ** 20).toBeLessThan(400)
  })

  test('no cell, timer or connection is left', async () => {
    const { cells } = stage
    await stage[Symbol.asyncDispose]()
    expect([...cells].filter(isAlive)).toEqual([])
    await expect.poll(() => [...resources()].filter(([kind, count]) => count > (resourcesBefore.get(kind) ?? 0))).toEqual([])
  })
})

function resources(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  // Those of the test runner itself come and go.
  for (const kind of ['Timeout', 'Immediate', 'TickObject', 'CloseReq', 'FSReqPromise']) counts.delete(kind)
  return counts
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
