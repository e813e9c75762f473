const tag = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)
const is = (name: string) => (value: unknown): boolean => typeof value === 'object' && value !== null && tag(value) === name

/** Whether an internal slot is there, by a getter that asks for it. */
const hasSlot = (prototype: object, name: string) => {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name) ?? {}
  return (value: unknown): boolean => {
    try {
      Reflect.apply(get!, value, [])
      return true
    } catch {
      return false
    }
  }
}
const answers = (method: (...args: never[]) => unknown, ...args: unknown[]) => (value: unknown): boolean => {
  try {
    Reflect.apply(method as () => unknown, value, args)
    return true
  } catch {
    return false
  }
}

export const isAnyArrayBuffer = (value: unknown): boolean => isArrayBuffer(value) || isSharedArrayBuffer(value)
export const isArrayBuffer = hasSlot(ArrayBuffer.prototype, 'byteLength')
export const isSharedArrayBuffer = is('SharedArrayBuffer')
export const isArrayBufferView = (value: unknown): boolean => ArrayBuffer.isView(value)
export const isDataView = (value: unknown): boolean => ArrayBuffer.isView(value) && !isTypedArray(value)
const TypedArray = Object.getPrototypeOf(Uint8Array.prototype) as object
const nameOf = (value: unknown): unknown => Reflect.apply(Object.getOwnPropertyDescriptor(TypedArray, Symbol.toStringTag)!.get!, value, [])
export const isTypedArray = (value: unknown): boolean => nameOf(value) !== undefined
const isTyped = (name: string) => (value: unknown): boolean => nameOf(value) === name
export const isUint8Array = isTyped('Uint8Array')
export const isUint8ClampedArray = isTyped('Uint8ClampedArray')
export const isUint16Array = isTyped('Uint16Array')
export const isUint32Array = isTyped('Uint32Array')
export const isInt8Array = isTyped('Int8Array')
export const isInt16Array = isTyped('Int16Array')
export const isInt32Array = isTyped('Int32Array')
export const isFloat16Array = isTyped('Float16Array')
export const isFloat32Array = isTyped('Float32Array')
export const isFloat64Array = isTyped('Float64Array')
export const isBigInt64Array = isTyped('BigInt64Array')
export const isBigUint64Array = isTyped('BigUint64Array')
export const isMap = hasSlot(Map.prototype, 'size')
export const isSet = hasSlot(Set.prototype, 'size')
export const isWeakMap = answers(WeakMap.prototype.has, {})
export const isWeakSet = answers(WeakSet.prototype.has, {})
export const isMapIterator = is('Map Iterator')
export const isSetIterator = is('Set Iterator')
export const isDate = answers(Date.prototype.getTime)
export const isRegExp = is('RegExp')
export const isPromise = (value: unknown): boolean => is('Promise')(value) && value instanceof Promise
export const isNativeError = (value: unknown): boolean => is('Error')(value) || value instanceof Error
export const isAsyncFunction = (value: unknown): boolean => typeof value === 'function' && tag(value) === 'AsyncFunction'
export const isGeneratorFunction = (value: unknown): boolean => typeof value === 'function' && /^(Async)?GeneratorFunction$/.test(tag(value))
export const isGeneratorObject = is('Generator')
export const isArgumentsObject = is('Arguments')
export const isModuleNamespaceObject = is('Module')
const isBoxed = (method: (...args: never[]) => unknown) => {
  const has = answers(method)
  return (value: unknown): boolean => typeof value === 'object' && has(value)
}
export const isBooleanObject = isBoxed(Boolean.prototype.valueOf)
export const isNumberObject = isBoxed(Number.prototype.valueOf)
export const isStringObject = isBoxed(String.prototype.valueOf)
export const isSymbolObject = isBoxed(Symbol.prototype.valueOf)
export const isBigIntObject = isBoxed(BigInt.prototype.valueOf)
export const isBoxedPrimitive = (value: unknown): boolean => [isBooleanObject, isNumberObject, isStringObject, isSymbolObject, isBigIntObject].some((one) => one(value))
// A proxy is not to be told from what it stands for, and nothing here comes from outside the engine.
export const isProxy = (_value: unknown): boolean => false
export const isExternal = (_value: unknown): boolean => false
export const isCryptoKey = is('CryptoKey')
export const isKeyObject = (_value: unknown): boolean => false

export default {
  isAnyArrayBuffer, isArrayBuffer, isSharedArrayBuffer, isArrayBufferView, isDataView, isTypedArray, isUint8Array, isUint8ClampedArray, isUint16Array,
  isUint32Array, isInt8Array, isInt16Array, isInt32Array, isFloat16Array, isFloat32Array, isFloat64Array, isBigInt64Array, isBigUint64Array, isMap, isSet,
  isWeakMap, isWeakSet, isMapIterator, isSetIterator, isDate, isRegExp, isPromise, isNativeError, isAsyncFunction, isGeneratorFunction, isGeneratorObject,
  isArgumentsObject, isModuleNamespaceObject, isBooleanObject, isNumberObject, isStringObject, isSymbolObject, isBigIntObject, isBoxedPrimitive, isProxy,
  isExternal, isCryptoKey, isKeyObject,
}
