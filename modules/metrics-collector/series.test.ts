import { describe, expect, it } from 'vitest'
import { add, MAX_SERIES, report, type Sample, type Series, touch } from './series.ts'

function series(...samples: Array<Omit<Sample, 'at'> & { at?: number }>): Series {
  const one = touch(new Map(), 'agent a')
  for (const sample of samples) add(one, { at: 1_000, ...sample })
  return one
}

describe('add', () => {
  it.each<[what: string, samples: Array<Omit<Sample, 'at'>>, sums: Partial<Series>]>([
    ['counts', [{}, {}], { count: 2 }],
    ['counts what says how much it stands for', [{ count: 5 }, {}], { count: 6 }],
    ['counts errors', [{ error: true }, { error: false }], { count: 2, errors: 1 }],
    ['adds tokens and cost', [{ tokens: 10, costCents: 0.5 }, { tokens: 5, costCents: 0.25 }], { tokens: 15, costCents: 0.75 }],
    ['adds what was spent', [{ spent: 2 }, { spent: 3 }], { spent: 5 }],
    ['counts thresholds', [{ threshold: true }], { thresholds: 1 }],
    ['takes no negative amount', [{ tokens: -5, costCents: -1, count: -3 }], { tokens: 0, costCents: 0, count: 0 }],
    ['takes no amount that is none', [{ tokens: NaN, spent: Infinity, costCents: 1e300 }], { tokens: 0, spent: 0, costCents: 0 }],
  ])('%s', (_what, samples, sums) => {
    expect(series(...samples)).toMatchObject(sums)
  })

  it('keeps the last time even where an older event comes later', () => {
    expect(series({ at: 2_000 }, { at: 1_000 }).lastAt).toBe(2_000)
  })
})

describe('report', () => {
  it.each<[durations: number[], reported: unknown]>([
    [[], null],
    [[0], { count: 1, min: 0, max: 0, mean: 0, p50: 0, p95: 0 }],
    [[7], { count: 1, min: 7, max: 7, mean: 7, p50: 7, p95: 7 }],
    [[1, 2, 3, 100], { count: 4, min: 1, max: 100, mean: 26.5, p50: 2, p95: 100 }],
    [[...Array(19).fill(4), 90_000], { count: 20, min: 4, max: 90_000, mean: 4503.8, p50: 5, p95: 5 }],
    [[-1, NaN], null],
  ])('tells the durations %j', (durations, reported) => {
    expect(report(series(...durations.map((durationMs) => ({ durationMs }))), 0).durationMs).toEqual(reported)
  })

  it('tells how long a status has been on, until now', () => {
    const one = series({ at: 1_000, status: 'idle' }, { at: 4_000, status: 'active' }, { at: 5_000, status: 'idle' })
    expect(report(one, 5_500)).toMatchObject({ status: 'idle', statusMs: { idle: 3_500, active: 1_000 } })
  })

  it('bounds the statuses', () => {
    const one = series(...Array.from({ length: 50 }, (_, n) => ({ at: n, status: `s${n}` })))
    expect(Object.keys(report(one, 60).statusMs ?? {})).toHaveLength(21)
  })
})

describe('touch', () => {
  it('forgets the series not heard of for longest, each kind by itself', () => {
    const all = new Map<string, Series>()
    touch(all, 'module m')
    for (let n = 0; n < MAX_SERIES; n++) touch(all, `agent ${n}`)
    touch(all, 'agent 0')
    expect([all.size, all.has('agent 1')]).toEqual([MAX_SERIES + 1, true])
    touch(all, 'agent one more')
    expect([all.size, all.has('agent 0'), all.has('agent 1'), all.has('module m')]).toEqual([MAX_SERIES + 1, true, false, true])
  })
})
