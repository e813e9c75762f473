import { isDOMException } from './dom-exception.guest.ts'
import { formatError } from './inspect-error.guest.ts'
import { layOut } from './inspect-layout.guest.ts'
import { formatPrimitive, nameOfKey, stylize } from './inspect-text.guest.ts'

// Deno.inspect and what the console shows: the format of Deno, which is that of Node with quotes and limits of its own.
// What only the engine knows stays unseen here: the state of a promise, what an iterator still holds, a proxy's target.

export interface InspectOptions {
  depth?: number
  colors?: boolean
  compact?: boolean | number
  trailingComma?: boolean
  iterableLimit?: number
  sorted?: boolean
  getters?: boolean
  showHidden?: boolean
  showProxy?: boolean
  breakLength?: number
  strAbbreviateSize?: number
  escapeSequences?: boolean
}

/** The options with what is at hand while a value is shown. */
export interface InspectContext extends Required<InspectOptions> {
  indentation: number
  currentDepth: number
  seen: object[]
  /** Numbers of the values that were met again below themselves. */
  circular: Map<object, number>
}

const DEFAULTS: Required<InspectOptions> = {
  depth: 4,
  colors: false,
  compact: 3,
  trailingComma: false,
  iterableLimit: 100,
  sorted: false,
  getters: false,
  showHidden: false,
  showProxy: false,
  breakLength: 80,
  strAbbreviateSize: 10_000,
  escapeSequences: true,
}
const DENO = Symbol.for('Deno.customInspect')
const PRIVATE = Symbol.for('Deno.privateCustomInspect')
const NODE = Symbol.for('nodejs.util.inspect.custom')
const BYTES_SHOWN = 100

/** @example inspect({ a: [1, 'two'] }) // '{ a: [ 1, "two" ] }' */
export function inspect(value: unknown, options: InspectOptions = {}): string {
  const given = Object.fromEntries(Object.entries(options ?? {}).filter(([, one]) => one !== undefined)) as Required<InspectOptions>
  const context: InspectContext = { ...DEFAULTS, ...given, indentation: 0, currentDepth: 0, seen: [], circular: new Map() }
  if (given.compact === true) context.compact = 3
  if (given.compact === false) context.compact = 0
  context.indentation = (options as Partial<InspectContext>)?.indentation ?? 0
  return formatValue(context, value, 0)
}
Object.defineProperty(inspect, 'length', { value: 1 })

function formatValue(context: InspectContext, value: unknown, level: number): string {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return formatPrimitive(value, context)
  const custom = formatCustom(context, value, level)
  if (custom !== undefined) return custom
  if (context.seen.includes(value)) {
    if (!context.circular.has(value)) context.circular.set(value, context.circular.size + 1)
    return stylize(context, `[Circular *${context.circular.get(value)}]`, 'special')
  }
  return formatObject(context, value, level)
}

type Custom = (...args: unknown[]) => unknown

/** By the value's own method, of one of the three symbols. */
function formatCustom(context: InspectContext, value: object, level: number): string | undefined {
  const holder = value as Record<symbol, unknown>
  const { seen: _, circular: __, currentDepth: ___, ...options } = context
  const rest = { ...options, depth: context.depth - level }
  const show = (one: unknown, more: InspectOptions = {}) => inspect(one, { ...rest, ...more, indentation: 0 } as InspectOptions)
  const indented = (text: string) => text.replaceAll('\n', `\n${' '.repeat(context.indentation)}`)
  for (const symbol of [DENO, PRIVATE]) {
    const method = holder[symbol]
    if (typeof method !== 'function') continue
    if (symbol === PRIVATE && level > context.depth) return stylize(context, `[${constructorOf(value) ?? 'Object'}]`, 'special')
    return indented(String(Reflect.apply(method as Custom, value, [show, rest])))
  }
  const method = holder[NODE]
  if (typeof method !== 'function') return
  const shown = Reflect.apply(method as Custom, value, [rest.depth, { ...rest, stylize: (text: unknown) => String(text) }, show])
  if (shown === value) return
  return typeof shown === 'string' ? indented(shown) : formatValue(context, shown, level)
}

/** The name of the first class up the chain that has one; null where there is no prototype. */
function constructorOf(value: object): string | null {
  const first = Object.getPrototypeOf(value) as object | null
  for (let from: object | null = value; from !== null; from = Object.getPrototypeOf(from) as object | null) {
    const descriptor = Object.getOwnPropertyDescriptor(from, 'constructor')
    const constructor = descriptor?.value as { name?: unknown; prototype?: object } | undefined
    if (typeof constructor !== 'function' && !(constructor && Object.getPrototypeOf(value) === from)) continue
    const { name } = constructor as { name?: unknown }
    if (typeof name !== 'string' || name === '') continue
    if (typeof constructor === 'function' && from === value && !Object.hasOwn(value, 'prototype')) continue
    return name
  }
  return first === null ? null : `Object <${inspect(first, { depth: -1 })}>`
}

