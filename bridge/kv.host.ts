import { type Capabilities, type Caller, type Capability, readArgs } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { BulkheadError } from './errors.ts'
import { decodeKey, encodeKey } from './kv-key.host.ts'

/** A value as it is kept: text of any value, bytes as they are, or a counter of 64 bits, its least byte first. */
export interface KvValue {
  kind: 'v' | 'b' | 'u'
  bytes: Buffer
}

export interface KvEntry {
  key: Buffer
  value: KvValue
  version: bigint
}

export type KvMutation =
  | { type: 'set'; key: Buffer; value: KvValue; expireInMs: number | undefined }
  | { type: 'delete'; key: Buffer }
  | { type: 'sum' | 'min' | 'max'; key: Buffer; operand: bigint }

/** All of its mutations are made, or, where a check fails, none. */
export interface KvCommit {
  /** Keys with the version they must have; none: they must not be there. */
  checks: Array<{ key: Buffer; version: bigint | undefined }>
  mutations: KvMutation[]
}

/** Keys from `from` up to but not including `to`. */
export interface KvRange {
  from: Buffer
  to: Buffer
  reverse: boolean
  limit: number
}

/** Where keys and values are kept. A module's keys are its own. */
export interface KvStore {
  /** In the order asked; undefined for a key that is not there. */
  read(module: string, keys: Buffer[]): Promise<Array<KvEntry | undefined>>
  /** In the order of keys, or backwards; `more` where some are left out. */
  list(module: string, range: KvRange): Promise<{ entries: KvEntry[]; more: boolean }>
  /** Resolves, once it is durable, with the version of what was written; with none where a check failed. */
  commit(module: string, commit: KvCommit): Promise<bigint | undefined>
}

/** Those of Deno KV, but for a page's. */
export const KV_CAPS = {
  valueBytes: 64 * 1024,
  keysPerRead: 10,
  pageEntries: 500,
  checks: 100,
  mutations: 1_000,
  /** Keys and values of one commit together. */
  commitBytes: 800 * 1024,
} as const

/** As JSON, where bytes are base64 and a character may take six. */
const READ_LENGTH = 192 * 1024
const HUNDRED_YEARS_MS = 100 * 365 * 24 * 3600 * 1000

/** `ctx.kv`: keys and values of the module's own. */
export function kvCapabilities(store: KvStore): Capabilities {
  const capability = (name: string, argsLength: number, run: (module: string, args: Record<string, unknown>) => Promise<unknown>): Capability => ({
    permission: 'kv',
    perExecution: EXECUTION_CAPS.calls,
    argsLength,
    run: async ({ module }: Caller, args) => JSON.stringify(await run(module, readArgs(name, args))),
  })
  return {
    'kv.read': capability('kv.read', READ_LENGTH, async (module, { keys }) => {
      const wanted = listOf('keys', keys, KV_CAPS.keysPerRead).map(encodeRowKey)
      const entries = await store.read(module, wanted)
      return entries.map((entry) => entry && writeEntry(entry))
    }),
    'kv.list': capability('kv.list', READ_LENGTH, async (module, args) => {
      const { entries, more } = await store.list(module, readRange(args))
      return { entries: entries.map((entry) => [decodeKey(entry.key), ...writeEntry(entry), writeCursor(entry.key)]), more }
    }),
    'kv.commit': capability('kv.commit', EXECUTION_CAPS.largeAskBytes, async (module, args) => {
      const version = await store.commit(module, readCommit(args))
      return version === undefined ? null : writeVersion(version)
    }),
  }
}

type WireValue = { v: string } | { b: string } | { u: string }

function writeEntry({ value: { kind, bytes }, version }: KvEntry): [WireValue, string] {
  if (kind === 'u') return [{ u: bytes.readBigUInt64LE().toString() }, writeVersion(version)]
  return [kind === 'b' ? { b: bytes.toString('base64') } : { v: bytes.toString('utf8') }, writeVersion(version)]
}

/** Twenty hexadecimal digits, as Deno's; later ones sort after earlier ones. */
function writeVersion(version: bigint): string {
  return version.toString(16).padStart(20, '0')
}

function readVersion(version: unknown): bigint | undefined {
  if (version === null) return undefined
  if (typeof version !== 'string' || !/^[\da-f]{20}$/.test(version)) throw refusal('a versionstamp is one that an entry came with, or null')
  const value = BigInt(`0x${version}`)
  return value > 2n ** 63n - 1n ? 0n : value // no entry has either
}

function writeCursor(key: Buffer): string {
  return key.toString('base64url')
}

