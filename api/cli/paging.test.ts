import { expect, test } from 'vitest'
import { pagesOf } from './paging.ts'

const LIMIT = { type: 'integer', minimum: 1, maximum: 200, default: 50 }

/** A list of so many items, which gives no more than `most` of them at a time. */
function list(length: number, most = Infinity) {
  const limits: unknown[] = []
  const ask = async ({ limit, cursor }: Record<string, unknown>) => {
    limits.push(limit)
    const from = Number(cursor ?? 0)
    const to = Math.min(from + Math.min(Number(limit ?? LIMIT.default), most), length)
    return { items: Array.from({ length: to - from }, (_, n) => from + n), nextCursor: to < length ? String(to) : null }
  }
  return { limits, page: (wanted: number | 'all', input: Record<string, unknown> = {}) => pagesOf(wanted, input, LIMIT, ask) as Promise<{ items: number[]; nextCursor: string | null }> }
}

test('a page is reached in the largest steps that the list has', async () => {
  const { page, limits } = list(1000)
  expect((await page(10)).items).toEqual(Array.from({ length: 50 }, (_, n) => 450 + n))
  expect(limits).toEqual([200, 200, 50, undefined])
})

test('the first page is asked for as it is', async () => {
  const { page, limits } = list(1000)
  expect(await page(1, { limit: 3 })).toEqual({ items: [0, 1, 2], nextCursor: '3' })
  expect(await page(2, { limit: 3, cursor: '100' })).toMatchObject({ items: [103, 104, 105] })
  expect(limits).toEqual([3, 3, 3])
})

test('a page is the same where others before it ended early', async () => {
  expect((await list(1000, 30).page(4)).items[0]).toBe(150)
})

test('a page past the last one is empty', async () => {
  expect(await list(120).page(4)).toEqual({ items: [], nextCursor: null })
  expect((await list(120).page(3)).items).toHaveLength(20)
  expect(await list(100).page(3)).toEqual({ items: [], nextCursor: null })
})

test('all of them come in the largest pages, unless others are asked for', async () => {
  const { page, limits } = list(450)
  expect((await page('all')).items).toEqual(Array.from({ length: 450 }, (_, n) => n))
  expect(limits).toEqual([200, 200, 200])
  expect((await list(5).page('all', { limit: 2 })).items).toEqual([0, 1, 2, 3, 4])
})

test('a limit past the most is the server’s to refuse', async () => {
  const { page, limits } = list(10)
  await page(2, { limit: 500 })
  expect(limits[0]).toBe(500)
})
