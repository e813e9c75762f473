import { createHash, randomUUID } from 'node:crypto'
import { asBulkheadError, BulkheadError, type ErrorText } from '../bridge/errors.ts'
import { within } from '../runtime/within.ts'
import type { ProgressRows } from '../runtime/store/progress-rows.ts'
import type { KeptAnswer, LostAnswer, RequestRows } from '../runtime/store/request-rows.ts'
import { etagOf, type Matching, names } from './etags.ts'
import type { Asked, Operation, Services } from './operation.ts'
import { redact, secretNames } from './redact.ts'

/** What is answered: a status, headers of its own, and a value that becomes JSON, or text that is JSON already. */
export interface Reply {
  status: number
  headers: Record<string, string>
  value: unknown
  text?: string
}

/** One write that was done or failed, with nothing secret in it. */
export interface Written {
  operation: Operation
  asked: Asked
  status: number
  error: BulkheadError | undefined
  input: unknown
  before: unknown
  after: unknown
}

interface Parts {
  services: Services
  requests: RequestRows
  progress: ProgressRows
  matching: Matching
  /** Told of every write once it is over, before it is answered. */
  onWritten(written: Written): Promise<void>
}

/** Does what was asked for, and answers. */
export type Perform = (operation: Operation, input: unknown, asked: Asked, headers: Headers) => Promise<Reply>

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,200}$/
/** How long long work is waited for before it is answered with 202, unless the caller prefers otherwise, s. */
const WAIT_S = 20
const LONGEST_WAIT_S = 60

/**
 * From the inside out: the operation runs; what it wrote is told; a long one is followed; `If-Match` is compared; and an
 * idempotency key has all of that happen once.
 */
export function openPerform({ services, requests, progress, matching, onWritten }: Parts): Perform {
  const secrets = new Map<Operation, ReadonlySet<string>>()
  const secretsOf = (operation: Operation) => {
    const known = secrets.get(operation) ?? secretNames([operation.input, operation.output])
    secrets.set(operation, known)
    return known
  }

  /** What cannot be read, such as a configuration that does not fit, can still be changed, or the change says why not. */
  const asItIs = async ({ before }: Operation, input: unknown): Promise<unknown> => {
    try {
      return await before?.(services, input)
    } catch {
      return undefined
    }
  }

  const written = async (operation: Operation, input: unknown, asked: Asked): Promise<unknown> => {
    if (!operation.writes) return operation.run(services, input, asked)
    const kept = (value: unknown) => redact(value, secretsOf(operation))
    const before = kept(await asItIs(operation, input))
    try {
      const output = await operation.run(services, input, asked)
      await onWritten({ operation, asked, status: operation.status(output), error: undefined, input: kept(input), before, after: kept(output) })
      return output
    } catch (thrown) {
      const error = asBulkheadError(thrown)
      await onWritten({ operation, asked, status: error.status, error, input: kept(input), before, after: undefined })
      throw thrown
    }
  }

  const followed = async (operation: Operation, input: unknown, asked: Asked, headers: Headers): Promise<Reply> => {
    const id = randomUUID()
    const { watched, read } = watchUpload(operation, input)
    const work = written(operation, watched, { ...asked, report: (told) => progress.tell(id, told) })
    const wait = waitOf(headers)
    if (wait > 0 && (await within(wait * 1000, work).catch(() => true))) {
      progress.forget(id)
      return replyOf(operation, await work, headers)
    }
    await Promise.race([read, work.catch(() => {})])
    const path = `/v1/progress/${id}`
    const kept = work.then((output) => redact(output, secretsOf(operation)))
    kept.catch(() => {}) // where it cannot be followed, nobody else waits for it
    await progress.follow({ id, caller: asked.caller.id, operation: operation.name }, kept)
    return { status: 202, headers: { location: path, ...(wait === 0 && { 'preference-applied': 'respond-async' }) }, value: await services.progress.find(id) }
  }

  const done = (operation: Operation, input: unknown, asked: Asked, headers: Headers): Promise<Reply> =>
    matching(operation, services, input, operation.method === 'GET' ? null : headers.get('if-match'), async () => {
      if (operation.long) return followed(operation, input, asked, headers)
      return replyOf(operation, await written(operation, input, asked), headers)
    })

  return async (operation, input, asked, headers) => {
    if (isPlain(operation, headers)) return replyOf(operation, await operation.run(services, input, asked), headers)
    // What is sent as it is made is not kept to be sent again, and changes nothing.
    const key = operation.method === 'GET' || operation.streams !== undefined ? null : headers.get('idempotency-key')
    if (key === null) return done(operation, input, asked, headers)
    if (!IDEMPOTENCY_KEY.test(key)) {
      throw new BulkheadError('BAD_REQUEST', 'cannot use the Idempotency-Key: it is not of 1 to 200 visible ASCII characters')
    }
    let reply: Reply | undefined
    const claim = { caller: asked.caller.id, key, hash: hashOf(operation, input, headers) }
    const answered = await requests.once(
      claim,
      async () => {
        reply = await done(operation, input, asked, headers).catch((thrown: unknown) => refused(thrown))
        return keptOf(reply, secretsOf(operation))
      },
      // What failed on our side may be tried again under the same key.
      ({ status }) => status < 500,
    )
    if (answered === 'busy') throw new BulkheadError('CONFLICT', 'a request with this Idempotency-Key is under way: ask again in a moment')
    if (answered === 'another') throw new BulkheadError('INVALID', 'this Idempotency-Key was sent with another request: take a new one for each')
    if ('lost' in answered) throw notKept(answered.lost)
    if ('again' in answered) return { ...replayOf(answered.again), headers: { ...answered.again.headers, 'idempotency-replayed': 'true' } }
    return reply ?? replayOf(answered)
  }
}

