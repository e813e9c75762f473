import { createHash } from 'node:crypto'
import { BulkheadError } from '../bridge/errors.ts'
import { createTurns, type Turns } from '../runtime/turns.ts'
import { inPath, type Operation, type Services } from './operation.ts'

/** The tag of a resource as it is now: that of the parts that its operation names, or of all. */
export function etagOf({ tag }: Operation, resource: unknown): string {
  const parts = tag === undefined ? resource : tag(resource)
  return `"${createHash('sha256').update(JSON.stringify(parts) ?? '').digest('base64url').slice(0, 22)}"`
}

/**
 * Whether a header names a tag: a list of them, or `*` for any. Of `If-None-Match`, weak ones count as well.
 *
 * @example names('"a", W/"b"', '"a"') // true
 */
export function names(header: string, tag: string): boolean {
  return header.trim() === '*' || header.split(',').some((one) => one.trim().replace(/^W\//, '') === tag)
}

/** Does what a request asks for while the resource is as it was read. */
export type Matching = <Result>(operation: Operation, services: Services, input: unknown, wanted: string | null, work: () => Promise<Result>) => Promise<Result>

/**
 * Those with `If-Match` take turns for each resource, so that of two with the same tag one is done. On another host, or
 * without the header, one may come in between the look and the write: what has to hold there is in the database's hands.
 */
export function openMatching(): Matching {
  const turns = new Map<string, Turns>()

  return async (operation, services, input, wanted, work) => {
    if (wanted === null) return work()
    const { name, path, before, matches } = operation
    if (!matches || before === undefined) {
      throw new BulkheadError('BAD_REQUEST', `${name} takes no If-Match, as what it changes is no resource with an ETag: leave the header out`)
    }
    const resource = JSON.stringify(inPath(path).map((parameter) => (input as Record<string, unknown>)[parameter]))
    const own = turns.get(resource) ?? createTurns()
    turns.set(resource, own)
    try {
      return await own.take(async () => {
        const tag = etagOf(operation, await before(services, input))
        if (names(wanted.replace(/W\/"[^"]*"/g, ''), tag)) return work()
        const message = `cannot do ${name}, what it is about has changed since it was read: read it again and decide anew`
        throw new BulkheadError('PRECONDITION_FAILED', message, { etag: tag })
      })
    } finally {
      if (!own.busy && turns.get(resource) === own) turns.delete(resource)
    }
  }
}
