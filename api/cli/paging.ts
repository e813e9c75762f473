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

/**
 * One page of a list, by its number, or all of them as one. The API has cursors, which hold while items come and go; a
 * page's number costs a request for each page before it.
 */
export async function pagesOf(wanted: number | 'all', input: Record<string, unknown>, ask: (input: Record<string, unknown>) => Promise<unknown>): Promise<unknown> {
  const items: unknown[] = []
  let cursor = input['cursor'] as string | null | undefined
  for (let page = 1; ; page++) {
    const answer = (await ask({ ...input, ...(typeof cursor === 'string' && { cursor }) })) as Page
    if (page === wanted) return answer
    if (wanted === 'all') items.push(...answer.items)
    cursor = answer.nextCursor
    if (cursor === null) return { ...answer, items, nextCursor: null }
  }
}
