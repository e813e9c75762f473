import { needArguments, shapeInspectionAs, shapeInterface, shapeIterable, toByteString } from './interface.guest.ts'

/** Fetch, 2.2: a header list, its names in lower case and in the order in which they came. */
export type HeaderList = Array<[name: string, value: string]>
export type HeadersInit = Headers | Iterable<readonly string[]> | Record<string, string>

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const BAD_VALUE = /[\0\r\n]/

let pairsOf: (headers: Headers) => HeaderList
let listOf: (headers: Headers) => HeaderList
let create: (list: HeaderList, immutable: boolean) => Headers
let isHeaders: (value: unknown) => value is Headers

/** Fetch, 5.1. As in Deno, a module may set any header; which ones leave the host is the host's to say. */
export class Headers {
  #list: HeaderList = []
  #immutable = false
  #sorted: HeaderList | undefined

  static {
    listOf = (headers) => headers.#list
    isHeaders = (value): value is Headers => typeof value === 'object' && value !== null && #list in value
    create = (list, immutable) => {
      const headers = new Headers()
      headers.#list = list
      headers.#immutable = immutable
      return headers
    }
    pairsOf = (headers) => (headers.#sorted ??= sortAndCombine(headers.#list))
  }

  constructor(init: HeadersInit | undefined = undefined) {
    if (init === undefined) return
    const where = "Failed to construct 'Headers': Argument 1"
    for (const [name, value] of readInit(init, where)) this.#append(name, value)
  }

  #append(name: string, value: string): void {
    const entry = checked(name, value)
    this.#mustBeMutable()
    this.#list.push(entry)
    this.#sorted = undefined
  }

  append(name: string, value: string): void {
    needArguments(arguments.length, 2, 'append', 'Headers')
    this.#append(toByteString(name, "Failed to execute 'append' on 'Headers': Argument 1"), toByteString(value, "Failed to execute 'append' on 'Headers': Argument 2"))
  }

  delete(name: string): void {
    needArguments(arguments.length, 1, 'delete', 'Headers')
    const key = checkedName(toByteString(name, "Failed to execute 'delete' on 'Headers': Argument 1"))
    this.#mustBeMutable()
    removeFrom(this.#list, key, 0)
    this.#sorted = undefined
  }

  get(name: string): string | null {
    needArguments(arguments.length, 1, 'get', 'Headers')
    return getHeader(this.#list, checkedName(toByteString(name, "Failed to execute 'get' on 'Headers': Argument 1")))
  }

  getSetCookie(): string[] {
    return this.#list.filter(([name]) => name === 'set-cookie').map(([, value]) => value)
  }

  has(name: string): boolean {
    needArguments(arguments.length, 1, 'has', 'Headers')
    return hasHeader(this.#list, checkedName(toByteString(name, "Failed to execute 'has' on 'Headers': Argument 1")))
  }

  set(name: string, value: string): void {
    needArguments(arguments.length, 2, 'set', 'Headers')
    const entry = checked(toByteString(name, "Failed to execute 'set' on 'Headers': Argument 1"), toByteString(value, "Failed to execute 'set' on 'Headers': Argument 2"))
    this.#mustBeMutable()
    const at = this.#list.findIndex(([other]) => other === entry[0])
    if (at < 0) this.#list.push(entry)
    else {
      this.#list[at] = entry
      removeFrom(this.#list, entry[0], at + 1)
    }
    this.#sorted = undefined
  }

  #mustBeMutable(): void {
    if (this.#immutable) throw new TypeError('Cannot change headers: headers are immutable')
  }
}
shapeInterface(Headers)
shapeIterable<Headers>(Headers, pairsOf)
shapeInspectionAs(Headers, (self, inspect, options) => `Headers ${inspect(Object.fromEntries(pairsOf(self as Headers)), options)}`)

/** The list of a Headers, which is its own and not a copy. */
export { listOf as headerListOf, create as headersFrom, isHeaders }

/** Headers that nobody may change, as those of what was fetched. */
export function frozenHeaders(list: HeaderList): Headers {
  return create(list, true)
}

/** The values of a header as one, null where there is none. */
export function getHeader(list: HeaderList, name: string): string | null {
  const values = list.filter(([other]) => other === name).map(([, value]) => value)
  return values.length === 0 ? null : values.join(', ')
}

export function hasHeader(list: HeaderList, name: string): boolean {
  return list.some(([other]) => other === name)
}

/** Fetch, 5.1: fills a list from what a constructor was given. @throws TypeError */
export function fillHeaders(list: HeaderList, init: HeadersInit, where: string): void {
  for (const [name, value] of readInit(init, where)) list.push(checked(name, value))
}

function sortAndCombine(list: HeaderList): HeaderList {
  const sorted: HeaderList = []
  for (const name of [...new Set(list.map(([name]) => name))].toSorted()) {
    if (name === 'set-cookie') sorted.push(...list.filter(([other]) => other === name))
    else sorted.push([name, getHeader(list, name) as string])
  }
  return sorted
}

function removeFrom(list: HeaderList, name: string, from: number): void {
  for (let i = list.length - 1; i >= from; i--) if (list[i]?.[0] === name) list.splice(i, 1)
}

function checkedName(name: string): string {
  if (!NAME.test(name)) throw new TypeError(`Invalid header name: ${JSON.stringify(name)}`)
  return name.toLowerCase()
}

function checked(name: string, value: string): [string, string] {
  const key = checkedName(name)
  const trimmed = value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
  if (BAD_VALUE.test(trimmed)) throw new TypeError(`Invalid header value: ${JSON.stringify(trimmed)}`)
  return [key, trimmed]
}

/** A sequence of pairs, or a record: `(sequence<sequence<ByteString>> or record<ByteString, ByteString>)`. */
function readInit(init: HeadersInit, where: string): HeaderList {
  if (typeof init !== 'object' || init === null) {
    throw new TypeError(`${where} The provided value is not of type '(sequence<sequence<ByteString>> or record<ByteString, ByteString>)'`)
  }
  const iterate = (init as Partial<Iterable<Iterable<string>>>)[Symbol.iterator]
  if (iterate !== undefined && iterate !== null) return readSequence(init as Iterable<Iterable<string>>, where)
  const list: HeaderList = []
  for (const name of Object.keys(init)) list.push([toByteString(name, where), toByteString((init as Record<string, string>)[name], where)])
  return list
}

function readSequence(init: Iterable<Iterable<string>>, where: string): HeaderList {
  const pairs: string[][] = []
  for (const pair of init) {
    if (typeof pair !== 'object' || pair === null) throw new TypeError(`${where} is not a sequence of sequences`)
    pairs.push(Array.from(pair, (part) => toByteString(part, where)))
  }
  return pairs.map((pair) => {
    if (pair.length !== 2) throw new TypeError(`Invalid header: length must be 2, but is ${pair.length}`)
    return pair as [string, string]
  })
}
