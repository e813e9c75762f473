import { hash } from 'node:crypto'
import { BulkheadError } from '../bridge/errors.ts'
import type { Database } from '../runtime/store/database.ts'
import { authenticate, type Caller, goodKeys } from '../runtime/store/keys.ts'
import type { Operation } from './operation.ts'
import { openRates, type Rate } from './rates.ts'
import { allows, scopesOf } from './roles.ts'
import { openStrangers } from './strangers.ts'

/** How long a key that was found good is taken for good without asking the database: a revoked one ends within it. */
const TRUSTED_MS = 5000
const MAX_TRUSTED = 1000

export interface Access {
  /**
   * Who asks, with the scopes of its roles, and how many requests it has left where they are limited.
   *
   * @param address from where the request came, as the connection has it: what a header says of that, anybody could say
   * @throws BulkheadError `UNAUTHENTICATED` without a good key; `RATE_LIMITED` past its rate, or where too many keys that
   * are not known came from there
   */
  identify(authorization: string | null, address?: string): Promise<{ caller: Caller; rate: Rate | undefined }>
  /** The same for a request that goes on, which counts as one. @throws BulkheadError `UNAUTHENTICATED` */
  recognize(authorization: string | null): Promise<Caller>
}

/**
 * Makes the check that every request goes through. Where keys have no rate of their own, `requestsPerMinute` holds for
 * each of them, and none where that is not given.
 *
 * @example
 * const { identify } = createAccess(database.sql)
 * const { caller } = await identify(request.headers.get('authorization'), '192.0.2.1')
 */
export function createAccess(sql: Database['sql'], { requestsPerMinute }: { requestsPerMinute?: number | undefined } = {}): Access {
  const trusted = new Map<string, { caller: Caller; until: number }>()
  const take = openRates()
  const strangers = openStrangers((most) => goodKeys(sql, most))

  const lookUp = async (key: string, admit: (digest: string) => Promise<void>): Promise<Caller | undefined> => {
    // Only the hash is kept, so that no memory dump of the host holds the keys in use.
    const digest = hash('sha256', key, 'base64')
    const known = trusted.get(digest)
    if (known && known.until > performance.now()) return known.caller
    trusted.delete(digest)
    await admit(digest)
    const found = await authenticate(sql, key)
    strangers.found(digest, found !== undefined)
    if (!found) return undefined
    const caller = { ...found, scopes: scopesOf(found) }
    if (trusted.size >= MAX_TRUSTED) trusted.clear()
    trusted.set(digest, { caller, until: performance.now() + TRUSTED_MS })
    return caller
  }

  const recognize = async (authorization: string | null, admit: (digest: string) => Promise<void> = async () => {}): Promise<Caller> => {
    const caller = await lookUp(keyOf(authorization), admit)
    if (!caller) throw new BulkheadError('UNAUTHENTICATED', 'the API key is not known, or no longer valid')
    return caller
  }

  return {
    recognize: (authorization) => recognize(authorization),
    async identify(authorization, address) {
      const caller = await recognize(authorization, (digest) => strangers.admit(digest, address))
      const perMinute = caller.requestsPerMinute ?? requestsPerMinute
      if (perMinute === undefined) return { caller, rate: undefined }
      const rate = take(caller.id, perMinute)
      if (rate.allowed) return { caller, rate }
      const message = `the API key "${caller.name}" may make ${perMinute} requests a minute, wait ${rate.resetS} s`
      throw new BulkheadError('RATE_LIMITED', message, rate)
    },
  }
}

/** @throws BulkheadError `FORBIDDEN` where no scope of the caller holds the operation */
export function authorize(caller: Caller, operation: Pick<Operation, 'name' | 'scope'>): void {
  if (allows(caller.scopes, operation)) return
  const { scope } = operation
  throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" has no scope "${scope}"`, { scope })
}

/** What tells a key of itself and of its own work, and of no module. */
const ABOUT_ITSELF = ['auth:whoami', 'progress:get']

/**
 * Holds a key that is for some modules only to what names one of them.
 *
 * @throws BulkheadError `FORBIDDEN`
 * @example authorizeModule(caller, operation, { name: 'pii-filter' })
 */
export function authorizeModule(caller: Caller, operation: Pick<Operation, 'path' | 'name'>, input: unknown): void {
  if (caller.modules === null || ABOUT_ITSELF.includes(operation.name)) return
  const module = moduleOf(operation, input)
  if (module !== undefined && caller.modules.includes(module)) return
  const why = module === undefined ? `${operation.name} names none of them here` : `not for ${JSON.stringify(module)}`
  throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" is for ${caller.modules.join(', ')} alone, ${why}`, { modules: caller.modules })
}

/**
 * What is sent as it is made, for as long as whoever asked may have it: a stream has no end of its own, and a key that
 * was revoked, or lost a scope, would otherwise go on reading. Looked at before what comes after `TRUSTED_MS`.
 *
 * @param check throws where it may not go on
 */
export async function* whileAllowed(lines: AsyncIterable<string>, check: () => Promise<void>): AsyncGenerator<string> {
  let checkedAt = performance.now()
  for await (const line of lines) {
    if (performance.now() - checkedAt > TRUSTED_MS) {
      await check()
      checkedAt = performance.now()
    }
    yield line
  }
}

/** The module that an operation is about, as its path or its input names it. */
export function moduleOf({ path }: Pick<Operation, 'path'>, input: unknown): string | undefined {
  const { name, module } = (input ?? {}) as { name?: unknown; module?: unknown }
  const named = path.startsWith('/v1/modules/:name') ? name : module
  return typeof named === 'string' ? named : undefined
}

function keyOf(authorization: string | null): string {
  const refuse = (why: string): never => {
    throw new BulkheadError('UNAUTHENTICATED', `${why}: send one header "Authorization: Bearer <API key>"`)
  }
  if (authorization === null) return refuse('no API key was sent')
  // Two headers arrive joined by a comma, and fail here: which of them counts must not be left to a proxy.
  const key = /^Bearer +([\w.~+/=-]{1,200})$/i.exec(authorization)?.[1]
  return key ?? refuse('the header Authorization has a wrong form')
}
