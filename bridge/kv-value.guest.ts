import { fromBase64, toBase64 } from './base64.guest.ts'
import { refusal } from './errors.guest.ts'
import { DateOf, defineProperty, getPrototypeOf, isArray, keys, parse, stringify, text, uncurry } from './primordials.guest.ts'

// What a structured clone keeps and JSON does not is an object with one name that begins with `$`:
// {"$bigint":"1"}, {"$map":[[key, value]]}. An object that looks like that itself is put into {"$object":…}.

const MAX_DEPTH = 200
const BytesOf = Uint8Array
const BufferOf = ArrayBuffer
const MapOf = Map
const SetOf = Set
const RegExpOf = RegExp
const ErrorOf = Error
const VIEWS = [Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView] as const
const includes = uncurry(String.prototype.includes)
const timeOf = uncurry(Date.prototype.getTime)
const eachOfMap = uncurry(Map.prototype.forEach) as (map: Map<unknown, unknown>, visit: (value: unknown, key: unknown) => void) => void
const eachOfSet = uncurry(Set.prototype.forEach) as (set: Set<unknown>, visit: (value: unknown) => void) => void

/** Any value that a structured clone takes, but for cycles, as JSON text. @throws InvalidData for what cannot be cloned */
export function encodeValue(value: unknown): string {
  return encode(value, [])
}

export function decodeValue(encoded: string): unknown {
  const value: unknown = parse(encoded)
  return includes(encoded, '"$') ? revive(value) : value
}

export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof BytesOf
}

function encode(value: unknown, above: object[]): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return stringify(value)
  if (value === undefined) return '{"$undefined":0}'
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'bigint') return tag('bigint', '"' + value + '"')
  if (typeof value !== 'object') throw refusal('INVALID', `cannot keep the value, a ${typeof value} cannot be cloned`)
  for (let i = 0; i < above.length; i++) if (above[i] === value) throw refusal('INVALID', 'cannot keep the value, it holds itself')
  if (above.length >= MAX_DEPTH) throw refusal('INVALID', `cannot keep the value, it is nested deeper than ${MAX_DEPTH}`)
  above[above.length] = value
  const encoded = encodeObject(value, (inner) => encode(inner, above))
  above.length--
  return encoded
}

function encodeObject(value: object, inner: (value: unknown) => string): string {
  if (isArray(value)) return list(value.length, (i) => inner((value as unknown[])[i]))
  if (value instanceof DateOf) return tag('date', numberText(timeOf(value)))
  if (value instanceof BytesOf) return tag('bytes', stringify(toBase64(value)))
  if (value instanceof BufferOf) return tag('buffer', stringify(toBase64(new BytesOf(value))))
  if (value instanceof RegExpOf) return tag('regexp', stringify([value.source, value.flags]))
  if (value instanceof ErrorOf) return tag('error', stringify([text(value.name), text(value.message), text(value.stack ?? '')]))
  if (value instanceof MapOf) {
    let pairs = ''
    eachOfMap(value, (mapped, key) => (pairs += (pairs && ',') + '[' + inner(key) + ',' + inner(mapped) + ']'))
    return tag('map', '[' + pairs + ']')
  }
  if (value instanceof SetOf) {
    let members = ''
    eachOfSet(value, (member) => (members += (members && ',') + inner(member)))
    return tag('set', '[' + members + ']')
  }
  for (let i = 0; i < VIEWS.length; i++) {
    const View = VIEWS[i] as typeof Int8Array
    if (!(value instanceof View)) continue
    const bytes = new BytesOf(value.buffer, value.byteOffset, value.byteLength)
    return tag('view', '[' + i + ',' + stringify(toBase64(bytes)) + ']')
  }
  const names = keys(value)
  let members = ''
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string
    members += (i > 0 ? ',' : '') + stringify(name) + ':' + inner((value as Record<string, unknown>)[name])
  }
  const plain = '{' + members + '}'
  return names.length === 1 && (names[0] as string)[0] === '$' ? tag('object', plain) : plain
}

function numberText(value: number): string {
  if (value === 0 && 1 / value < 0) return '{"$number":"-0"}'
  return value - value === 0 ? '' + value : tag('number', '"' + value + '"')
}

function tag(name: string, content: string): string {
  return '{"$' + name + '":' + content + '}'
}

function list(length: number, item: (index: number) => string): string {
  let items = ''
  for (let i = 0; i < length; i++) items += (i > 0 ? ',' : '') + item(i)
  return '[' + items + ']'
}

function revive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = revive(value[i])
    return value
  }
  const names = keys(value)
  const [first = ''] = names
  if (names.length === 1 && first[0] === '$') return reviveTag(first, (value as Record<string, unknown>)[first])
  return reviveMembers(value, names)
}

function reviveMembers(value: object, names: string[]): object {
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string
    // Defined, not assigned: a member may be called __proto__.
    defineProperty(value, name, { value: revive((value as Record<string, unknown>)[name]), writable: true, enumerable: true, configurable: true })
  }
  return value
}

function reviveTag(name: string, content: unknown): unknown {
  if (name === '$undefined') return undefined
  if (name === '$number') return +(content as string)
  if (name === '$bigint') return BigInt(content as string)
  if (name === '$date') return new DateOf(revive(content) as number)
  if (name === '$bytes') return fromBase64(content as string)
  if (name === '$buffer') return fromBase64(content as string).buffer
  if (name === '$object') return reviveMembers(content as object, keys(content as object))
  const items = content as unknown[]
  if (name === '$regexp') return new RegExpOf(items[0] as string, items[1] as string)
  if (name === '$error') return reviveError(items as string[])
  if (name === '$view') return new (VIEWS[items[0] as number] as new (buffer: ArrayBufferLike) => object)(fromBase64(items[1] as string).buffer)
  if (name === '$set') {
    const set = new SetOf<unknown>()
    for (let i = 0; i < items.length; i++) set.add(revive(items[i]))
    return set
  }
  const map = new MapOf<unknown, unknown>()
  for (let i = 0; i < items.length; i++) {
    const [key, mapped] = items[i] as [unknown, unknown]
    map.set(revive(key), revive(mapped))
  }
  return map
}

function reviveError([name, message, stack]: string[]): Error {
  const error = new ErrorOf(message)
  if (name !== getPrototypeOf(error).name) defineProperty(error, 'name', { value: name, writable: true, configurable: true })
  defineProperty(error, 'stack', { value: stack, writable: true, configurable: true })
  return error
}
