import { STATUS_CODES } from 'node:http'
import type { TSchema } from 'typebox'
import { ERRORS, type ErrorCode } from '../bridge/errors.ts'
import packageFile from '../package.json' with { type: 'json' }
import { DOMAINS } from './domains.ts'
import { MAX_BODY_BYTES } from './body.ts'
import { inPath, type Operation } from './operation.ts'
import { ProgressOf } from './operations/progress.ts'

/** A route beside the operations, which is read. */
export interface OpenRoute {
  path: string
  summary: string
  /** The media type of its answer. */
  type: string
  /** What a key needs for it; without it, no key is needed. */
  scope?: string
}

type Json = Record<string, unknown>

/** What any operation may be refused with, whatever it does. */
const ALWAYS: readonly ErrorCode[] = ['BAD_REQUEST', 'UNAUTHENTICATED', 'FORBIDDEN', 'INVALID', 'RATE_LIMITED', 'INTERNAL', 'STORE_FAILED']

/**
 * The OpenAPI 3.1 document of the operations: paths, parameters, bodies, answers, errors, scopes and examples.
 * It says what the code can be asked, the same in every installation, and nothing about what is installed.
 *
 * @example openApi(operations, []).paths['/v1/modules'].get.operationId // 'modules:list'
 */
export function openApi(operations: readonly Operation[], routes: readonly OpenRoute[]) {
  const paths: Record<string, Json> = {}
  const domains = [...new Set(operations.map(({ domain }) => domain))].toSorted()
  for (const operation of operations) {
    const path = (paths[templated(operation.path)] ??= {})
    path[operation.method.toLowerCase()] = described(operation)
  }
  for (const { path, summary, type, scope } of routes) {
    const content = { [type]: type === 'application/json' ? { schema: { type: 'object' } } : {} }
    paths[path] = { get: { operationId: path.slice(1), summary, security: scope === undefined ? [] : [{ key: [scope] }], responses: { 200: { description: 'OK', content } } } }
  }
  const statuses = [...new Set(operations.flatMap(errorsOf).map((code) => ERRORS[code].status))].toSorted()
  return {
    openapi: '3.1.1',
    info: {
      title: 'Bulkhead',
      version: packageFile.version,
      summary: 'Runs modules that nobody vouches for',
      description: INTRODUCTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'This host' }],
    security: [{ key: [] }],
    tags: domains.map((name) => ({ name, description: DOMAINS[name] ?? name })),
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key, with the scopes that operations name' } },
      schemas: { Error: ERROR, Progress: plain(ProgressOf) },
      parameters: PARAMETERS,
      responses: Object.fromEntries(statuses.map((status) => [`Error${status}`, errorAnswer(status)])),
    },
  }
}

const INTRODUCTION = `JSON in and out, under \`/v1\`, with \`Authorization: Bearer <key>\`. Every error is \
\`{"error":{"code","message","details"}}\`, and every answer has an \`X-Request-Id\`, the caller's own where it sent one. \
A body has at most ${MAX_BODY_BYTES} bytes.

Lists come in pages: \`limit\` says how many, \`nextCursor\` of an answer is the \`cursor\` of the next, null at the end.

A write with an \`Idempotency-Key\` is done once, however often it is sent within 24 hours, and answered the same each \
time. One with \`If-Match\` is done only while the resource is as it was read. Long work answers 202 with a resource that \
tells how far it is: at once where \`Prefer: respond-async\` is sent, otherwise after \`Prefer: wait=<seconds>\`, 20 unless said.`

const ERROR = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string', enum: Object.keys(ERRORS) },
        message: { type: 'string', description: 'What could not be done, then why' },
        details: { description: 'Such as every fault of an input in `faults`, each with its `path` and `message`' },
      },
    },
  },
}

const PROGRESS = { $ref: '#/components/schemas/Progress' }

const PARAMETERS = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'Any text that is new for each thing to be done, such as a UUID',
    schema: { type: 'string', minLength: 1, maxLength: 200, pattern: '^[\\x21-\\x7e]+$' },
  },
  IfMatch: { name: 'If-Match', in: 'header', description: 'The `ETag` that the resource was read with', schema: { type: 'string' } },
  Prefer: { name: 'Prefer', in: 'header', description: '`respond-async`, or `wait=<seconds>`', schema: { type: 'string' } },
}

function errorAnswer(status: number): Json {
  const codes = Object.entries(ERRORS).filter(([, error]) => error.status === status)
  const description = `${STATUS_CODES[status]}: ${codes.map(([code]) => code).join(', ')}`
  return { description, content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } }
}

/** The errors that an operation may be answered with. */
export function errorsOf({ input, method, body, upload, matches, dangerous, errors }: Operation): ErrorCode[] {
  return [
    ...ALWAYS,
    ...(Object.keys(input.properties).length > 0 ? (['NOT_FOUND'] as const) : []),
    ...(body !== undefined || upload !== undefined ? (['BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA'] as const) : []),
    ...(method === 'GET' ? [] : (['CONFLICT'] as const)),
    ...(matches ? (['PRECONDITION_FAILED'] as const) : []),
    ...(dangerous ? (['NOT_CONFIRMED'] as const) : []),
    ...errors,
  ]
}

