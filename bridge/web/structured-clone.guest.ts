import { DOMException, isDOMException } from './dom-exception.guest.ts'
import { isArrayBuffer, toDictionary } from './interface.guest.ts'

// HTML Standard, 2.7: safe passing of structured data, within one isolate: what is serialized is read at once.

/** What a kind of platform object is cloned or handed over by. */
export interface PlatformKind<Kind extends object = object> {
  is(value: object): boolean
  clone?(value: Kind): object
  /** Makes the value useless and gives what stands for it on the other side. */
  transfer?(value: Kind): object
}

const kinds: PlatformKind[] = [{ is: isDOMException, clone: copyDOMException }]

/** Makes a kind of platform object cloneable or transferable; called by the chunk that defines it. */
export function shapeClone<Kind extends object>(kind: PlatformKind<Kind>): void {
  kinds.push(kind as unknown as PlatformKind)
}

interface DetachableBuffer extends ArrayBuffer {
  readonly detached: boolean
  transfer(): ArrayBuffer
}

/** @example structuredClone({ at: new Date(), bytes }, { transfer: [bytes.buffer] }) */
export function structuredClone(value: unknown, options: unknown = undefined): unknown {
  if (arguments.length < 1) throw new TypeError("Failed to execute 'structuredClone': 1 argument required, but only 0 present")
  const { transfer = [] } = toDictionary<{ transfer: Iterable<unknown> }>(options, "Failed to execute 'structuredClone': Argument 2")
  if (typeof transfer !== 'object' || transfer === null || !(Symbol.iterator in transfer)) {
    throw new TypeError("Failed to execute 'structuredClone': 'transfer' of 'StructuredSerializeOptions' (Argument 2) can not be converted to sequence.")
  }
  return cloneWith(value, [...transfer]).value
}
Object.defineProperty(structuredClone, 'length', { value: 1 })

/**
 * A copy of a value and of what it holds; what is in the list is handed over instead, and useless afterwards.
 *
 * @throws DOMException DataCloneError
 */
export function cloneWith(value: unknown, transferList: readonly unknown[]): { value: unknown; transferred: object[] } {
  const memory = new Map<object, object>()
  const handed = new Map<object, object>()
  for (const [index, one] of transferList.entries()) {
    const kind = typeof one === 'object' && one !== null ? transferKind(one) : undefined
    if (!kind) throw failure('Value not transferable')
    if (handed.has(one as object)) throw failure(`ArrayBuffer at index ${index} is a duplicate of an earlier ArrayBuffer.`)
    if (isArrayBuffer(one) && (one as DetachableBuffer).detached) throw failure(`ArrayBuffer at index ${index} is already detached`)
    handed.set(one as object, one as object)
  }
  // What is not transferred is copied first, so that nothing is lost where that fails.
  const later: Array<() => void> = []
  const copy = cloneValue(value, { memory, handed, later })
  const transferred: object[] = []
  for (const one of transferList as object[]) {
    const moved = transferKind(one)?.transfer?.(one) as object
    handed.set(one, moved)
    transferred.push(moved)
  }
  for (const step of later) step()
  return { value: typeof copy === 'object' && copy !== null && handed.has(copy) ? handed.get(copy) : copy, transferred }
}

interface Cloning {
  memory: Map<object, object>
  /** What is transferred, and what stands for it once it is. */
  handed: Map<object, object>
  /** Puts what stands for something transferred into its place. */
  later: Array<() => void>
}

function transferKind(value: object): PlatformKind | undefined {
  if (isArrayBuffer(value)) return { is: isArrayBuffer, transfer: (buffer) => (buffer as DetachableBuffer).transfer() }
  return kinds.find((kind) => kind.transfer && kind.is(value))
}

function cloneValue(value: unknown, cloning: Cloning): unknown {
  if (typeof value === 'symbol' || typeof value === 'function') throw failure(`${String(value)} could not be cloned.`)
  if (typeof value !== 'object' || value === null) return value
  const known = cloning.memory.get(value)
  if (known) return known
  if (cloning.handed.has(value)) return value
  const { copy, fill } = shell(value, cloning)
  cloning.memory.set(value, copy)
  fill?.()
  return copy
}

