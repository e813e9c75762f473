import { sha256 } from './sha256.ts'

/** One event, and by its hash everything before it. */
export interface Entry {
  /** From 1, without gaps. */
  seq: number
  /** When the event was, ISO 8601. */
  at: string
  hook: string
  /** Id of the event. */
  event: string
  user: string
  /** The event's own ids, words and numbers. */
  about: Record<string, string | number | boolean>
  /** SHA-256 of all that the event said. */
  digest: string
  /** Hash of the entry before it; 64 zeros for the first. */
  previous: string
  /** SHA-256 of all the above. */
  hash: string
}

export interface Fault {
  seq: number
  fault: string
}

export const BEGINNING = '0'.repeat(64)
const MAX_ABOUT = 20
const MAX_TEXT = 200
const MAX_FAULTS = 20

/** What every context has, and what is no data. */
const COMMON = new Set([
  'requestId', 'hook', 'timestamp', 'user', 'tool', 'group', 'class', 'assignment', 'session', 'event', 'config', 'env',
  'emit', 'log', 'kv', 'db', 'call', 'getService', 'publish',
])

/** Puts an event at the end of a chain. */
export function seal(before: Entry | undefined, event: Pick<Entry, 'at' | 'hook' | 'event' | 'user'>, context: object): Entry {
  const own = Object.fromEntries(Object.entries(context).filter(([name, value]) => !COMMON.has(name) && typeof value !== 'function'))
  const entry = { seq: (before?.seq ?? 0) + 1, ...event, about: summary(own), digest: sha256(canonical(own)), previous: before?.hash ?? BEGINNING }
  return { ...entry, hash: sha256(canonical(entry)) }
}

/**
 * Looks for what is wrong with entries that are next to each other: one that was changed, one that is missing.
 *
 * @param head the entry that is the last one, as remembered elsewhere
 */
export function verify(entries: readonly Entry[], head: Pick<Entry, 'seq' | 'hash'> | undefined): Fault[] {
  const faults: Fault[] = []
  let before: Entry | undefined
  for (const entry of entries) {
    const { hash, ...rest } = entry
    if (hash !== sha256(canonical(rest))) faults.push({ seq: entry.seq, fault: 'it was changed' })
    if (!before && entry.seq === 1 && entry.previous !== BEGINNING) faults.push({ seq: 1, fault: 'it is not the beginning' })
    if (before && entry.seq !== before.seq + 1) faults.push({ seq: before.seq + 1, fault: gap(before.seq + 1, entry.seq - 1) })
    else if (before && entry.previous !== before.hash) faults.push({ seq: entry.seq, fault: 'it does not follow the one before it' })
    before = entry
  }
  if (head && before?.hash !== head.hash) faults.push({ seq: head.seq, fault: 'the last entry is not the one that was written last' })
  return faults.slice(0, MAX_FAULTS)
}

/** In the order of the chain; what was written twice, once. */
export function inOrder(entries: readonly Entry[]): Entry[] {
  const known = new Set<string>()
  const once = entries.filter(({ seq, hash }) => !known.has(`${seq} ${hash}`) && known.add(`${seq} ${hash}`))
  return once.toSorted((a, b) => a.seq - b.seq)
}

/** JSON with the keys of every object in order, so that the same data is the same text wherever it was kept. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, child: unknown) => {
    if (typeof child !== 'object' || child === null || Array.isArray(child)) return child
    const names = Object.keys(child).toSorted((a, b) => (a < b ? -1 : 1))
    return Object.fromEntries(names.map((name) => [name, (child as Record<string, unknown>)[name]]))
  })
}

function gap(from: number, to: number): string {
  if (to < from) return 'another has its number'
  return from === to ? 'it is missing' : `it and those up to ${to} are missing`
}

/** `{ agent: { id: 'a1' }, to: 'idle' }` as `{ 'agent.id': 'a1', to: 'idle' }`: what can be searched for, not everything. */
function summary(own: Record<string, unknown>): Entry['about'] {
  const about: Entry['about'] = {}
  for (const [name, value] of Object.entries(own)) {
    const id = typeof value === 'object' && value !== null ? (value as { id?: unknown }).id : undefined
    const [key, said] = id === undefined ? [name, value] : [`${name}.id`, id]
    if (Object.keys(about).length >= MAX_ABOUT) break
    if (typeof said === 'string') about[key] = said.slice(0, MAX_TEXT)
    else if (typeof said === 'number' || typeof said === 'boolean') about[key] = said
  }
  return about
}
