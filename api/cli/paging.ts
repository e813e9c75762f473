import type { Schema } from './declaration.ts'
import { UsageError } from './usage.ts'

interface Page {
  items: unknown[]
  nextCursor: string | null
}

/** @throws UsageError for what is neither a page nor all of them */
export function readPage(text: string): number | 'all' {
  if (text === 'all') return text
  const page = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (page < 1) throw new UsageError(`--page must be a whole number from 1 or "all", not "${text.slice(0, 60)}"`)
  return page
}

type Ask = (input: Record<string, unknown>) => Promise<unknown>

/**
 * One page of a list, by its number, or all of them as one. The API has cursors, which hold while items come and go: what
 * lies before a page is read over in the largest steps that the list has.
 *
 * @param limit of the list's input, with what a page has unless it is given, and at most
 */
export async function pagesOf(wanted: number | 'all', input: Record<string, unknown>, limit: Schema, ask: Ask): Promise<unknown> {
  const most = limit.maximum ?? Infinity
  const given = typeof input['limit'] === 'number' ? input['limit'] : undefined
  if (wanted === 'all') return all({ ...input, limit: given ?? most }, ask)
  const size = given ?? Number(limit.default)
  let cursor = input['cursor'] as string | null | undefined
  for (let before = (wanted - 1) * size; before > 0 && cursor !== null; ) {
    const { items, nextCursor } = await pageAfter(cursor, { ...input, limit: size > most ? size : Math.min(before, most) }, ask)
    before -= items.length
    cursor = nextCursor
  }
  return cursor === null ? { items: [], nextCursor: null } : pageAfter(cursor, input, ask)
}

async function all(input: Record<string, unknown>, ask: Ask): Promise<Page> {
  const items: unknown[] = []
  let cursor = input['cursor'] as string | null | undefined
  for (;;) {
    const answer: Page = await pageAfter(cursor, input, ask)
    items.push(...answer.items)
    cursor = answer.nextCursor
    if (cursor === null) return { ...answer, items }
  }
}

async function pageAfter(cursor: string | null | undefined, input: Record<string, unknown>, ask: Ask): Promise<Page> {
  return (await ask({ ...input, ...(typeof cursor === 'string' && { cursor }) })) as Page
}