interface Shape {
  base: string
  braces: [string, string]
  isArray: boolean
  entries(level: number): string[]
  keys: PropertyKey[]
  /** Shown thus where there is nothing else of it. */
  empty: string | undefined
}

const nothing = (): string[] => []

function formatObject(context: InspectContext, value: object, level: number): string {
  const constructor = constructorOf(value)
  const shape = shapeOf(context, value, constructor)
  if (shape.empty !== undefined && shape.keys.length === 0) return shape.empty
  if (level > context.depth) return stylize(context, `[${prefixOf(constructor, '', Array.isArray(value) ? 'Array' : 'Object').slice(0, -1)}]`, 'special')
  context.seen.push(value)
  context.currentDepth = level + 1
  const inner = level + 1
  const output = shape.entries(inner)
  for (const key of shape.keys) output.push(formatProperty(context, value, key, inner, false))
  context.seen.pop()
  const number = context.circular.get(value)
  const reference = number === undefined ? '' : stylize(context, `<ref *${number}>`, 'special')
  const base = [reference, shape.base].filter((one) => one !== '').join(' ')
  if (context.sorted) {
    const listed = output.length - shape.keys.length
    if (shape.isArray) output.splice(listed, shape.keys.length, ...output.slice(listed).toSorted())
    else output.splice(0, output.length, ...output.toSorted())
  }
  // A class of which nothing is to be seen.
  if (output.length === 0) return `${base === '' ? '' : `${base} `}${shape.braces[0]}${shape.braces[1]}`
  return layOut(context, { output, base, braces: shape.braces, isArray: shape.isArray, value, level: inner })
}

function shapeOf(context: InspectContext, value: object, constructor: string | null): Shape {
  const tagged = (value as Record<symbol, unknown>)[Symbol.toStringTag]
  const tag = typeof tagged === 'string' && tagged !== '' ? tagged : ''
  const keys = keysOf(value, context)
  const shape = (fallback: string, more: Partial<Shape> & { size?: number } = {}): Shape => {
    const prefix = prefixOf(constructor, tag, fallback, more.size === undefined ? '' : `(${more.size})`)
    return { base: '', braces: [`${prefix}{`, '}'], isArray: false, entries: nothing, keys, empty: undefined, ...more }
  }
  const based = (base: string): Shape => ({ base, braces: ['{', '}'], isArray: false, entries: nothing, keys, empty: base })

  if (Array.isArray(value)) {
    const prefix = constructor !== 'Array' || tag !== '' ? prefixOf(constructor, tag, 'Array', `(${value.length})`) : ''
    const own = keys.filter((key) => !isIndex(key))
    return { base: '', braces: [`${prefix}[`, ']'], isArray: true, entries: (level) => formatArray(context, value, level), keys: own, empty: value.length === 0 ? `${prefix}[]` : undefined }
  }
  if (value instanceof Set && hasSlots(setSize, value)) {
    return { ...shape('Set', { size: value.size, entries: (level) => formatSet(context, value, level) }), empty: value.size === 0 ? `${prefixOf(constructor, tag, 'Set', '(0)')}{}` : undefined }
  }
  if (value instanceof Map && hasSlots(mapSize, value)) {
    return { ...shape('Map', { size: value.size, entries: (level) => formatMap(context, value, level) }), empty: value.size === 0 ? `${prefixOf(constructor, tag, 'Map', '(0)')}{}` : undefined }
  }
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const view = value as Uint8Array
    const prefix = prefixOf(constructor, tag, tag, `(${view.length})`)
    return { base: '', braces: [`${prefix}[`, ']'], isArray: true, entries: () => formatTyped(context, view), keys: keys.filter((key) => !isIndex(key)), empty: view.length === 0 ? `${prefix}[]` : undefined }
  }
  if (typeof value === 'function') return based(stylize(context, functionBase(value as FunctionLike, constructor, tag), 'special'))
  if (value instanceof RegExp && hasSlots(regExpSource, value)) return based(stylize(context, prefixed(constructor, tag, 'RegExp', RegExp.prototype.toString.call(value)), 'regexp'))
  if (value instanceof Date && hasSlots(Date.prototype.getTime, value)) {
    const text = Number.isNaN(value.getTime()) ? 'Invalid Date' : Date.prototype.toISOString.call(value)
    return based(stylize(context, prefixed(constructor, tag, 'Date', text), 'date'))
  }
  if (isDOMException(value)) return { ...based(formatError(value as unknown as Error, null, keys, context).replace(': null prototype]', '')), keys: [] }
  if (value instanceof Error) return { ...based(formatError(value, constructor, keys, context)), keys }
  if (Object.prototype.toString.call(value) === '[object Arguments]') return shape('Object', { braces: ['[Arguments] {', '}'] })
  if (value instanceof ArrayBuffer && hasSlots(bufferLength, value)) {
    return shape('ArrayBuffer', { entries: () => [formatBytes(value), `byteLength: ${stylize(context, `${value.byteLength}`, 'number')}`] })
  }
  if (value instanceof DataView) {
    return shape('DataView', { entries: (level) => (['byteLength', 'byteOffset', 'buffer'] as const).map((key) => formatProperty(context, value, key, level, false)) })
  }
  if (value instanceof Promise) return shape('Promise', { entries: () => [stylize(context, '<pending>', 'special')] })
  if (value instanceof WeakSet || value instanceof WeakMap) return shape(tag, { entries: () => [stylize(context, '<items unknown>', 'special')] })
  const boxed = boxedBase(value, context)
  if (boxed !== undefined) return { ...based(boxed), keys: boxed.startsWith('[String') ? keys.filter((key) => !isIndex(key)) : keys }
  if (constructor === 'Object' && tag === '') return { base: '', braces: ['{', '}'], isArray: false, entries: nothing, keys, empty: '{}' }
  return { ...shape('Object'), empty: `${prefixOf(constructor, tag, 'Object')}{}` }
}

