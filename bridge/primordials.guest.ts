// Captured while the snapshot is made, before any module code: what a module does to its globals
// afterwards cannot reach the bridge. Bound functions look nothing up when they are called.
const { bind, call } = Function.prototype

/** `method` with its receiver as first argument. */
export const uncurry = bind.bind(call) as <This, Args extends unknown[], Result>(
  method: (this: This, ...args: Args) => Result,
) => (self: This, ...args: Args) => Result

export const { parse, stringify } = JSON
export const { freeze, keys, defineProperty, hasOwn, getPrototypeOf } = Object
export const { getOwnPropertyNames: ownNames, prototype: ObjectPrototype } = Object
export const { isArray } = Array
export const { apply, construct } = Reflect
export const text = String
export const DateOf = Date
export const ErrorOf = Error
export const TypeErrorOf = TypeError
export const toNumber = Number
export const { min } = Math
export const PromiseOf = Promise
export const ProxyOf = Proxy
export const resolved = Promise.resolve.bind(Promise) as <T>(value: T) => Promise<Awaited<T>>
export const whenSettled = uncurry(Promise.prototype.then) as unknown as (
  promise: Promise<unknown>,
  onValue: (value: unknown) => void,
  onError: (error: unknown) => void,
) => void
/** Runs text in the global scope, where it is no part of the bridge. */
export const evaluate = Reflect.get(globalThis, 'eval') as (script: string) => unknown
export const { defineProperty: tryDefineProperty } = Reflect
export const codeAt = uncurry(String.prototype.charCodeAt)
export const slice = uncurry(String.prototype.slice)
export const indexOf = uncurry(String.prototype.indexOf)
export const MapOf = Map
export const mapForEach = uncurry(Map.prototype.forEach)
export const mapGet = uncurry(Map.prototype.get)
export const mapSet = uncurry(Map.prototype.set)
export const mapDelete = uncurry(Map.prototype.delete)
export const weakGet = uncurry(WeakMap.prototype.get)
export const weakSet = uncurry(WeakMap.prototype.set)

/** A Map whose methods cannot be replaced from outside. */
export interface Table<Key, Value> {
  get(key: Key): Value | undefined
  set(key: Key, value: Value): void
  delete(key: Key): void
}

export function table<Key, Value>(): Table<Key, Value> {
  const map = new MapOf<unknown, unknown>()
  return {
    get: (key) => mapGet(map, key) as Value | undefined,
    set: (key, value) => void mapSet(map, key, value),
    delete: (key) => void mapDelete(map, key),
  }
}
