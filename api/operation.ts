import { Type, type Static, type TObject, type TProperties, type TSchema } from 'typebox'
import { BulkheadError, type ErrorCode } from '../bridge/errors.ts'
import type { Report } from '../runtime/progress.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Metrics } from './metrics.ts'
import type { Audit } from '../runtime/store/audit.ts'
import type { KeyRows } from '../runtime/store/key-rows.ts'
import type { Caller } from '../runtime/store/keys.ts'
import type { ProgressRows } from '../runtime/store/progress-rows.ts'
import type { RoleRows } from '../runtime/store/role-rows.ts'
import { type Fault, faultFinder, refusal } from '../runtime/fault-finder.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export type Scope = `${string}:${'read' | 'write' | 'execute'}`

/** What an operation works with. */
export interface Services {
  runtime: Runtime
  /** Who may ask for what, and what they did. */
  access: { keys: KeyRows; roles: RoleRows; audit: Audit }
  /** All that can be asked for. */
  operations: readonly Operation[]
  /** What is counted. */
  metrics: Metrics
  /** How long work stands. */
  progress: Pick<ProgressRows, 'find'>
}

/** Who asks, and under which id the request is logged and answered. */
export interface Asked {
  requestId: string
  caller: Caller
  /** Of a stream: the last event that the client has seen. */
  lastEventId?: string
  /** Of a stream: aborted when the client has left. */
  left?: AbortSignal
  /** Tells those who wait for a long operation how far it is; nothing happens where nobody can ask. */
  report: Report
}

/** An output that is sent as it is made: lines of JSON, each with its line end. */
export const Lines = Type.Unsafe<AsyncIterable<string>>({ type: 'string', contentMediaType: 'application/x-ndjson' })

/** An input that is read as it arrives. */
export const Upload = Type.Unsafe<AsyncIterable<Uint8Array>>({ type: 'string', contentMediaType: 'application/x-ndjson' })

/** The input that confirms a dangerous operation; the command line's `--confirm`. */
const CONFIRM = { confirm: Type.Optional(Type.Boolean({ default: false })) }

interface Declared<Input extends TObject, Output extends TSchema> {
  name: `${string}:${string}`
  http: `${Method} /${string}`
  scope: Scope
  /** One line without a full stop, in lists of operations. */
  summary: string
  /** What the summary leaves out: what is changed, what is refused and why, in whole sentences. */
  description?: string
  /**
   * Every input, wherever it comes from: the path's parameters, the body, and of the query whatever is left. One of the
   * query that is an array is given by repeating it. What a schema marks with `secret: true` is in no record of who did what.
   */
  input: Input
  /** The input that is the whole JSON body; without it, nothing is read from a body. */
  body?: keyof Input['properties'] & string
  /** The input that is the body as it comes, unread, of any type and length: an `Upload`. */
  upload?: keyof Input['properties'] & string
  /** `Lines`, or another `AsyncIterable` with a `contentMediaType`: it is sent as it is made. */
  output: Output
  /** The HTTP statuses of what it answers where it is done, 200 unless said, and where there are several, which an output has. */
  statuses?: readonly number[]
  status?(output: Static<Output>): number
  /** What it may fail with besides what any operation may; only those of 500 and more have to be named. */
  errors?: readonly ErrorCode[]
  /**
   * Whether it takes something away that cannot be brought back: then it is refused without `confirm=true` in the query,
   * unless the input has `dryRun`. The confirmation is no part of `input`, and `run` never sees it.
   */
  dangerous?: true | ((input: Static<Input>) => boolean)
  /** It may take longer than a request should: with `Prefer: respond-async`, or after a while, 202 and a progress resource. */
  long?: true
  /** Whether it changes something, where the scope's `:write` does not say so. */
  writes?: boolean
  /** Its answer is a resource, and comes with an `ETag`: of all of it, or of what this leaves of it. */
  tagged?: true | ((output: Static<Output>) => unknown)
  /**
   * Of a write: what it is about to change, which the record of who did what has as what was before. Where a tagged
   * operation reads the same, `If-Match` is compared with it.
   */
  before?(services: Services, input: Static<Input>): unknown
  /** Of a write whose answer is not tagged: what is left of what was before for its `ETag`, as of the operation that reads it. */
  tag?(resource: never): unknown
  /**
   * An input that works on a fresh installation; shown in help and run by the tests. Of a dangerous one, with `confirm`
   * or `dryRun`. Where it names what has to be made first, `prepared` of api/examples.setup.ts makes it.
   */
  example: Static<Input> & { confirm?: true }
  /** More of them, for help and documents; each is checked against `input`. */
  examples?: ReadonlyArray<{ summary: string; input: Static<Input> & { confirm?: true } }>
  run(services: Services, input: Static<Input>, asked: Asked): Static<Output> | Promise<Static<Output>>
}

/** One thing that the product can be asked to do; the table of them is what the API consists of. */
export interface Operation {
  name: string
  method: Method
  path: string
  /** What its name begins with; operations are grouped by it. */
  domain: string
  scope: Scope
  summary: string
  description: string | undefined
  /** All inputs, `confirm` of a dangerous one included. */
  input: TObject
  body: string | undefined
  upload: string | undefined
  /** The media type of an output that is sent as it is made. */
  streams: string | undefined
  output: TSchema
  statuses: readonly number[]
  status(output: unknown): number
  errors: readonly ErrorCode[]
  dangerous: boolean
  long: boolean
  writes: boolean
  tagged: boolean
  /** Whether it takes `If-Match`. */
  matches: boolean
  /** What of a resource its `ETag` is of, where that is not all. */
  tag: ((resource: unknown) => unknown) | undefined
  /** Whether its answer is a page of a list, with `items` and `nextCursor`. */
  lists: boolean
  before?(services: Services, input: unknown): unknown
  example: Record<string, unknown>
  examples: ReadonlyArray<{ summary: string; input: Record<string, unknown> }>
  run(services: Services, input: unknown, asked: Asked): unknown
  /**
   * Merges and checks what a request brings.
   * @throws BulkheadError `INVALID` with every fault in `details.faults`; `NOT_CONFIRMED`
   */
  read(request: Arrived): unknown
}

