import { type Static, type TObject, type TProperties, type TSchema, Type } from 'typebox'
import { BulkheadError } from '../bridge/errors.ts'
import { refusal } from '../runtime/fault-finder.ts'
import { didYouMean } from '../runtime/nearest.ts'
import { type Asked, operation, type Operation, type Scope, type Services } from './operation.ts'
import { pageOf } from './operations/page.ts'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 1000

interface ListDeclared<Own extends TProperties, Item extends TObject> {
  name: `${string}:${string}`
  http: `GET /${string}`
  scope: Scope
  summary: string
  description?: string
  /** What the list takes besides what every list does. */
  input?: Own
  item: Item
  /** The fields that tell one item from another; the order, unless another is asked for. */
  key: ReadonlyArray<keyof Static<Item> & string>
  example: Static<TObject<Own>> & Asking
  examples?: ReadonlyArray<{ summary: string; input: Static<TObject<Own>> & Asking }>
  /** All of them, in any order. */
  all(services: Services, input: Static<TObject<Own>>, asked: Asked): ReadonlyArray<Static<Item>> | Promise<ReadonlyArray<Static<Item>>>
}

/** What every list takes. */
interface Asking {
  limit?: number
  cursor?: string
  filter?: string[]
  search?: string
  sort?: string
  order?: 'asc' | 'desc'
}

/**
 * Declares an operation that lists what the host has in its memory. It comes in pages, filtered by `field=value`,
 * searched in every field of text, and sorted by a field of one value each; unknown fields are refused with those there
 * are. Between two pages, what is added or removed moves nothing else.
 *
 * @example
 * listOperation({ name: 'boxes:list', http: 'GET /v1/boxes', scope: 'boxes:read', summary: 'List the boxes',
 *   item: Box, key: ['name'], example: { sort: 'size', order: 'desc' }, all: ({ runtime }) => runtime.boxes() })
 */
export function listOperation<Own extends TProperties, Item extends TObject>(declared: ListDeclared<Own, Item>): Operation {
  const { item, key, all, input: own, example, examples = [], ...rest } = declared
  const fields = fieldsOf(item)
  const known = Object.keys(fields)
  const sortable = known.filter((name) => fields[name] === 'one')
  const input = Type.Object({
    ...own,
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT })),
    cursor: Type.Optional(Type.String({ maxLength: 2000, description: 'the nextCursor of the page before' })),
    filter: Type.Optional(
      Type.Array(Type.String({ maxLength: 500 }), {
        maxItems: 20,
        description: `field=value, of ${known.join(', ')}; given several times, all must hold`,
      }),
    ),
    search: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'what some text of an item contains, in any case' })),
    sort: Type.Optional(Type.Enum(sortable, { noun: 'field', description: `${key.join(', then ')} unless given` })),
    order: Type.Optional(Type.Enum(['asc', 'desc'], { noun: 'order', default: 'asc' })),
  })
  return operation({
    ...rest,
    input: input as unknown as TObject,
    output: pageOf(item),
    example: example as never,
    examples: examples as never,
    async run(services, given, asked) {
      const asking = given as Asking
      const filters = filtersOf(asking.filter ?? [], known)
      const items = (await all(services, given as Static<TObject<Own>>, asked)) as ReadonlyArray<Record<string, unknown>>
      const matching = items.filter((one) => filters.every((filter) => holds(one, filter)) && contains(one, known, asking.search))
      return pageFrom(matching, key, asking) as never
    },
  })
}

/** The fields that have a plain value each, and those that have several. */
function fieldsOf(item: TObject): Record<string, 'one' | 'many'> {
  const named = Object.entries(item.properties as Record<string, TSchema>).map(([name, schema]) => [name, kindOf(schema)] as const)
  return Object.fromEntries(named.filter((field): field is [string, 'one' | 'many'] => field[1] !== undefined))
}

