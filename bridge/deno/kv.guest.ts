import type { Kv as ModuleKv, KvAtomic, KvKey, KvListOptions, KvListSelector } from '../../sdk/kv.ts'
import { KvU64 } from '../kv.guest.ts'
import { notSupported } from './errors.guest.ts'

type Expiry = { expireIn?: number }
type Check = { key: KvKey; versionstamp: string | null }
type Mutation = { key: KvKey; type: string; value?: unknown; expireIn?: number }

const QUEUE = 'a module has no queue, publish to a topic instead'

/** `Deno.openKv` and its classes over the module's own store. @param store `ctx.kv` of the execution of the time */
export function openDenoKv(store: () => ModuleKv): Record<'openKv' | 'Kv' | 'AtomicOperation' | 'KvU64' | 'KvListIterator', unknown> {
  const PROOF = Symbol('made here')
  const illegal = (proof: unknown, hint: string) => {
    if (proof !== PROOF) throw new TypeError(hint)
  }

  class AtomicOperation {
    #atomic: KvAtomic
    constructor(proof: unknown) {
      illegal(proof, 'Illegal constructor')
      this.#atomic = store().atomic()
    }
    check(...checks: Check[]): this {
      this.#atomic.check(...checks)
      return this
    }
    mutate(...mutations: Mutation[]): this {
      for (const { key, type, value, expireIn } of mutations) {
        if (type === 'set') this.set(key, value, expireIn === undefined ? undefined : { expireIn })
        else if (type === 'delete') this.delete(key)
        else if (type === 'sum' || type === 'min' || type === 'max') this[type](key, value instanceof KvU64 ? value.value : (value as bigint))
        else throw new TypeError('Invalid mutation type')
      }
      return this
    }
    sum(key: KvKey, n: bigint): this {
      this.#atomic.sum(key, n)
      return this
    }
    min(key: KvKey, n: bigint): this {
      this.#atomic.min(key, n)
      return this
    }
    max(key: KvKey, n: bigint): this {
      this.#atomic.max(key, n)
      return this
    }
    set(key: KvKey, value: unknown, options?: Expiry): this {
      this.#atomic.set(key, value, options)
      return this
    }
    delete(key: KvKey): this {
      this.#atomic.delete(key)
      return this
    }
    enqueue(_message: unknown): this {
      throw notSupported('Deno.AtomicOperation.enqueue', QUEUE)
    }
    commit() {
      return this.#atomic.commit()
    }
  }

  class KvListIterator {
    #entries: ReturnType<ModuleKv['list']>
    constructor(proof: unknown, entries?: ReturnType<ModuleKv['list']>) {
      illegal(proof, 'Illegal constructor')
      this.#entries = entries as ReturnType<ModuleKv['list']>
    }
    get cursor(): string {
      return this.#entries.cursor
    }
    next() {
      return this.#entries.next()
    }
    [Symbol.asyncIterator]() {
      return this
    }
  }

  class Kv {
    #closed = false
    constructor(proof: unknown = undefined) {
      illegal(proof, 'Deno.Kv can not be constructed: use Deno.openKv instead')
    }
    #store(): ModuleKv {
      if (this.#closed) throw new Error('Queue already closed')
      return store()
    }
    atomic() {
      this.#store()
      return new AtomicOperation(PROOF)
    }
    commitVersionstamp() {
      throw notSupported('Deno.Kv.commitVersionstamp', 'keys of a module have no versionstamps in them')
    }
    async get(key: KvKey, _options?: object) {
      return this.#store().get(key)
    }
    async getMany(keys: readonly KvKey[], _options?: object) {
      return this.#store().getMany(keys)
    }
    async set(key: KvKey, value: unknown, options?: Expiry) {
      return this.#store().set(key, value, options)
    }
    async delete(key: KvKey) {
      return this.#store().delete(key)
    }
    list(selector: KvListSelector, options?: KvListOptions) {
      return new KvListIterator(PROOF, this.#store().list(selector, options))
    }
    async enqueue(_message: unknown, _options?: object) {
      throw notSupported('Deno.Kv.enqueue', QUEUE)
    }
    async listenQueue(_handler: unknown) {
      throw notSupported('Deno.Kv.listenQueue', QUEUE)
    }
    watch(_keys: unknown, _options?: object) {
      throw notSupported('Deno.Kv.watch', 'the host tells modules of no changes')
    }
    close() {
      if (this.#closed) throw new Error('Kv already closed')
      this.#closed = true
    }
    [Symbol.dispose]() {
      this.#closed = true
    }
  }

  return {
    async openKv(path?: string) {
      if (path !== undefined && path !== ':memory:') void path // a module has one store, whatever it calls it
      return new Kv(PROOF)
    },
    Kv,
    AtomicOperation,
    KvU64,
    KvListIterator,
  }
}