interface Arrived {
  path: Record<string, string>
  query: URLSearchParams
  /** Parsed, not yet checked; undefined without a body. Of an upload, the body itself. */
  body: unknown
}

/**
 * Declares an operation, and the checks of its input.
 *
 * @example
 * operation({
 *   name: 'modules:reload', http: 'POST /v1/modules/:name/reload', scope: 'modules:write', summary: 'Reload a module',
 *   input: Type.Object({ name: Label }), output: ModuleStatus, example: { name: 'pii-filter' },
 *   run: ({ runtime }, { name }) => runtime.reload(name),
 * })
 */
export function operation<Input extends TObject, Output extends TSchema>(declared: Declared<Input, Output>): Operation {
  const [method, path] = declared.http.split(' ') as [Method, string]
  const parameters = inPath(path)
  const { name, body: whole, upload, dangerous } = declared
  const properties: TProperties = { ...declared.input.properties, ...(dangerous !== undefined && CONFIRM) }
  const only = (wanted: (name: string) => boolean): TProperties =>
    Object.fromEntries(Object.entries(properties).filter(([name]) => wanted(name)))
  const inQuery = only((name) => name !== whole && name !== upload && !parameters.includes(name))
  const check = {
    path: whenAsked(() => faultFinder(closed(only((name) => parameters.includes(name))), { coerce: true })),
    query: whenAsked(() => faultFinder(closed(inQuery), { coerce: true })),
    body: whenAsked(() => faultFinder(whole === undefined ? closed({}) : properties[whole]!)),
  }
  const { before } = declared
  return {
    ...declared,
    method,
    path,
    domain: name.slice(0, name.indexOf(':')),
    description: declared.description,
    input: dangerous === undefined ? declared.input : Type.Object(properties, { additionalProperties: false }),
    body: whole,
    upload,
    streams: (declared.output as { contentMediaType?: string }).contentMediaType,
    statuses: declared.statuses ?? [200],
    status: (output) => declared.status?.(output as Static<Output>) ?? declared.statuses?.[0] ?? 200,
    errors: declared.errors ?? [],
    dangerous: dangerous !== undefined,
    long: declared.long ?? false,
    writes: declared.writes ?? declared.scope.endsWith(':write'),
    tagged: declared.tagged !== undefined,
    matches: before !== undefined && (declared.tagged !== undefined || declared.tag !== undefined),
    tag: (declared.tag ?? (declared.tagged === true ? undefined : declared.tagged)) as Operation['tag'],
    lists: 'cursor' in properties,
    ...(before && { before: (services: Services, input: unknown) => before(services, input as Static<Input>) }),
    example: declared.example as Record<string, unknown>,
    examples: (declared.examples ?? []) as Operation['examples'],
    run: (services, input, asked) => declared.run(services, input as Static<Input>, asked),
    read({ path, query, body = {} }) {
      const { values, repeated } = valuesOf(query, inQuery)
      const inBody = upload === undefined ? check.body(body) : []
      const faults = [...check.path(path), ...repeated, ...check.query(values), ...inBody]
      if (faults.length > 0) throw refusal(`${name} cannot use this input`, faults)
      const input: Record<string, unknown> = {
        ...values,
        ...path,
        ...(whole !== undefined && { [whole]: body }),
        ...(upload !== undefined && { [upload]: body }),
      }
      if (dangerous === undefined) return input
      const { confirm, ...rest } = input
      const asks = rest['dryRun'] !== true && (dangerous === true || dangerous(rest as Static<Input>))
      if (asks && confirm !== true) throw unconfirmed(name)
      return rest
    },
  }
}

/** The names of a path's parameters. */
export const inPath = (path: string): string[] => [...path.matchAll(/:(\w+)/g)].map((match) => match[1]!)

function unconfirmed(name: string): BulkheadError {
  const how = 'send it again with confirm=true in the query, or with --confirm on the command line'
  return new BulkheadError('NOT_CONFIRMED', `cannot do ${name} unconfirmed, as it cannot be undone: ${how}`, { confirm: 'true' })
}

/** Compiling every check of the table would take most of a start; each is compiled by the first request that needs it. */
function whenAsked(make: () => (value: unknown) => Fault[]): (value: unknown) => Fault[] {
  let made: ReturnType<typeof make> | undefined
  return (value) => (made ??= make())(value)
}

const closed = (properties: TProperties): TObject =>
  Type.Object(properties, { additionalProperties: false, expects: 'an object' })

/** Without a prototype, so that `__proto__` is a name like any other, and as unknown as any. */
function valuesOf(query: URLSearchParams, known: TProperties): { values: Record<string, unknown>; repeated: Fault[] } {
  const values: Record<string, unknown> = Object.create(null)
  const repeated = new Set<string>()
  for (const [name, value] of query) {
    if (Object.hasOwn(known, name) && (known[name] as { type?: unknown }).type === 'array') {
      values[name] = [...((values[name] as string[] | undefined) ?? []), value]
      continue
    }
    if (name in values) repeated.add(name)
    values[name] = value
  }
  return { values, repeated: [...repeated].map((path) => ({ path, message: 'is given more than once' })) }
}