function prefixOf(constructor: string | null, tag: string, fallback: string, size = ''): string {
  if (constructor === null) return tag !== '' && fallback !== tag ? `[${fallback}${size}: null prototype] [${tag}] ` : `[${fallback}${size}: null prototype] `
  return tag !== '' && constructor !== tag ? `${constructor}${size} [${tag}] ` : `${constructor}${size} `
}

function prefixed(constructor: string | null, tag: string, name: string, text: string): string {
  const prefix = prefixOf(constructor, tag, name)
  return prefix === `${name} ` ? text : prefix + text
}

const isIndex = (key: PropertyKey) => typeof key === 'string' && /^(0|[1-9]\d{0,9})$/.test(key)

function keysOf(value: object, { showHidden }: InspectContext): PropertyKey[] {
  const symbols = Object.getOwnPropertySymbols(value)
  if (showHidden) return [...Object.getOwnPropertyNames(value), ...symbols]
  return [...Object.keys(value), ...symbols.filter((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))]
}

function formatProperty(context: InspectContext, value: object, key: PropertyKey, level: number, isEntry: boolean): string {
  const descriptor = Object.getOwnPropertyDescriptor(value, key) ?? { value: (value as Record<PropertyKey, unknown>)[key], enumerable: true }
  const text = formatDescriptor(context, value, descriptor, level)
  if (isEntry) return text
  if (!descriptor.enumerable) return `[${typeof key === 'symbol' ? nameOfKey(key, context) : String(key)}]: ${text}`
  return `${nameOfKey(key, context)}: ${text}`
}