/** A value of the same kind, and what puts into it what the value holds. */
function shell(value: object, cloning: Cloning): { copy: object; fill?: () => void } {
  const kind = kinds.find((one) => one.is(value))
  if (kind) {
    if (!kind.clone) throw failure('Unsupported object type')
    return { copy: kind.clone(value) }
  }
  if (Array.isArray(value)) return filled([], value, cloning, value.length)
  const prototype = Object.getPrototypeOf(value) as object | null
  if (prototype === Object.prototype || prototype === null) return filled({}, value, cloning)
  if (isArrayBuffer(value)) return { copy: copyBuffer(value as DetachableBuffer) }
  if (ArrayBuffer.isView(value)) return copyView(value, cloning)
  if (value instanceof Map && isOf(mapSize, value)) {
    const copy = new Map()
    const entries = [...value]
    return { copy, fill: () => entries.forEach(([key, one]) => put((k, v) => copy.set(k, v), key, one, cloning)) }
  }
  if (value instanceof Set && isOf(setSize, value)) {
    const copy = new Set()
    const members = [...value]
    return { copy, fill: () => members.forEach((one) => put((_, v) => copy.add(v), undefined, one, cloning)) }
  }
  if (value instanceof Date && isOf(Date.prototype.getTime, value)) return { copy: new Date(value.getTime()) }
  if (value instanceof RegExp && isOf(regExpSource, value)) return { copy: new RegExp(value.source, value.flags) }
  if (value instanceof Error) return copyError(value, cloning)
  for (const Wrapper of [Boolean, Number, String, BigInt]) {
    if (value instanceof Wrapper && isOf(Wrapper.prototype.valueOf, value)) return { copy: Object(value.valueOf()) as object }
  }
  if (isOf(Symbol.prototype.valueOf, value)) throw failure('Object(Symbol()) could not be cloned.')
  for (const Refused of [WeakMap, WeakSet, Promise]) if (value instanceof Refused) throw failure(`#<${Refused.name}> could not be cloned.`)
  return filled({}, value, cloning)
}

function filled(copy: object, from: object, cloning: Cloning, length?: number): { copy: object; fill: () => void } {
  if (length !== undefined) (copy as unknown[]).length = length
  return {
    copy,
    fill() {
      for (const key of Object.keys(from)) {
        // A getter may have taken away what was there.
        if (Object.hasOwn(from, key)) put((_, one) => define(copy, key, one), undefined, (from as Record<string, unknown>)[key], cloning)
      }
    },
  }
}

function put(set: (key: unknown, value: unknown) => void, key: unknown, value: unknown, cloning: Cloning): void {
  const [newKey, newValue] = [cloneValue(key, cloning), cloneValue(value, cloning)]
  const isHanded = (one: unknown): one is object => typeof one === 'object' && one !== null && cloning.handed.has(one)
  if (!isHanded(newKey) && !isHanded(newValue)) return set(newKey, newValue)
  cloning.later.push(() => set(isHanded(newKey) ? cloning.handed.get(newKey) : newKey, isHanded(newValue) ? cloning.handed.get(newValue) : newValue))
}

function define(holder: object, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true })
}

function copyBuffer(buffer: DetachableBuffer): ArrayBuffer {
  if (buffer.detached) throw failure('An ArrayBuffer is detached and could not be cloned.')
  return buffer.slice(0)
}

type ViewConstructor = new (buffer: ArrayBuffer, offset: number, length?: number) => ArrayBufferView

function copyView(view: ArrayBufferView, cloning: Cloning): { copy: object; fill?: () => void } {
  const name = view instanceof DataView ? 'DataView' : (Reflect.apply(viewTag, view, []) as string)
  const View = (globalThis as unknown as Record<string, ViewConstructor>)[name] as ViewConstructor
  const { byteOffset } = view
  const length = view instanceof DataView ? view.byteLength : (view as Uint8Array).length
  if (!cloning.handed.has(view.buffer)) return { copy: new View(cloneValue(view.buffer, cloning) as ArrayBuffer, byteOffset, length) }
  // A view of a buffer that is handed over: it can be made only once that has happened.
  cloning.handed.set(view, view)
  cloning.later.unshift(() => cloning.handed.set(view, new View(cloning.handed.get(view.buffer) as ArrayBuffer, byteOffset, length)))
  return { copy: view }
}

const ERRORS: Readonly<Record<string, ErrorConstructor>> = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }

function copyError(error: Error, cloning: Cloning): { copy: object; fill: () => void } {
  const name = String(error.name)
  const { prototype } = Object.hasOwn(ERRORS, name) ? (ERRORS[name] as ErrorConstructor) : Error
  const made = Object.setPrototypeOf(new Error(), prototype) as Error
  const message = Object.getOwnPropertyDescriptor(error, 'message')
  if (message && 'value' in message) hide(made, 'message', String(message.value))
  hide(made, 'stack', typeof error.stack === 'string' ? error.stack : undefined)
  return {
    copy: made,
    fill() {
      if (Object.hasOwn(error, 'cause')) put((_, cause) => hide(made, 'cause', cause), undefined, error.cause, cloning)
    },
  }
}

function copyDOMException(value: object): object {
  const { message, name, stack } = value as DOMException
  const copy = new DOMException(message, name)
  hide(copy, 'stack', stack)
  return copy
}

function hide(holder: object, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, writable: true, configurable: true, enumerable: false })
}

const mapSize = getter(Map.prototype, 'size')
const setSize = getter(Set.prototype, 'size')
const regExpSource = getter(RegExp.prototype, 'source')
const viewTag = getter(Object.getPrototypeOf(Uint8Array.prototype) as object, Symbol.toStringTag)

function getter(prototype: object, name: string | symbol): () => unknown {
  return Object.getOwnPropertyDescriptor(prototype, name)?.get as () => unknown
}

/** Whether a value has the slots that this method asks for, whatever its prototype says. */
function isOf(method: (...args: never[]) => unknown, value: object): boolean {
  try {
    Reflect.apply(method, value, [] as never[])
    return true
  } catch {
    return false
  }
}

function failure(message: string): DOMException {
  return new DOMException(message, 'DataCloneError')
}
