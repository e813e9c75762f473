import { defineModule, type Powers } from '@bulkhead/sdk'
import { type Book, type BusEvent, countsOf, find, keep, openBook, type Query } from './book.ts'

const PREFIX = 'bus.'

/** What other modules may ask. */
export interface EventBus {
  /** Publishes on `bus.<topic>`. */
  publish(topic: string, data: unknown): Promise<{ seq: number; topic: string; told: number }>
  history(query?: Query): BusEvent[]
  topics(query?: Pick<Query, 'topic'>): Record<string, number>
}

export default defineModule({
  config: { maxEvents: 500 },
  state: new Map<string, Book>(),

  book(): Book {
    const book = this.state.get('book') ?? openBook()
    this.state.set('book', book)
    return book
  },

  topics: {
    'bus.**'({ topic, from, data }): void {
      keep(this.book(), { topic, from, data }, Date.now(), this.config.maxEvents)
    },
  },

  getService(): EventBus {
    return {
      publish: async (...given: unknown[]) => {
        // Behind what the caller gave, which may be less than it should.
        const powers = given.pop() as Pick<Powers, 'publish'>
        const [topic, data = null] = given
        if (typeof topic !== 'string') throw new TypeError('cannot publish, the topic is a name')
        const full = PREFIX + topic
        const told = await powers.publish(full, data)
        const { seq } = keep(this.book(), { topic: full, from: 'event-bus', data }, Date.now(), this.config.maxEvents)
        return { seq, topic: full, told }
      },
      history: (query = {}) => find(this.book(), query),
      topics: (query) => countsOf(this.book(), query?.topic),
    }
  },
})
