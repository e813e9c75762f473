import { describe, expect, it } from 'vitest'
import { type Beat, EVERY_MS, judge, keep, openPulse } from './pulse.ts'

const settings = { maxStoreMs: 100, maxLateMs: 1000, history: 3 }
const well: Beat = { at: 0, healthy: true, lateMs: 0, storeMs: 5 }
const ill: Beat = { ...well, healthy: false, reason: 'cannot write: away' }

describe('judge', () => {
  it.each<[situation: string, at: number, previous: Beat | undefined, written: { ms: number } | { error: unknown }, found: Partial<Beat>]>([
    ['the first beat is in time', 5_000, undefined, { ms: 5 }, { healthy: true, lateMs: 0 }],
    ['one an interval later is in time', EVERY_MS + 5, well, { ms: 5 }, { healthy: true, lateMs: 0 }],
    ['the time of the one before does not count', EVERY_MS + 105, { ...well, storeMs: 100 }, { ms: 5 }, { healthy: true, lateMs: 5 }],
    ['one as late as may be is healthy', EVERY_MS + 1_005, well, { ms: 5 }, { healthy: true, lateMs: 1_000 }],
    ['one later is not', EVERY_MS + 1_006, well, { ms: 5 }, { healthy: false, lateMs: 1_001, reason: 'it came 1001 ms late and may be 1000 ms late' }],
    ['a clock that was put back is not late', 3, well, { ms: 5 }, { healthy: true, lateMs: 0 }],
    ['a write as slow as may be is healthy', 0, undefined, { ms: 100 }, { healthy: true, storeMs: 100 }],
    ['a slower one is not', 0, undefined, { ms: 101 }, { healthy: false, reason: 'a write took 101 ms and may take 100 ms' }],
    ['nor is one that failed', 0, undefined, { error: new Error('away') }, { healthy: false, storeMs: null, reason: 'cannot write: away' }],
    ['nor one that failed with no error', 0, undefined, { error: 'away' }, { healthy: false, reason: 'cannot write: away' }],
  ])('%s', (_situation, at, previous, written, found) => {
    expect(judge(at, previous, written, settings)).toMatchObject(found)
  })
})

describe('keep', () => {
  it.each<[beats: Beat[], changed: boolean[]]>([
    [[well, well], [false, false]],
    [[ill, ill, well, well], [true, false, true, false]],
  ])('tells when health changes: %#', (beats, changed) => {
    const pulse = openPulse(0)
    expect(beats.map((beat) => keep(pulse, beat, 10))).toEqual(changed)
  })

  it('remembers just so many, and counts all', () => {
    const pulse = openPulse(0)
    for (const at of [1, 2, 3, 4]) keep(pulse, { ...ill, at }, 3)
    expect(pulse).toMatchObject({ beats: 4, unhealthy: 4, history: [{ at: 2 }, { at: 3 }, { at: 4 }] })
  })
})