function readRange({ prefix, start, end, cursor, reverse, limit }: Record<string, unknown>): KvRange {
  const within = prefix === undefined ? undefined : encodeKey(prefix)
  if (within === undefined && (start === undefined || end === undefined)) throw refusal('a selector has a prefix, or a start and an end')
  if (within !== undefined && start !== undefined && end !== undefined) throw refusal('a selector with a prefix has a start or an end, not both')
  const bound = (value: unknown, otherwise: number): Buffer => {
    if (value === undefined) return Buffer.concat([within as Buffer, Buffer.of(otherwise)])
    const key = encodeKey(value)
    // After the prefix, 0xff goes on with an escaped zero of its last part.
    const inside = !within || (key.length > within.length && key.subarray(0, within.length).equals(within) && key[within.length] !== 0xff)
    if (!inside) throw refusal('start and end of a selector begin with its prefix, and are longer')
    return key
  }
  const range = { from: bound(start, 0x00), to: bound(end, 0xff), reverse: reverse === true, limit: Number(limit) }
  if (!Number.isInteger(limit) || range.limit < 1 || range.limit > KV_CAPS.pageEntries) throw refusal(`a page has 1 to ${KV_CAPS.pageEntries} entries`)
  if (cursor === undefined) return range
  const at = typeof cursor === 'string' && cursor.length < 4096 ? Buffer.from(cursor, 'base64url') : undefined
  // Outside of the range it would widen it.
  if (!at || at.compare(range.from) < 0 || at.compare(range.to) >= 0) throw refusal('the cursor is not one of this selector')
  return range.reverse ? { ...range, to: at } : { ...range, from: Buffer.concat([at, Buffer.of(0)]) }
}

function readCommit({ checks = [], mutations = [] }: Record<string, unknown>): KvCommit {
  const commit = {
    checks: listOf('checks', checks, KV_CAPS.checks).map((check) => {
      const [key, version] = tuple(check)
      return { key: encodeRowKey(key), version: readVersion(version) }
    }),
    mutations: listOf('mutations', mutations, KV_CAPS.mutations).map(readMutation),
  }
  const bytes = commit.mutations.reduce((sum, mutation) => sum + mutation.key.length + (mutation.type === 'set' ? mutation.value.bytes.length : 8), 0)
  if (bytes <= KV_CAPS.commitBytes) return commit
  throw new BulkheadError('SIZE_LIMIT', `cannot write, keys and values have ${bytes} bytes and ${KV_CAPS.commitBytes} may be written at once`)
}

function readMutation(mutation: unknown): KvMutation {
  const [type, parts, value, expireIn] = tuple(mutation)
  const key = encodeRowKey(parts)
  if (type === 'delete') return { type, key }
  if (type === 'set') return { type, key, value: readValue(value), expireInMs: readExpiry(expireIn) }
  if (type === 'sum' || type === 'min' || type === 'max') return { type, key, operand: readCounter(value) }
  throw refusal('a mutation is one of set, delete, sum, min and max')
}

function readValue(value: unknown): KvValue {
  const { v, b, u } = Object(value) as { v?: unknown; b?: unknown; u?: unknown }
  if (typeof u === 'string') {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(readCounter(u))
    return { kind: 'u', bytes }
  }
  if (typeof v !== 'string' && typeof b !== 'string') throw refusal('a value has one of three kinds')
  const bytes = typeof v === 'string' ? Buffer.from(v, 'utf8') : Buffer.from(b as string, 'base64')
  if (bytes.length <= KV_CAPS.valueBytes) return { kind: typeof v === 'string' ? 'v' : 'b', bytes }
  throw new BulkheadError('SIZE_LIMIT', `cannot write, the value has ${bytes.length} bytes and may have ${KV_CAPS.valueBytes}`)
}

function readCounter(value: unknown): bigint {
  const counter = typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : -1n
  if (counter < 0n || counter >= 2n ** 64n) throw refusal('a counter is from 0 to 18446744073709551615')
  return counter
}

function readExpiry(expireIn: unknown): number | undefined {
  if (expireIn === undefined || expireIn === null) return undefined
  if (typeof expireIn !== 'number' || !(expireIn >= 0)) throw refusal('expireIn is a number of milliseconds, zero or more')
  return Math.min(expireIn, HUNDRED_YEARS_MS)
}

function encodeRowKey(parts: unknown): Buffer {
  const key = encodeKey(parts)
  if (key.length === 0) throw refusal('a key has at least one part')
  return key
}

function listOf(name: string, value: unknown, most: number): unknown[] {
  if (!Array.isArray(value)) throw refusal(`${name} is no list`)
  if (value.length > most) throw new BulkheadError('CALL_LIMIT', `cannot use ctx.kv, there are ${value.length} ${name} and at most ${most} at once`)
  return value
}

function tuple(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function refusal(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot use ctx.kv, ${why}`)
}