function described(operation: Operation): Json {
  const { name, domain, summary, description, scope, dangerous, long, method } = operation
  const statuses = [...new Set(errorsOf(operation).map((code) => ERRORS[code].status))].toSorted()
  return {
    operationId: name,
    tags: [domain],
    summary,
    description: [description, `Scope: \`${scope}\`.`, ...notes(operation)].filter(Boolean).join('\n\n'),
    security: [{ key: [scope] }],
    parameters: [
      ...parametersOf(operation),
      ...(method === 'GET' ? [] : [reference('parameters', 'IdempotencyKey')]),
      ...(operation.matches ? [reference('parameters', 'IfMatch')] : []),
      ...(long ? [reference('parameters', 'Prefer')] : []),
    ],
    ...bodyOf(operation),
    responses: {
      ...successes(operation),
      ...Object.fromEntries(statuses.map((status) => [status, reference('responses', `Error${status}`)])),
    },
    'x-scope': scope,
    'x-dangerous': dangerous,
    'x-long': long,
  }
}

/** What the marks of an operation mean for who calls it. */
function notes({ dangerous, long, upload, input }: Operation): string[] {
  const tried = 'dryRun' in input.properties ? ', or `dryRun=true` to only try' : ''
  return [
    ...(dangerous ? [`What it takes away does not come back: it needs \`confirm=true\`${tried}.`] : []),
    ...(long ? ['It may take long, and is then answered with 202.'] : []),
    ...(upload === undefined ? [] : ['The body is read as it arrives.']),
  ]
}

function successes({ output, streams, statuses, tagged, long }: Operation): Json {
  const content = { [streams ?? 'application/json']: streams === undefined ? { schema: plain(output) } : { schema: { type: 'string' } } }
  const headers = tagged ? { headers: { ETag: { schema: { type: 'string' } } } } : {}
  const answer = { description: 'Done', ...headers, content }
  const accepted = {
    description: 'Under way',
    headers: { Location: { schema: { type: 'string' }, description: 'Where to ask how far it is' } },
    content: { 'application/json': { schema: statuses.includes(202) ? { anyOf: [plain(output), PROGRESS] } : PROGRESS } },
  }
  return { ...Object.fromEntries(statuses.map((status) => [status, answer])), ...(long && { 202: accepted }) }
}

function parametersOf(operation: Operation): Json[] {
  const { input, path, body, upload, example } = operation
  const named = inPath(path)
  const required = (input.required ?? []) as readonly string[]
  return Object.entries(input.properties as Record<string, TSchema>)
    .filter(([name]) => name !== body && name !== upload)
    .map(([name, schema]) => ({
      name,
      in: named.includes(name) ? 'path' : 'query',
      ...(required.includes(name) && { required: true }),
      ...saying(schema),
      schema: plain(schema),
      ...(name in example && { example: example[name] }),
    }))
}

function saying(schema: TSchema): { description?: string } {
  const { description, expects } = schema as { description?: string; expects?: string }
  const text = description ?? expects
  return text === undefined ? {} : { description: text }
}

function bodyOf({ body, upload, input, example, examples }: Operation): { requestBody?: Json } {
  const properties = input.properties as Record<string, TSchema>
  if (upload !== undefined) {
    const { contentMediaType = 'application/octet-stream' } = properties[upload] as { contentMediaType?: string }
    return { requestBody: { required: true, content: { [contentMediaType]: { schema: { type: 'string' } } } } }
  }
  if (body === undefined) return {}
  const all = [{ summary: 'An example', input: example }, ...examples]
  const named = all.filter(({ input }) => body in input).map(({ summary, input }, index) => [`example${index + 1}`, { summary, value: input[body] }])
  const content = { 'application/json': { schema: plain(properties[body]!), examples: Object.fromEntries(named) } }
  return { requestBody: { required: (input.required ?? []).includes(body), content } }
}

/** A schema as the document has it, without the words that are for our own messages. */
export function plain(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(plain)
  if (typeof schema !== 'object' || schema === null) return schema
  const { expects: _expects, noun: _noun, secret, properties, ...rest } = schema as Json
  return {
    ...values(rest),
    ...(properties !== undefined && { properties: values(properties as Json) }),
    ...(secret === true && rest['type'] === 'string' && { format: 'password' }),
  }
}

const values = (of: Json): Json => Object.fromEntries(Object.entries(of).map(([key, value]) => [key, plain(value)]))

const templated = (path: string): string => path.replace(/:(\w+)/g, '{$1}')

const reference = (kind: string, name: string): Json => ({ $ref: `#/components/${kind}/${name}` })
