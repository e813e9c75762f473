// Web IDL, 3: what the shape of an interface is, and how its arguments are converted. Shared by the fetch family,
// blobs, crypto and the network.

const INSPECT = Symbol.for('Deno.privateCustomInspect')

type Inspect = (value: unknown, options?: unknown) => string
type Class = { readonly name: string; readonly prototype: object }

/** Gives a class the shape of an interface: enumerable members, constants on both sides, and its name as its tag. */
export function shapeInterface(of: Class, constants: Readonly<Record<string, number>> = {}): void {
  const { prototype } = of
  // The bundler renames a class that names itself inside, and one next to another of its name.
  Object.defineProperty(of, 'name', { value: of.name.replace(/^_|2$/g, ''), configurable: true })
  for (const name of Object.getOwnPropertyNames(prototype)) {
    if (name !== 'constructor') Object.defineProperty(prototype, name, { enumerable: true })
  }
  for (const holder of [of, prototype]) {
    for (const name of Object.keys(constants)) Object.defineProperty(holder, name, { value: constants[name], enumerable: true })
  }
  Object.defineProperty(prototype, Symbol.toStringTag, { value: of.name, configurable: true })
  Object.defineProperty(of, 'prototype', { writable: false })
}

/** How the console shows an instance: these of its attributes, in this order. */
export function shapeInspection(of: Class, names: readonly string[]): void {
  shapeInspectionAs(of, (self, inspect, options) => {
    const view: Record<string, unknown> = Object.create({ constructor: { name: of.name } }) as Record<string, unknown>
    for (const name of names) view[name] = (self as Record<string, unknown>)[name]
    return inspect(view, options)
  })
}

export function shapeInspectionAs(of: Class, show: (self: object, inspect: Inspect, options: unknown) => string): void {
  const value = function (this: object, inspect: Inspect, options: unknown): string {
    return show(this, inspect, options)
  }
  Object.defineProperty(of.prototype, INSPECT, { value, configurable: true, writable: true })
}

/** Names and values that can be iterated over; `pairsOf` is asked at each step, as they may change meanwhile. */
export function shapeIterable<Self extends object>(of: Class, pairsOf: (self: Self) => ReadonlyArray<readonly [string, unknown]>): void {
  const kinds = { entries: (pair: readonly [string, unknown]) => [pair[0], pair[1]], keys: (pair: readonly [string, unknown]) => pair[0], values: (pair: readonly [string, unknown]) => pair[1] }
  const iterators = new WeakMap<object, { self: Self; at: number; kind: keyof typeof kinds }>()
  const ArrayIterator = Object.getPrototypeOf([][Symbol.iterator]()) as object
  const prototype = Object.create(Object.getPrototypeOf(ArrayIterator) as object) as object
  const next = {
    next(this: object): IteratorResult<unknown> {
      const state = iterators.get(this)
      if (!state) throw new TypeError(`next was called on what is no ${of.name} Iterator`)
      const pair = pairsOf(state.self)[state.at]
      if (!pair) return { value: undefined, done: true }
      state.at++
      return { value: kinds[state.kind](pair), done: false }
    },
  }.next
  Object.defineProperty(prototype, 'next', { value: next, writable: true, enumerable: true, configurable: true })
  Object.defineProperty(prototype, Symbol.toStringTag, { value: `${of.name} Iterator`, configurable: true })

  const iterate = (self: Self, kind: keyof typeof kinds): object => {
    pairsOf(self) // refuses what is not of the interface
    const iterator = Object.create(prototype) as object
    iterators.set(iterator, { self, at: 0, kind })
    return iterator
  }
  const methods = {
    entries(this: Self) {
      return iterate(this, 'entries')
    },
    keys(this: Self) {
      return iterate(this, 'keys')
    },
    values(this: Self) {
      return iterate(this, 'values')
    },
    forEach(this: Self, callback: (value: unknown, name: string, self: Self) => void, thisArg: unknown = undefined): void {
      needArguments(arguments.length, 1, 'forEach', of.name)
      pairsOf(this)
      if (typeof callback !== 'function') throw new TypeError(`Failed to execute 'forEach' on '${of.name}': Argument 1 is not a function`)
      for (let at = 0; ; at++) {
        const pair = pairsOf(this)[at]
        if (!pair) return
        Reflect.apply(callback, thisArg, [pair[1], pair[0], this])
      }
    },
  }
  Object.defineProperty(methods.forEach, 'length', { value: 1, configurable: true })
  for (const name of Object.keys(methods) as Array<keyof typeof methods>) {
    Object.defineProperty(of.prototype, name, { value: methods[name], writable: true, enumerable: true, configurable: true })
  }
  Object.defineProperty(of.prototype, Symbol.iterator, { value: methods.entries, writable: true, configurable: true })
}

/** @throws TypeError where fewer arguments were given than the operation takes */
export function needArguments(given: number, wanted: number, operation: string, of: string): void {
  if (given >= wanted) return
  const where = operation === '' ? `Failed to construct '${of}'` : `Failed to execute '${operation}' on '${of}'`
  throw new TypeError(`${where}: ${wanted} argument${wanted === 1 ? '' : 's'} required, but only ${given} present`)
}

/** A string whose characters are all bytes. @throws TypeError */
export function toByteString(value: unknown, where: string): string {
  const text = toText(value, where)
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0xff) throw new TypeError(`${where} is not a valid ByteString`)
  }
  return text
}

/** A string without lone surrogates. */
export function toUSVString(value: unknown, where = 'The value'): string {
  return toText(value, where).toWellFormed()
}

/** A string. @throws TypeError for a symbol */
export function toText(value: unknown, where = 'The value'): string {
  if (typeof value === 'symbol') throw new TypeError(`${where} is a symbol, which cannot be converted to a string`)
  return typeof value === 'string' ? value : String(value)
}

/** What a dictionary is read from; nothing for undefined and null. @throws TypeError */
export function toDictionary<Members extends object>(value: unknown, where: string): Partial<Members> {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError(`${where} can not be converted to a dictionary`)
  return value as Partial<Members>
}

/** The bytes that a BufferSource shows, not copied; undefined for anything else. */
export function viewOf(value: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength)
  return isArrayBuffer(value) ? new Uint8Array(value) : undefined
}

const byteLengthOf = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength')?.get as (this: unknown) => number

export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  if (typeof value !== 'object' || value === null) return false
  try {
    byteLengthOf.call(value)
    return true
  } catch {
    return false
  }
}

export const illegal = () => new TypeError('Illegal constructor')
