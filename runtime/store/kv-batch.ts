import { BulkheadError } from '../../bridge/errors.ts'
import type { KvCommit, KvMutation, KvValue } from '../../bridge/kv.host.ts'
import type { Outcome } from './flights.ts'

/** What is known of a key when a batch begins: of values, the counters' alone. */
export interface Kept {
  bytes: number
  version: bigint
  /** Out of sight, though it still takes its place. */
  expired: boolean
  counter: bigint | undefined
}

/** What is to be written of a key; `value` undefined removes it. */
export interface Change {
  key: Buffer
  value: KvValue | undefined
  version: bigint
  expireInMs: number | undefined
}

export interface KvUsage {
  keys: number
  /** Of keys and values. */
  bytes: number
}

interface Draft {
  change: Change | undefined
  kept: Kept | undefined
}

export interface Decided {
  outcomes: Outcome<bigint | undefined>[]
  changes: Change[]
  usage: KvUsage
}

/**
 * Decides commits one after the other, each upon what those before it leave: which are made, refused or fail their
 * checks, and what is to be written in the end.
 *
 * @param kept by key, in latin1
 * @param versions one for each commit, rising
 */
export function decideCommits(
  commits: readonly KvCommit[],
  { kept, usage, limits, versions }: { kept: ReadonlyMap<string, Kept>; usage: KvUsage; limits: KvUsage; versions: readonly bigint[] },
): Decided {
  const drafts = new Map<string, Draft>()
  let used = usage
  const outcomes = commits.map(({ checks, mutations }, index): Outcome<bigint | undefined> => {
    const version = versions[index] as bigint
    const mine = new Map<string, Draft>()
    const find = (key: Buffer): Draft => {
      const name = key.toString('latin1')
      return mine.get(name) ?? drafts.get(name) ?? { change: undefined, kept: kept.get(name) }
    }
    if (!checks.every((check) => versionOf(find(check.key)) === check.version)) return { result: undefined }
    let after = used
    try {
      for (const mutation of mutations) {
        const before = find(mutation.key)
        const draft = { change: changeOf(mutation, before, version), kept: before.kept }
        after = { keys: after.keys + countOf(draft) - countOf(before), bytes: after.bytes + bytesOf(draft) - bytesOf(before) }
        mine.set(mutation.key.toString('latin1'), draft)
      }
      refuseGrowth(used, after, limits)
    } catch (thrown) {
      return { error: thrown as BulkheadError }
    }
    used = after
    for (const [name, draft] of mine) drafts.set(name, draft)
    return { result: version }
  })
  return { outcomes, changes: [...drafts.values()].flatMap(({ change }) => change ?? []), usage: used }
}

/** What is over the limit may still shrink. */
function refuseGrowth(before: KvUsage, after: KvUsage, limits: KvUsage): void {
  for (const measure of ['keys', 'bytes'] as const) {
    if (after[measure] <= limits[measure] || after[measure] <= before[measure]) continue
    const details = { limit: `kv.${measure}`, value: limits[measure], used: before[measure] }
    throw new BulkheadError('QUOTA', `cannot write, the module's keys would take ${after[measure]} ${measure} and may take ${limits[measure]}`, details)
  }
}

function changeOf(mutation: KvMutation, before: Draft, version: bigint): Change {
  const { type, key } = mutation
  if (type === 'delete') return { key, value: undefined, version, expireInMs: undefined }
  if (type === 'set') return { key, value: mutation.value, version, expireInMs: mutation.expireInMs }
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(combine(type, counterOf(type, before), mutation.operand))
  return { key, value: { kind: 'u', bytes }, version, expireInMs: undefined }
}

function combine(type: 'sum' | 'min' | 'max', before: bigint | undefined, operand: bigint): bigint {
  if (before === undefined) return operand
  if (type === 'sum') return BigInt.asUintN(64, before + operand)
  return (type === 'min') === before < operand ? before : operand
}

function counterOf(type: string, { change, kept }: Draft): bigint | undefined {
  if (change ? !change.value : !kept || kept.expired) return undefined
  const counter = change?.value ? (change.value.kind === 'u' ? change.value.bytes.readBigUInt64LE() : undefined) : kept?.counter
  if (counter === undefined) throw new BulkheadError('INVALID', `cannot apply ${type}, the value under the key is no KvU64`)
  return counter
}

function versionOf({ change, kept }: Draft): bigint | undefined {
  if (change) return change.value ? change.version : undefined
  return kept && !kept.expired ? kept.version : undefined
}

function countOf({ change, kept }: Draft): number {
  return (change ? change.value : kept) ? 1 : 0
}

function bytesOf({ change, kept }: Draft): number {
  if (!change) return kept?.bytes ?? 0
  return change.value ? change.key.length + change.value.bytes.length : 0
}
