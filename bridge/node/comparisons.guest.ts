import { isAnyArrayBuffer, isBoxedPrimitive, isDate, isMap, isNativeError, isRegExp, isSet } from './util-types.guest.ts'

/** Pairs that are being compared: what holds itself is equal to what holds itself in the same place. */
type Open = Map<object, object>

/**
 * Whether two values are equal in depth, as Node's `assert.deepStrictEqual` and `assert.deepEqual` have it: by own
 * enumerable keys, with the order of keys, of a Set and of a Map left out of account.
 *
 * @param isStrict by type and prototype too, with `Object.is` for what is no object; else with `==`
 */
export function isDeepEqual(a: unknown, b: unknown, isStrict: boolean, open: Open = new Map()): boolean {
  if (isStrict ? Object.is(a, b) : a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    // oxlint-disable-next-line eqeqeq -- the old way, which compares `1` and `'1'` as equal
    return !isStrict && ((typeof a !== 'object' && typeof b !== 'object' && a == b) || (Number.isNaN(a) && Number.isNaN(b)) || (a == null && b == null))
  }
  if (isStrict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (tagOf(a) !== tagOf(b) || Array.isArray(a) !== Array.isArray(b)) return false
  if (!areAlike(a, b, isStrict)) return false
  if (open.get(a) === b) return true
  const before = open.get(a)
  open.set(a, b)
  const answer = haveEqualKeys(a, b, isStrict, open) && haveEqualMembers(a, b, isStrict, open)
  if (before) open.set(a, before)
  else open.delete(a)
  return answer
}

const tagOf = (value: object): string => Object.prototype.toString.call(value)

/** By what is in an object beside its keys. */
function areAlike(a: object, b: object, isStrict: boolean): boolean {
  if (isDate(a) || isDate(b)) return isDate(a) && isDate(b) && Object.is(Date.prototype.getTime.call(a), Date.prototype.getTime.call(b))
  if (isRegExp(a) || isRegExp(b)) return isRegExp(a) && isRegExp(b) && String(a) === String(b) && (a as RegExp).lastIndex === (b as RegExp).lastIndex
  if (isNativeError(a) || isNativeError(b)) return (a as Error).message === (b as Error).message && (a as Error).name === (b as Error).name
  if (isBoxedPrimitive(a) || isBoxedPrimitive(b)) return isBoxedPrimitive(a) && isBoxedPrimitive(b) && Object.is(a.valueOf(), b.valueOf())
  if (isAnyArrayBuffer(a)) return isAnyArrayBuffer(b) && haveEqualBytes(new Uint8Array(a as ArrayBuffer), new Uint8Array(b as ArrayBuffer))
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    if (!isStrict && !(a instanceof DataView)) return haveEqualItems(a as unknown as ArrayLike<unknown>, b as unknown as ArrayLike<unknown>)
    return haveEqualBytes(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), new Uint8Array(b.buffer, b.byteOffset, b.byteLength))
  }
  return true
}

function haveEqualBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

function haveEqualItems(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  return a.length === b.length && Array.prototype.every.call(a, (item, index) => item === b[index] || (Number.isNaN(item) && Number.isNaN(b[index])))
}

function keysOf(value: object, isStrict: boolean): (string | symbol)[] {
  const symbols = isStrict ? Object.getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)) : []
  return [...(ArrayBuffer.isView(value) ? Object.keys(value).filter((key) => !/^\d+$/.test(key)) : Object.keys(value)), ...symbols]
}

function haveEqualKeys(a: object, b: object, isStrict: boolean, open: Open): boolean {
  if (Array.isArray(a) && a.length !== (b as unknown[]).length) return false
  const keys = keysOf(a, isStrict)
  if (keys.length !== keysOf(b, isStrict).length) return false
  const [one, other] = [a, b] as Record<string | symbol, unknown>[]
  return keys.every((key) => Object.hasOwn(b, key) && isDeepEqual(one![key], other![key], isStrict, open))
}

function haveEqualMembers(a: object, b: object, isStrict: boolean, open: Open): boolean {
  if (isSet(a)) return isSet(b) && haveSame([...(a as Set<unknown>)], [...(b as Set<unknown>)], (x, y) => isDeepEqual(x, y, isStrict, open))
  if (!isMap(a)) return true
  const equal = ([key, value]: [unknown, unknown], [otherKey, otherValue]: [unknown, unknown]) =>
    isDeepEqual(key, otherKey, isStrict, open) && isDeepEqual(value, otherValue, isStrict, open)
  return isMap(b) && haveSame([...(a as Map<unknown, unknown>)], [...(b as Map<unknown, unknown>)], equal)
}

/** Whether each of the ones has one of the others for itself. */
function haveSame<Item>(ones: Item[], others: Item[], equal: (one: Item, other: Item) => boolean): boolean {
  if (ones.length !== others.length) return false
  const left = [...others]
  return ones.every((one, index) => {
    // Mostly they are in the same order.
    const guess = left.length - (ones.length - index)
    const found = left.findIndex((other, place) => place >= guess && equal(one, other))
    const place = found < 0 ? left.findIndex((other) => equal(one, other)) : found
    if (place >= 0) left.splice(place, 1)
    return place >= 0
  })
}
