import type { Operation } from '../operation.ts'

/** As much of a JSON Schema as the command line looks at. */
export interface Schema {
  type?: string | readonly string[]
  enum?: readonly unknown[]
  anyOf?: readonly Schema[]
  properties?: Readonly<Record<string, Schema>>
  required?: readonly string[]
  additionalProperties?: unknown
  items?: Schema
  default?: unknown
  minimum?: number
  maximum?: number
  format?: string
  contentMediaType?: string
  expects?: string
  noun?: string
  description?: string
}

/** What the command line knows of an operation: plain data, so that a client starts without the code behind it. */
export interface Declaration {
  name: string
  method: string
  path: string
  summary: string
  description?: string
  input: Schema
  /** The input that is the whole JSON body. */
  body?: string
  /** The input that is sent as it comes, and its media type where there is one. */
  upload?: string
  /** The media type of an answer that is sent as it is made. */
  streams?: string
  /** Whether the answer is a list of items. */
  lists: boolean
  /** The operation that goes on where this list ends: `--follow`. */
  follows?: string
  dangerous: boolean
  long: boolean
  writes: boolean
  examples: ReadonlyArray<{ summary?: string; input: Readonly<Record<string, unknown>> }>
}

/**
 * What an operation says of itself, without what it does.
 *
 * @example declarationOf(reload).path // /v1/modules/:name/reload
 */
export function declarationOf(operation: Operation): Declaration {
  const { name, method, path, summary, description, body, upload, streams, dangerous, long, writes, example, examples } = operation
  const output = operation.output as Schema
  const plain: Declaration = {
    name,
    method,
    path,
    summary,
    ...(description !== undefined && { description }),
    input: operation.input as Schema,
    ...(body !== undefined && { body }),
    ...(upload !== undefined && { upload }),
    ...(streams !== undefined && { streams }),
    lists: output.properties?.['items'] !== undefined,
    dangerous,
    long,
    writes,
    examples: [{ input: example }, ...examples],
  }
  return JSON.parse(JSON.stringify(plain, withoutForms)) as Declaration
}

/** What only the server checks is left out: the file would be twice as long. */
function withoutForms(key: string, value: unknown): unknown {
  return ['pattern', 'maxLength', 'minLength', 'uniqueItems', 'maxItems'].includes(key) && typeof value !== 'object' ? undefined : value
}

/** The catalogue as the file that is kept: one line for each operation, so that a change shows as one. */
export function catalogueText(operations: readonly Operation[]): string {
  return `[\n${operations.map((operation) => JSON.stringify(declarationOf(operation))).join(',\n')}\n]\n`
}
