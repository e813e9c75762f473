/** What was published once. */
export interface BusEvent {
  /** Counts up by one with each event. */
  seq: number
  topic: string
  /** The module that published it, as the host says; `event-bus` where it did so for another. */
  from: string
  /** Milliseconds since 1970, by this module's clock. */
  at: number
  data: unknown
  /** Whether the data was too large to be remembered. */
  cut: boolean
}

/** What is remembered of all topics: the newest events, and how many there were. */
export interface Book {
  events: BusEvent[]
  counts: Record<string, number>
  total: number
  /** Characters of data that the events hold. */
  size: number
}

export const MAX_TOPICS = 500
export const MAX_DATA = 8 * 1024
/** All data together, so that a reload and an answer can carry it. */
export const MAX_SIZE = 256 * 1024
/** Under this all topics are counted that come when there are too many. */
export const OTHERS = '(others)'

export function openBook(): Book {
  return { events: [], counts: {}, total: 0, size: 0 }
}

/** Remembers one event, and forgets the oldest where there are too many or they are too large. */
export function keep(book: Book, { topic, from, data }: Pick<BusEvent, 'topic' | 'from' | 'data'>, at: number, maxEvents: number): BusEvent {
  const size = sizeOf(data)
  const cut = size > MAX_DATA
  const event: BusEvent = { seq: ++book.total, topic, from, at, data: cut ? null : data, cut }
  const counted = Object.hasOwn(book.counts, topic) || Object.keys(book.counts).length < MAX_TOPICS ? topic : OTHERS
  book.counts[counted] = (book.counts[counted] ?? 0) + 1
  book.events.push(event)
  book.size += cut ? 0 : size
  while (book.events.length > maxEvents || book.size > MAX_SIZE) {
    const oldest = book.events.shift()
    book.size -= oldest && !oldest.cut ? sizeOf(oldest.data) : 0
  }
  return event
}

export interface Query {
  /** A topic, with `*` for a word and a last `**` for all that follow. */
  topic?: string
  from?: string
  /** Only events after the one of this number. */
  after?: number
  /** At most so many, the newest; 100 unless given. */
  limit?: number
}

const LIMIT = { default: 100, most: 2000 }

/** The newest events that match, oldest first. What is no query of ours matches all. */
export function find(book: Book, { topic, from, after, limit }: Query): BusEvent[] {
  const most = typeof limit === 'number' && limit >= 0 ? Math.min(limit, LIMIT.most) : LIMIT.default
  const found: BusEvent[] = []
  for (const event of book.events.toReversed()) {
    if (found.length >= most || (typeof after === 'number' && event.seq <= after)) break
    if (typeof from === 'string' && event.from !== from) continue
    if (typeof topic === 'string' && !topicFits(topic, event.topic)) continue
    found.push(event)
  }
  return found.toReversed()
}

/** How often something was published on each topic that fits. */
export function countsOf(book: Book, pattern: unknown): Record<string, number> {
  const fits = ([topic]: [string, number]) => typeof pattern !== 'string' || topicFits(pattern, topic)
  return Object.fromEntries(Object.entries(book.counts).filter(fits))
}

/** As the host matches subscriptions. */
export function topicFits(pattern: string, topic: string): boolean {
  const words = topic.split('.')
  const wanted = pattern.split('.')
  const open = wanted.at(-1) === '**'
  if (open ? words.length < wanted.length : words.length !== wanted.length) return false
  return wanted.every((word, n) => word === '*' || word === words[n] || (open && n === wanted.length - 1))
}

function sizeOf(data: unknown): number {
  return JSON.stringify(data ?? null).length
}
