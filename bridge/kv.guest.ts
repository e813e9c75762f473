import type { Kv, KvAtomic, KvCommitResult, KvEntry, KvEntryMaybe, KvKey, KvKeyPart, KvListOptions, KvListSelector } from '../sdk/kv.ts'
import { fromBase64, toBase64 } from './base64.guest.ts'
import { refusal } from './errors.guest.ts'
import { decodeValue, encodeValue, isBytes } from './kv-value.guest.ts'
import { defineProperty, freeze, isArray, parse, stringify } from './primordials.guest.ts'

type Ask = (capability: string, args: string, maxLength: number) => Promise<string>
type WireValue = { v?: string; b?: string; u?: string }
type WireEntry = [WireValue, string]

// The host's own checks decide; these end the costliest mistakes where they are made.
const VALUE_LENGTH = 64 * 1024
const READ_LENGTH = 192 * 1024
const PAGE = 100
const U64_END = 2n ** 64n

/** Made here only, so that `instanceof` tells a counter from any other value. */
export class KvU64 {
  readonly value: bigint
  constructor(value: bigint) {
    if (typeof value !== 'bigint') throw new TypeError('cannot make a KvU64, the value is no bigint')
    if (value < 0n || value >= U64_END) throw new RangeError('cannot make a KvU64, the value is not from 0 to 18446744073709551615')
    this.value = value
    freeze(this)
  }
  valueOf(): bigint {
    return this.value
  }
  toString(): string {
    return '' + this.value
  }
  get [Symbol.toStringTag](): string {
    return 'Deno.KvU64'
  }
}

/** `ctx.kv` of one execution. */
export function openKv(ask: Ask, maxCommit: number): Kv {
  const read = async <Value>(wanted: readonly KvKey[]): Promise<Array<KvEntryMaybe<Value>>> => {
    const found = parse(await ask('kv.read', '{"keys":[' + joined(wanted, keyText) + ']}', READ_LENGTH)) as Array<WireEntry | null>
    const entries: Array<KvEntryMaybe<Value>> = []
    for (let i = 0; i < found.length; i++) {
      const entry = found[i]
      const key = copyOf(wanted[i] as KvKey)
      entries[i] = entry ? { key, value: valueOf(entry[0]) as Value, versionstamp: entry[1] } : { key, value: null, versionstamp: null }
    }
    return entries
  }
  const commit = async (checks: string, mutations: string) => {
    const versionstamp = parse(await ask('kv.commit', '{"checks":[' + checks + '],"mutations":[' + mutations + ']}', maxCommit)) as string | null
    return versionstamp === null ? ({ ok: false } as const) : ({ ok: true, versionstamp } as const)
  }
  return freeze({
    get: async <Value>(key: KvKey) => (await read<Value>([key]))[0] as KvEntryMaybe<Value>,
    getMany: read,
    set: async (key: KvKey, value: unknown, options?: { expireIn?: number }) => (await commit('', setText(key, value, options))) as KvCommitResult,
    delete: async (key: KvKey) => void (await commit('', '["delete",' + keyText(key) + ']')),
    list: (selector: KvListSelector, options?: KvListOptions) => openList(ask, selector, options ?? {}),
    atomic: () => openAtomic(commit),
    u64: (value: bigint) => new KvU64(value),
  }) as Kv
}

function openAtomic(commit: (checks: string, mutations: string) => ReturnType<KvAtomic['commit']>): KvAtomic {
  let checks = ''
  let mutations = ''
  const mutate = (mutation: string) => {
    mutations += (mutations && ',') + mutation
    return atomic
  }
  const count = (type: string) => (key: KvKey, n: bigint) => mutate('["' + type + '",' + keyText(key) + ',"' + new KvU64(n).value + '"]')
  const atomic: KvAtomic = freeze({
    check(...given: Array<{ key: KvKey; versionstamp: string | null }>) {
      for (let i = 0; i < given.length; i++) {
        const { key, versionstamp } = given[i] as { key: KvKey; versionstamp: string | null }
        checks += (checks && ',') + '[' + keyText(key) + ',' + stringify(versionstamp ?? null) + ']'
      }
      return atomic
    },
    set: (key: KvKey, value: unknown, options?: { expireIn?: number }) => mutate(setText(key, value, options)),
    delete: (key: KvKey) => mutate('["delete",' + keyText(key) + ']'),
    sum: count('sum'),
    min: count('min'),
    max: count('max'),
    commit: () => commit(checks, mutations),
  })
  return atomic
}