/** What nothing is kept of, compared with or waited for: each call of a hook, for one. */
const isPlain = ({ writes, long, method }: Operation, headers: Headers): boolean =>
  !writes && !long && (method === 'GET' || (headers.get('idempotency-key') === null && headers.get('if-match') === null))

function replyOf(operation: Operation, output: unknown, headers: Headers): Reply {
  const status = operation.status(output)
  if (!operation.tagged) return { status, headers: {}, value: output }
  const etag = etagOf(operation, output)
  const known = operation.method === 'GET' ? headers.get('if-none-match') : null
  if (known !== null && names(known, etag)) return { status: 304, headers: { etag }, value: undefined }
  return { status, headers: { etag }, value: output }
}

/** What a caller's mistake is answered with, under a key as without one; what is ours goes on to be logged. */
function refused(thrown: unknown): Reply {
  const error = asBulkheadError(thrown)
  if (error.status >= 500) throw thrown
  return { status: error.status, headers: {}, value: { error } }
}

function keptOf({ status, headers, value }: Reply, secret: ReadonlySet<string>): KeptAnswer {
  return { status, headers, body: JSON.stringify(redact(JSON.parse(JSON.stringify(value) ?? 'null'), secret)) }
}

/** It was done, and is not done again; only what it was answered with cannot be told any more. */
function notKept({ status, bytes }: LostAnswer): BulkheadError {
  const message = `a request with this Idempotency-Key was done, and answered with ${status}: its answer of ${bytes} bytes is not kept, being too large, or one of too many`
  return new BulkheadError('CONFLICT', message, { status, bytes })
}

const replayOf = ({ status, headers, body }: KeptAnswer): Reply => ({ status, headers, value: undefined, text: body })

/** An input whose upload says when it has been read: an answer before that would end the connection that it comes on. */
function watchUpload({ upload }: Operation, input: unknown): { watched: unknown; read: Promise<void> } {
  if (upload === undefined) return { watched: input, read: Promise.resolve() }
  const { promise, resolve } = Promise.withResolvers<void>()
  const given = input as Record<string, AsyncIterable<Uint8Array>>
  async function* pass() {
    try {
      yield* given[upload!]!
    } finally {
      resolve()
    }
  }
  return { watched: { ...given, [upload]: pass() }, read: promise }
}

/** Of a body that is read as it arrives, what is known of it before. */
function hashOf({ name, upload }: Operation, input: unknown, headers: Headers): Buffer {
  const given = { ...(input as Record<string, unknown>) }
  if (upload !== undefined) given[upload] = ['content-length', 'content-type', 'content-digest'].map((name) => headers.get(name))
  return createHash('sha256').update(`${name}\n${JSON.stringify(given)}`).digest()
}

/** The seconds of `Prefer: wait=…`, none for `respond-async`. */
function waitOf(headers: Headers): number {
  const prefer = headers.get('prefer') ?? ''
  if (/(^|[,;\s])respond-async($|[,;\s])/i.test(prefer)) return 0
  const wait = /(?:^|[,;\s])wait="?(\d{1,6})"?($|[,;\s])/i.exec(prefer)?.[1]
  return Math.min(wait === undefined ? WAIT_S : Number(wait), LONGEST_WAIT_S)
}

/** What is kept of why work failed: of our own faults nothing but that they are in the log. */
export function failureText(thrown: unknown): ErrorText {
  const error = asBulkheadError(thrown)
  return error.code === 'INTERNAL' ? { code: 'INTERNAL', message: 'internal error, it is in the log' } : error.toJSON()
}
