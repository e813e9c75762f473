import { describe, expect, it } from 'vitest'
import { countsOf, find, keep, MAX_DATA, MAX_SIZE, MAX_TOPICS, openBook, OTHERS, topicFits } from './book.ts'

const publish = (book = openBook(), topics = ['bus.a'], data: unknown = 1, maxEvents = 500) => {
  for (const topic of topics) keep(book, { topic, from: 'writer', data }, 1_000, maxEvents)
  return book
}

describe('topicFits', () => {
  it.each<[pattern: string, topic: string, fits: boolean]>([
    ['bus.a', 'bus.a', true],
    ['bus.a', 'bus.b', false],
    ['bus.*', 'bus.a', true],
    ['bus.*', 'bus.a.b', false],
    ['bus.*', 'bus', false],
    ['*.a', 'bus.a', true],
    ['bus.**', 'bus.a', true],
    ['bus.**', 'bus.a.b.c', true],
    ['bus.**', 'bus', false],
    ['**', 'bus.a', true],
    ['bus.*.c', 'bus.b.c', true],
    ['bus.**.c', 'bus.b.c', false],
    ['', 'bus', false],
  ])('%s and %s: %s', (pattern, topic, fits) => {
    expect(topicFits(pattern, topic)).toBe(fits)
  })
})

describe('keep', () => {
  it('numbers events and tells who published what and when', () => {
    expect(publish(openBook(), ['bus.a', 'bus.b']).events).toEqual([
      { seq: 1, topic: 'bus.a', from: 'writer', at: 1_000, data: 1, cut: false },
      { seq: 2, topic: 'bus.b', from: 'writer', at: 1_000, data: 1, cut: false },
    ])
  })

  it('remembers just so many', () => {
    const book = publish(openBook(), Array(4).fill('bus.a'), 1, 3)
    expect(book.events.map(({ seq }) => seq)).toEqual([2, 3, 4])
    expect([book.total, book.counts]).toEqual([4, { 'bus.a': 4 }])
  })

  it('remembers data that just fits, and of larger data only that it was there', () => {
    const fitting = 'x'.repeat(MAX_DATA - 2)
    const { events } = publish(publish(openBook(), ['bus.a'], fitting), ['bus.a'], fitting + 'x')
    expect(events).toMatchObject([{ data: fitting, cut: false }, { data: null, cut: true }])
  })

  it('forgets the oldest where all data together is too large, and knows what is left', () => {
    const data = 'x'.repeat(MAX_DATA - 2)
    const fitting = MAX_SIZE / MAX_DATA
    const book = publish(openBook(), Array(fitting).fill('bus.a'), data)
    expect([book.events.length, book.size]).toEqual([fitting, MAX_SIZE])
    publish(book, ['bus.a'])
    expect([book.events.length, book.size]).toEqual([fitting, MAX_SIZE - MAX_DATA + 1])
  })

  it('counts the topics past so many together', () => {
    const book = publish(openBook(), Array.from({ length: MAX_TOPICS + 2 }, (_, n) => `bus.t${n}`))
    expect([Object.keys(book.counts).length, book.counts[OTHERS]]).toEqual([MAX_TOPICS + 1, 2])
  })
})

describe('find', () => {
  const book = publish(openBook(), ['bus.a', 'bus.b', 'bus.a.c', 'bus.a'])

  it.each<[what: string, query: object, seqs: number[]]>([
    ['all', {}, [1, 2, 3, 4]],
    ['those of a topic', { topic: 'bus.a' }, [1, 4]],
    ['those of a pattern', { topic: 'bus.a.**' }, [3]],
    ['those after one', { after: 2 }, [3, 4]],
    ['the newest', { limit: 2 }, [3, 4]],
    ['the newest of a topic', { topic: 'bus.a', limit: 1 }, [4]],
    ['none', { limit: 0 }, []],
    ['those of a module', { from: 'writer' }, [1, 2, 3, 4]],
    ['none of another', { from: 'reader' }, []],
    ['all for what is no query', { topic: 7, after: 'x', limit: 'y' }, [1, 2, 3, 4]],
  ])('finds %s', (_what, query, seqs) => {
    expect(find(book, query).map(({ seq }) => seq)).toEqual(seqs)
  })

  it('counts what fits', () => {
    expect([countsOf(book, 'bus.*'), countsOf(book, undefined)]).toEqual([{ 'bus.a': 2, 'bus.b': 1 }, { 'bus.a': 2, 'bus.b': 1, 'bus.a.c': 1 }])
  })
})