function kindOf(schema: TSchema): 'one' | 'many' | undefined {
  const { type, enum: listed, anyOf, items } = schema as { type?: string; enum?: unknown[]; anyOf?: TSchema[]; items?: TSchema }
  if (anyOf) return anyOf.every((one) => kindOf(one) === 'one') ? 'one' : undefined
  if (listed || ['string', 'integer', 'number', 'boolean', 'null'].includes(type ?? '')) return 'one'
  return items && kindOf(items) === 'one' ? 'many' : undefined
}

interface Filter {
  field: string
  value: string
}

/** @throws INVALID with every filter that is none */
function filtersOf(given: readonly string[], known: readonly string[]): Filter[] {
  const faults = given.flatMap((text) => {
    const at = text.indexOf('=')
    if (at === -1) return [{ path: 'filter', message: `must be field=value, not ${JSON.stringify(text.slice(0, 100))}` }]
    const field = text.slice(0, at)
    if (known.includes(field)) return []
    const shown = JSON.stringify(field.slice(0, 100))
    return [{ path: 'filter', message: `unknown field ${shown}${didYouMean(field, known)}; there are ${known.join(', ')}` }]
  })
  if (faults.length > 0) throw refusal('cannot filter the list', faults)
  return given.map((text) => ({ field: text.slice(0, text.indexOf('=')), value: text.slice(text.indexOf('=') + 1) }))
}

const holds = (item: Record<string, unknown>, { field, value }: Filter): boolean => textsOf(item[field]).includes(value)

function contains(item: Record<string, unknown>, fields: readonly string[], search: string | undefined): boolean {
  if (search === undefined) return true
  const wanted = search.toLowerCase()
  return fields.some((field) => textsOf(item[field]).some((text) => text.toLowerCase().includes(wanted)))
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [value === null || value === undefined ? '' : String(plainOf(value))]
}

/** A moment is told, compared and kept in cursors as its text. */
const plainOf = (value: unknown): unknown => (value instanceof Date ? value.toISOString() : (value ?? null))

type Place = [value: unknown, key: string]

function pageFrom(items: ReadonlyArray<Record<string, unknown>>, key: readonly string[], asking: Asking): { items: unknown[]; nextCursor: string | null } {
  const { limit = DEFAULT_LIMIT, sort = '', order = 'asc', cursor } = asking
  const sign = order === 'asc' ? 1 : -1
  const placed = items.map((item) => {
    const place: Place = [sort === '' ? null : plainOf(item[sort]), key.map((name) => textsOf(item[name])[0]).join('\0')]
    return { item, place }
  })
  placed.sort((one, other) => sign * compare(one.place, other.place))
  const start = cursor === undefined ? undefined : readCursor(cursor, sort, order)
  const from = start === undefined ? 0 : placed.findIndex(({ place }) => sign * compare(place, start) > 0)
  const page = from === -1 ? [] : placed.slice(from, from + limit)
  const isLast = from === -1 || from + limit >= placed.length
  return { items: page.map(({ item }) => item), nextCursor: isLast ? null : writeCursor(page.at(-1)!.place, sort, order) }
}

const compare = ([value, key]: Place, [other, otherKey]: Place): number => ranked(value, other) || ranked(key, otherKey)

/** What is not there comes before all that is. */
function ranked(one: unknown, other: unknown): number {
  if (one === other) return 0
  if (one === null) return -1
  if (other === null) return 1
  return (one as string) < (other as string) ? -1 : 1
}

const writeCursor = (place: Place, sort: string, order: string): string => Buffer.from(JSON.stringify([sort, order, ...place])).toString('base64url')

/** @throws BAD_REQUEST for what no page in this order came with */
function readCursor(cursor: string, sort: string, order: string): Place {
  const [sortedBy, ordered, value, key] = parsed(Buffer.from(cursor, 'base64url').toString())
  const isPlain = value === null || ['string', 'number', 'boolean'].includes(typeof value)
  if (sortedBy === sort && ordered === order && isPlain && typeof key === 'string') return [value, key]
  throw new BulkheadError('BAD_REQUEST', 'cannot read the cursor: it is not one that a page with this sort and order came with')
}

function parsed(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}
