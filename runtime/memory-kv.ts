import { BulkheadError } from '../bridge/errors.ts'
import type { KvEntry, KvMutation, KvStore, KvValue } from '../bridge/kv.host.ts'

interface Kept {
  entry: KvEntry
  endsAt: number
}

/** Bytes of keys and values that a script may keep, and how many of them. */
const LIMITS = { keys: 10_000, bytes: 16 * 1024 * 1024 }
const U64_END = 2n ** 64n

/** Keys and values for as long as a script runs, as `Deno.openKv(':memory:')` keeps them. */
export function openMemoryKv(): KvStore {
  const kept = new Map<string, Kept>()
  let version = 0n

  const find = (key: Buffer): KvEntry | undefined => {
    const name = key.toString('latin1')
    const found = kept.get(name)
    if (!found || found.endsAt > Date.now()) return found?.entry
    kept.delete(name)
    return undefined
  }

  const valueAfter = (mutation: Extract<KvMutation, { operand: bigint }>): KvValue => {
    const earlier = find(mutation.key)?.value
    if (earlier && earlier.kind !== 'u') throw new BulkheadError('INVALID', `cannot ${mutation.type}, the value is no counter`)
    const before = earlier && earlier.bytes.readBigUInt64LE()
    const { operand, type } = mutation
    const after = before === undefined ? operand : type === 'sum' ? (before + operand) % U64_END : type === 'min' ? smaller(before, operand) : before + operand - smaller(before, operand)
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(after)
    return { kind: 'u', bytes }
  }

  const apply = (mutation: KvMutation): void => {
    const name = mutation.key.toString('latin1')
    if (mutation.type === 'delete') return void kept.delete(name)
    const value = mutation.type === 'set' ? mutation.value : valueAfter(mutation)
    const expireInMs = mutation.type === 'set' ? mutation.expireInMs : undefined
    kept.set(name, { entry: { key: mutation.key, value, version }, endsAt: expireInMs === undefined ? Infinity : Date.now() + expireInMs })
  }

  return {
    read: async (_module, keys) => keys.map(find),
    async list(_module, { from, to, reverse, limit }) {
      const names = [...kept.values()].map(({ entry }) => entry.key).filter((key) => key.compare(from) >= 0 && key.compare(to) < 0 && find(key))
      names.sort((a, b) => (reverse ? b.compare(a) : a.compare(b)))
      return { entries: names.slice(0, limit).map((key) => find(key) as KvEntry), more: names.length > limit }
    },
    async commit(_module, { checks, mutations }) {
      if (checks.some(({ key, version: wanted }) => find(key)?.version !== wanted)) return undefined
      let bytes = 0
      for (const { entry } of kept.values()) bytes += entry.key.length + entry.value.bytes.length
      for (const mutation of mutations) if (mutation.type === 'set') bytes += mutation.key.length + mutation.value.bytes.length
      if (kept.size + mutations.length > LIMITS.keys || bytes > LIMITS.bytes) {
        throw new BulkheadError('QUOTA', `cannot write, a script may keep ${LIMITS.keys} keys and ${LIMITS.bytes} bytes`)
      }
      version++
      for (const mutation of mutations) apply(mutation)
      return version
    },
  }
}

const smaller = (a: bigint, b: bigint) => (a < b ? a : b)