function openList<Value>(ask: Ask, selector: KvListSelector, options: KvListOptions): ReturnType<Kv['list']> {
  const { limit = Infinity, batchSize = limit < PAGE ? limit : PAGE, reverse = false } = options
  const { prefix, start, end } = selector as { prefix?: KvKey; start?: KvKey; end?: KvKey }
  let cursor = options.cursor ?? ''
  const within = (prefix ? ',"prefix":' + keyText(prefix) : '') + (start ? ',"start":' + keyText(start) : '') + (end ? ',"end":' + keyText(end) : '')

  async function* entries(): AsyncGenerator<KvEntry<Value>> {
    let left = limit
    for (let more = true; more && left > 0; ) {
      const size = batchSize < left ? batchSize : left
      const after = cursor === '' ? '' : ',"cursor":' + stringify(cursor)
      const args = '{"limit":' + stringify(size) + ',"reverse":' + (reverse ? 'true' : 'false') + within + after + '}'
      const page = parse(await ask('kv.list', args, READ_LENGTH)) as { entries: Array<[unknown[], WireValue, string, string]>; more: boolean }
      for (let i = 0; i < page.entries.length; i++) {
        const [parts, value, versionstamp, behind] = page.entries[i] as [unknown[], WireValue, string, string]
        cursor = behind
        yield { key: keyOf(parts), value: valueOf(value) as Value, versionstamp }
      }
      left -= page.entries.length
      more = page.more
    }
  }
  const iterator = entries()
  defineProperty(iterator, 'cursor', { get: () => cursor, enumerable: true })
  return iterator as unknown as ReturnType<Kv['list']>
}

function setText(key: KvKey, value: unknown, { expireIn }: { expireIn?: number } = {}): string {
  return '["set",' + keyText(key) + ',' + valueText(value) + (expireIn === undefined ? '' : ',' + stringify(expireIn)) + ']'
}

function valueText(value: unknown): string {
  if (value instanceof KvU64) return '{"u":"' + value.value + '"}'
  const bytes = isBytes(value)
  const size = bytes ? value.length : 0
  const content = bytes && size <= VALUE_LENGTH ? toBase64(value) : bytes ? '' : encodeValue(value)
  const length = bytes ? size : content.length
  if (length <= VALUE_LENGTH) return (bytes ? '{"b":' : '{"v":') + stringify(content) + '}'
  throw refusal('SIZE_LIMIT', `cannot write, the value has ${length} bytes or more and may have ${VALUE_LENGTH}`)
}

function valueOf({ v, b, u }: WireValue): unknown {
  if (v !== undefined) return decodeValue(v)
  return b === undefined ? new KvU64(BigInt(u as string)) : fromBase64(b)
}

function keyText(key: KvKey): string {
  if (!isArray(key)) throw refusal('INVALID', 'cannot use the key, a key is an array of parts')
  return '[' + joined(key as KvKeyPart[], partText) + ']'
}

function partText(part: KvKeyPart): string {
  if (typeof part === 'string' || typeof part === 'boolean') return stringify(part)
  if (typeof part === 'bigint') return '{"n":"' + part + '"}'
  if (isBytes(part)) return '{"b":"' + toBase64(part) + '"}'
  if (typeof part !== 'number') throw refusal('INVALID', 'cannot use the key, a part is a string, a number, a bigint, a boolean or a Uint8Array')
  if (part === 0 && 1 / part < 0) return '{"d":"-0"}'
  return part - part === 0 ? '' + part : '{"d":"' + part + '"}'
}

function keyOf(parts: unknown[]): KvKey {
  const key: KvKeyPart[] = []
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string | { n?: string; b?: string; d?: string }
    if (typeof part !== 'object') key[i] = part
    else if (part.n !== undefined) key[i] = BigInt(part.n)
    else if (part.b !== undefined) key[i] = fromBase64(part.b)
    else key[i] = part.d === '-NaN' ? NaN : +(part.d as string)
  }
  return key
}

function copyOf(key: KvKey): KvKey {
  const copy: KvKeyPart[] = []
  for (let i = 0; i < key.length; i++) copy[i] = key[i] as KvKeyPart
  return copy
}

function joined<Item>(items: readonly Item[], toText: (item: Item) => string): string {
  let joined = ''
  for (let i = 0; i < items.length; i++) joined += (i > 0 ? ',' : '') + toText(items[i] as Item)
  return joined
}