function formatDescriptor(context: InspectContext, value: object, descriptor: PropertyDescriptor, level: number): string {
  if ('value' in descriptor) return indented(context, () => formatValue(context, descriptor.value, level))
  if (!descriptor.get) return stylize(context, descriptor.set ? '[Setter]' : 'undefined', descriptor.set ? 'special' : 'undefined')
  const label = descriptor.set ? 'Getter/Setter' : 'Getter'
  if (!context.getters) return stylize(context, `[${label}]`, 'special')
  try {
    const got = Reflect.apply(descriptor.get, value, []) as unknown
    const shown = indented(context, () => formatValue(context, got, level))
    return typeof got === 'object' && got !== null ? `${stylize(context, `[${label}]`, 'special')} ${shown}` : `${stylize(context, `[${label}:`, 'special')} ${shown}${stylize(context, ']', 'special')}`
  } catch (thrown) {
    return stylize(context, `[${label}: <Inspection threw (${(thrown as Error)?.message})>]`, 'special')
  }
}

function indented(context: InspectContext, show: () => string): string {
  context.indentation += 2
  try {
    return show()
  } finally {
    context.indentation -= 2
  }
}

const more = (left: number) => `... ${left} more item${left > 1 ? 's' : ''}`

function formatArray(context: InspectContext, value: unknown[], level: number): string[] {
  const output: string[] = []
  let at = 0
  while (at < value.length && output.length < context.iterableLimit) {
    if (Object.hasOwn(value, at)) {
      output.push(formatProperty(context, value, at++, level, true))
      continue
    }
    let end = at + 1
    // As many as are asked for one by one; a hole of a million is not walked.
    const next = Object.keys(value).find((key) => isIndex(key) && Number(key) >= at)
    end = next === undefined ? value.length : Number(next)
    output.push(stylize(context, `<${end - at} empty item${end - at > 1 ? 's' : ''}>`, 'undefined'))
    at = end
  }
  if (at < value.length) output.push(more(value.length - at))
  return output
}

function formatTyped(context: InspectContext, view: Uint8Array): string[] {
  const count = Math.min(view.length, context.iterableLimit)
  const output: string[] = []
  for (let at = 0; at < count; at++) output.push(formatPrimitive(view[at], context))
  if (view.length > count) output.push(more(view.length - count))
  return output
}

function formatSet(context: InspectContext, set: Set<unknown>, level: number): string[] {
  const output: string[] = []
  for (const one of Set.prototype.values.call(set)) {
    if (output.length >= context.iterableLimit) break
    output.push(indented(context, () => formatValue(context, one, level)))
  }
  if (set.size > output.length) output.push(more(set.size - output.length))
  return output
}

function formatMap(context: InspectContext, map: Map<unknown, unknown>, level: number): string[] {
  const output: string[] = []
  for (const [key, one] of Map.prototype.entries.call(map) as Iterable<[unknown, unknown]>) {
    if (output.length >= context.iterableLimit) break
    output.push(indented(context, () => `${formatValue(context, key, level)} => ${formatValue(context, one, level)}`))
  }
  if (map.size > output.length) output.push(more(map.size - output.length))
  return output
}

function formatBytes(buffer: ArrayBuffer): string {
  const bytes = new Uint8Array(buffer, 0, Math.min(buffer.byteLength, BYTES_SHOWN))
  const left = buffer.byteLength - bytes.length
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
  return `[Uint8Contents]: <${hex}${left > 0 ? ` ... ${left} more byte${left > 1 ? 's' : ''}` : ''}>`
}

type FunctionLike = ((...args: never[]) => unknown) & { name: string }

function functionBase(value: FunctionLike, constructor: string | null, tag: string): string {
  const source = Function.prototype.toString.call(value)
  if (/^class[\s{]/.test(source)) return classBase(value, constructor, tag)
  const kind = Object.prototype.toString.call(value).slice(8, -1)
  const type = kind.endsWith('Function') ? kind : 'Function'
  const name = typeof value.name === 'string' && value.name !== '' ? `: ${value.name}` : ' (anonymous)'
  const base = `[${type}${constructor === null ? ' (null prototype)' : ''}${name}]`
  const extended = constructor !== null && constructor !== type && constructor !== 'Function' ? `${base} ${constructor}` : base
  return tag !== '' && constructor !== tag && tag !== type ? `${extended} [${tag}]` : extended
}

function classBase(value: FunctionLike, constructor: string | null, tag: string): string {
  const name = Object.hasOwn(value, 'name') && value.name !== '' ? value.name : '(anonymous)'
  const kind = constructor !== 'Function' && constructor !== null && !constructor.startsWith('Object <') ? ` [${constructor}]` : ''
  const parent = (Object.getPrototypeOf(value) as { name?: unknown } | null)?.name
  const from = constructor === null ? ' extends null' : typeof parent === 'string' && parent !== '' ? ` extends ${parent}` : ''
  return `[class ${name}${kind}${tag !== '' && constructor !== tag ? ` [${tag}]` : ''}${from}]`
}

function boxedBase(value: object, context: InspectContext): string | undefined {
  for (const [of, valueOf] of BOXES) {
    if (!(value instanceof (of as unknown as NumberConstructor)) || !hasSlots(valueOf, value)) continue
    const inner = Reflect.apply(valueOf, value, []) as unknown
    return stylize(context, `[${of.name}: ${formatPrimitive(inner, { ...context, colors: false })}]`, typeof inner)
  }
  return
}
const BOXES = [Number, String, Boolean, BigInt, Symbol].map((of) => [of, (of.prototype as { valueOf(): unknown }).valueOf] as const)

const setSize = getter(Set.prototype, 'size')
const mapSize = getter(Map.prototype, 'size')
const regExpSource = getter(RegExp.prototype, 'source')
const bufferLength = getter(ArrayBuffer.prototype, 'byteLength')

function getter(prototype: object, name: string): () => unknown {
  return Object.getOwnPropertyDescriptor(prototype, name)?.get as () => unknown
}

function hasSlots(method: (...args: never[]) => unknown, value: object): boolean {
  try {
    Reflect.apply(method, value, [] as never[])
    return true
  } catch {
    return false
  }
}
