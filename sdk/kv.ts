/** Sorted part by part: bytes before strings before bigints before numbers before booleans. At most 2,048 bytes. */
export type KvKey = readonly KvKeyPart[]
export type KvKeyPart = Uint8Array | string | number | bigint | boolean

/** A counter of 64 bits, without sign, that `sum`, `min` and `max` work on. */
export interface KvU64 {
  readonly value: bigint
}

export interface KvEntry<Value = unknown> {
  key: KvKey
  value: Value
  /** Changes with each write; later ones sort after earlier ones. */
  versionstamp: string
}

/** An entry, or what is answered for a key that is not there. */
export type KvEntryMaybe<Value = unknown> = KvEntry<Value> | { key: KvKey; value: null; versionstamp: null }

/** Which keys: those below a prefix, from a start within it or up to an end within it; or those from a start to an end. */
export type KvListSelector =
  | { prefix: KvKey }
  | { prefix: KvKey; start: KvKey }
  | { prefix: KvKey; end: KvKey }
  | { start: KvKey; end: KvKey }

export interface KvListOptions {
  limit?: number
  /** Where an earlier list ended. */
  cursor?: string
  reverse?: boolean
  /** Entries that are fetched at one time, at most 500; 100 unless given. */
  batchSize?: number
}

export interface KvListIterator<Value> extends AsyncIterableIterator<KvEntry<Value>> {
  /** Behind the entry given last; empty before the first. */
  readonly cursor: string
}

export interface KvCommitResult {
  ok: true
  versionstamp: string
}

/** Writes that are made together or not at all. */
export interface KvAtomic {
  /** Nothing is written unless each key has this version; null: unless it is not there. At most 100. */
  check(...checks: Array<{ key: KvKey; versionstamp: string | null }>): this
  /** At most 1,000 mutations, 800 KiB. */
  set(key: KvKey, value: unknown, options?: { expireIn?: number }): this
  delete(key: KvKey): this
  sum(key: KvKey, n: bigint): this
  min(key: KvKey, n: bigint): this
  max(key: KvKey, n: bigint): this
  commit(): Promise<KvCommitResult | { ok: false }>
}

/**
 * Keys and values of the module's own, kept by the host, as Deno KV has them. Values are what a structured clone takes,
 * without cycles, up to 64 KiB as they are kept. A promise settles once the write is durable.
 *
 * @throws NotCapable without the permission `kv`; QuotaExceeded past a limit; InvalidData for what is no key or value
 * @example
 * const { value } = await ctx.kv.get<number>(['seen', ctx.user.id])
 * await ctx.kv.set(['seen', ctx.user.id], (value ?? 0) + 1, { expireIn: 86_400_000 })
 */
export interface Kv {
  get<Value = unknown>(key: KvKey): Promise<KvEntryMaybe<Value>>
  /** At most 10 keys. */
  getMany<Value = unknown>(keys: readonly KvKey[]): Promise<Array<KvEntryMaybe<Value>>>
  /** @param options `expireIn`: milliseconds after which the entry is out of sight */
  set(key: KvKey, value: unknown, options?: { expireIn?: number }): Promise<KvCommitResult>
  delete(key: KvKey): Promise<void>
  list<Value = unknown>(selector: KvListSelector, options?: KvListOptions): KvListIterator<Value>
  atomic(): KvAtomic
  /** A counter as a value. @throws RangeError unless it is from 0 to 2^64 - 1 */
  u64(value: bigint): KvU64
}
