import { format, formatWithOptions, inspect, parseArgs, stripVTControlCharacters } from './inspect.guest.ts'
import { isDeepEqual } from './comparisons.guest.ts'
import { globals, nodeError } from './host.guest.ts'
import types, { isDate, isNativeError, isRegExp } from './util-types.guest.ts'

type Callback = (error: unknown, ...values: unknown[]) => void
type Any = (this: unknown, ...args: unknown[]) => unknown

const custom = Symbol.for('nodejs.util.promisify.custom')

/** A function with a callback at its end, as one that gives a promise. */
export const promisify = Object.assign(
  (original: Any & { [custom]?: Any }): Any => {
    if (typeof original !== 'function') throw nodeError(TypeError, 'ERR_INVALID_ARG_TYPE', `The "original" argument must be of type function. Received ${inspect(original)}`)
    if (original[custom]) return original[custom]
    const promised: Any = function (...args) {
      return new Promise((resolve, reject) => {
        Reflect.apply(original, this, [...args, (error: unknown, value: unknown) => (error ? reject(error) : resolve(value))])
      })
    }
    return Object.defineProperties(Object.setPrototypeOf(promised, Object.getPrototypeOf(original)) as Any, Object.getOwnPropertyDescriptors(original))
  },
  { custom },
)

export function callbackify(original: (...args: unknown[]) => Promise<unknown>): Any {
  return function (...args) {
    const callback = args.pop() as Callback
    Reflect.apply(original, this, args).then(
      (value: unknown) => globals.queueMicrotask(() => callback(null, value)),
      (error: unknown) => globals.queueMicrotask(() => callback(error ?? nodeError(Error, 'ERR_FALSY_VALUE_REJECTION', 'Promise was rejected with falsy value'))),
    )
  }
}

export function inherits(constructor: { prototype: object; super_?: unknown }, parent: { prototype: object }): void {
  Object.defineProperty(constructor, 'super_', { value: parent, writable: true, configurable: true })
  Object.setPrototypeOf(constructor.prototype, parent.prototype)
}

export function deprecate<Given extends Any>(callback: Given, message: string, code?: string): Given {
  let isTold = false
  return function (this: unknown, ...args: unknown[]) {
    if (!isTold) globals.console.warn(`DeprecationWarning: ${code === undefined ? '' : `[${code}] `}${message}`)
    isTold = true
    return new.target ? Reflect.construct(callback, args, new.target) : Reflect.apply(callback, this, args)
  } as unknown as Given
}

const silent = Object.assign((..._args: unknown[]) => {}, { enabled: false })
export const debuglog = (_section: string): typeof silent => silent
export const debug = (section: string): typeof silent => debuglog(section)
export const isDeepStrictEqual = (a: unknown, b: unknown): boolean => isDeepEqual(a, b, true)
export const toUSVString = (text: unknown): string => String(text).toWellFormed()
export const TextEncoder = globals.TextEncoder
export const TextDecoder = globals.TextDecoder
export const isArray = Array.isArray
export const isError = isNativeError
export { format, formatWithOptions, inspect, isDate, isRegExp, parseArgs, stripVTControlCharacters, types }
export const log = (...args: unknown[]): void => globals.console.log(format(...args))
export const _extend = (target: object, source: unknown): object => (typeof source === 'object' && source !== null ? Object.assign(target, source) : target)

const isType = (type: string) => (value: unknown): boolean => typeof value === type
export const isString = isType('string')
export const isNumber = isType('number')
export const isBoolean = isType('boolean')
export const isFunction = isType('function')
export const isSymbol = isType('symbol')
export const isUndefined = isType('undefined')
export const isNull = (value: unknown): boolean => value === null
export const isNullOrUndefined = (value: unknown): boolean => value === null || value === undefined
export const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null
export const isPrimitive = (value: unknown): boolean => !isObject(value) && !isFunction(value)
export const isBuffer = (value: unknown): boolean => isObject(value) && (value as { _isBuffer?: boolean })._isBuffer === true

const STYLES: Readonly<Record<string, readonly [number, number]>> = {
  reset: [0, 0], bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], inverse: [7, 27], hidden: [8, 28], strikethrough: [9, 29],
  black: [30, 39], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], magenta: [35, 39], cyan: [36, 39], white: [37, 39], gray: [90, 39], grey: [90, 39],
}
/** Colours are for terminals, which a module has none of: they are put in only where `validateStream` is false. */
export function styleText(styles: string | readonly string[], text: string, { validateStream = true }: { validateStream?: boolean } = {}): string {
  const styled = applied(styles, text)
  return validateStream ? text : styled
}
function applied(styles: string | readonly string[], text: string): string {
  return [styles].flat().reduceRight((inner, style) => {
    const [open, close] = STYLES[style] ?? []
    if (open === undefined) throw nodeError(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument 'format' must be one of: ${Object.keys(STYLES).join(', ')}. Received ${inspect(style)}`)
    return `\u001b[${open}m${inner}\u001b[${close}m`
  }, text)
}

/** Lines of `NAME=value`, as .env files have them. */
export function parseEnv(text: string): Record<string, string> {
  const lines = text.matchAll(/^\s*(?:export\s+)?([\w.-]+)\s*=[^\S\n]*(?:"([^"]*)"|'([^']*)'|`([^`]*)`|([^\n#]*))/gm)
  return Object.fromEntries([...lines].map(([, name, double, single, back, bare]) => [name!, double?.replaceAll('\\n', '\n') ?? single ?? back ?? bare!.trim()]))
}

interface Signal {
  aborted: boolean
  addEventListener(type: string, listener: () => void, options: object): void
}
export const aborted = (signal: Signal, _resource: object): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })))

export default {
  promisify, callbackify, inherits, deprecate, debuglog, debug, isDeepStrictEqual, toUSVString, TextEncoder, TextDecoder, isArray, isError, format, formatWithOptions,
  inspect, isDate, isRegExp, parseArgs, stripVTControlCharacters, types, log, _extend, isString, isNumber, isBoolean, isFunction, isSymbol, isUndefined, isNull,
  isNullOrUndefined, isObject, isPrimitive, isBuffer, styleText, parseEnv, aborted,
}
