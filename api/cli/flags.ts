import type { Declaration, Schema } from './declaration.ts'

/** One input of an operation as the command line takes it. */
export interface Input {
  /** As it is typed, without dashes. */
  flag: string
  key: string
  /** Where the input is one of several things, such as `{ npm }` or `{ git }`: which of them this flag is. */
  inside?: string
  place: 'path' | 'query' | 'body' | 'upload'
  schema: Schema
  required: boolean
}

/** Every input, and which of them can be given by position. */
export interface Shape {
  inputs: readonly Input[]
  /** Without dashes, in this order. */
  positional: readonly Input[]
  /** A list that takes every argument after those. */
  rest: Input | undefined
  /** The schema of the whole body, where there is one: `--data`, and by position where it has no members of its own. */
  body: { schema: Schema; required: boolean; positional: boolean } | undefined
}

/**
 * How the command line takes the input of an operation: the parameters of the path by position, then what else is
 * required, then the one list; all but the path's by flags as well.
 *
 * @example shapeOf(grant).positional.map(({ flag }) => flag) // ['name']
 */
export function shapeOf({ input, path, body, upload }: Declaration): Shape {
  const properties = Object.entries(input.properties ?? {})
  const inPath = [...path.matchAll(/:(\w+)/g)].map((match) => match[1] as string)
  const place = (key: string) => (inPath.includes(key) ? 'path' : key === upload ? 'upload' : 'query')
  const ofRequest = properties
    .filter(([key]) => key !== body)
    .map(([key, schema]): Input => ({ flag: kebab(key), key, place: place(key), schema, required: input.required?.includes(key) ?? false }))
  const whole = body === undefined ? undefined : input.properties?.[body]
  const bodyRequired = body !== undefined && (input.required?.includes(body) ?? false)
  // A member that is called as something of the query is: --body-NAME.
  const flagOf = (key: string) => kebab(ofRequest.some((other) => other.key === key) ? `body-${key}` : key)
  const ofBody = Object.entries(whole?.properties ?? {}).flatMap(([key, schema]): Input[] => {
    const required = bodyRequired && (whole?.required?.includes(key) ?? false)
    const kinds = kindsOf(schema)
    if (kinds.length === 0) return [{ flag: flagOf(key), key, place: 'body', schema, required }]
    return kinds.map(([inside, of]) => ({ flag: flagOf(inside), key, inside, place: 'body', schema: of, required }))
  })
  const inputs = [...ofRequest, ...ofBody]
  const pathInputs = inPath.flatMap((key) => inputs.find((one) => one.key === key && one.place === 'path') ?? [])
  const lists = inputs.filter(({ place, schema, inside }) => place === 'body' && inside === undefined && isTextList(schema))
  const positional = [...pathInputs, ...inputs.filter((one) => one.required && one.place !== 'path' && !lists.includes(one) && isPlain(one))]
  return {
    inputs,
    positional,
    rest: lists.length === 1 ? lists[0] : undefined,
    body: whole && { schema: whole, required: bodyRequired, positional: ofBody.length === 0 },
  }
}

/** The one field of each of several things that an input may be; none for an input of another form. */
function kindsOf({ anyOf }: Schema): Array<readonly [string, Schema]> {
  const kinds = (anyOf ?? []).map(({ type, properties }) => (type === 'object' ? Object.entries(properties ?? {}) : []))
  return kinds.every((fields) => fields.length === 1) ? kinds.flat() : []
}

function isPlain({ place, schema, inside }: Input): boolean {
  if (inside !== undefined) return false
  return place === 'upload' || schema.enum !== undefined || ['string', 'integer', 'number'].includes(String(schema.type))
}

export function isTextList({ type, items }: Schema): boolean {
  return type === 'array' && (items?.type === 'string' || items?.enum !== undefined)
}

/** A flag that needs no value. */
export function isSwitch({ type }: Schema): boolean {
  return type === 'boolean'
}

/** @example kebab('dryRun') // dry-run */
export function kebab(key: string): string {
  return key.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()
}

/** The flags that are the command line's own, or mean the same wherever they are served. */
export const COMMON = {
  format: { value: 'FORMAT', about: 'table, json or yaml; json is the answer of the API as it is (table)' },
  output: { value: 'FILE', short: 'o', about: 'write the result to a file, whole or not at all; its ending says the format' },
  quiet: { short: 'q', about: 'names or ids only, one a line; of a change, nothing' },
  verbose: { short: 'v', about: 'tell on standard error what is sent, how it is answered, and every detail of an error' },
  'dry-run': { about: 'check and report, and change nothing' },
  page: { value: 'N|all', about: 'which page of a list, or all of them (1)' },
  limit: { value: 'N', about: 'how many items a page has' },
  filter: { value: 'FIELD=VALUE', about: 'only the items with this value' },
  search: { value: 'TEXT', about: 'only the items with this text' },
  sort: { value: 'FIELD', about: 'order by this field' },
  order: { value: 'asc|desc', about: 'which way to order' },
  follow: { short: 'f', about: 'go on, and tell what is new as it happens, until Ctrl-C' },
  data: { value: 'JSON|@FILE|-', about: 'the whole body: JSON, a file of JSON or YAML, or standard input; other flags go over it' },
  batch: { value: 'FILE|-', about: 'once for each line of a file: its arguments, or its input as a JSON object' },
  interactive: { short: 'i', about: 'ask for what is missing' },
  confirm: { short: 'y', about: 'do what cannot be undone without asking' },
  help: { short: 'h', about: 'tell of the command' },
} as const satisfies Record<string, { value?: string; short?: string; about: string }>
export type CommonFlag = keyof typeof COMMON

/** Which of the common flags a command serves; the others are refused with a sentence. */
export function servedBy(declaration: Declaration): ReadonlySet<CommonFlag> {
  const { inputs, positional, body } = shapeOf(declaration)
  const has = (key: string) => inputs.some((one) => one.key === key)
  const served = new Set<CommonFlag>(['output', 'quiet', 'verbose', 'help'])
  if (declaration.streams !== 'application/x-ndjson') served.add('format')
  for (const flag of ['limit', 'filter', 'search', 'sort', 'order', 'confirm'] as const) if (has(flag)) served.add(flag)
  if (declaration.lists && has('cursor')) served.add('page')
  // What asks to be confirmed by its body tells what it would do until it is.
  if (has('dryRun') || (has('confirm') && !declaration.dangerous)) served.add('dry-run')
  if (declaration.follows !== undefined) served.add('follow')
  if (declaration.dangerous) served.add('confirm')
  if (body) served.add('data')
  if (inputs.length > 0 || body) served.add('interactive')
  if ((positional.length > 0 || body) && !declaration.streams && !declaration.upload) served.add('batch')
  return served
}

/** Why a common flag is refused by a command that does not serve it. */
export function unserved(flag: CommonFlag, { name }: Declaration): string {
  const why: Partial<Record<CommonFlag, string>> = {
    format: 'what it sends are lines of JSON',
    'dry-run': 'it changes nothing, or cannot tell beforehand what it would change',
    page: 'its answer has no pages',
    limit: 'its answer has no pages',
    confirm: 'nothing of it has to be confirmed',
    follow: 'nothing of it happens as one looks on',
    data: 'it has no body',
    interactive: 'there is nothing to ask for',
    batch: 'it is not for many at once',
  }
  return `${name} has no --${flag}, ${why[flag] ?? 'it is no list that can be asked so'}`
}
