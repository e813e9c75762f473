import { Type } from 'typebox'
import { describe, expect, it } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { listOperation } from './lists.ts'
import type { Asked, Services } from './operation.ts'

interface Box {
  name: string
  size: number | null
  colour: 'red' | 'blue'
  tags: string[]
  madeAt: Date
}

let boxes: Box[] = []
const list = listOperation({
  name: 'boxes:list',
  http: 'GET /v1/boxes',
  scope: 'boxes:read',
  summary: 'List the boxes',
  input: { shelf: Type.Optional(Type.String()) },
  item: Type.Object({
    name: Type.String(),
    size: Type.Union([Type.Null(), Type.Integer()]),
    colour: Type.Enum(['red', 'blue']),
    tags: Type.Array(Type.String()),
    madeAt: Type.Unsafe<Date>({ type: 'string', format: 'date-time' }),
    inner: Type.Optional(Type.Object({ deep: Type.String() })),
  }),
  key: ['name'],
  example: {},
  all: (_, { shelf }) => (shelf === 'empty' ? [] : boxes),
})

const box = (name: string, size: number | null, colour: Box['colour'], ...tags: string[]): Box => {
  return { name, size, colour, tags, madeAt: new Date(Date.UTC(2026, 0, size ?? 1)) }
}
const asked = {} as Asked
const services = {} as Services

async function page(query: string): Promise<{ names: string[]; nextCursor: string | null }> {
  const input = list.read({ path: {}, query: new URLSearchParams(query), body: undefined })
  const { items, nextCursor } = (await list.run(services, input, asked)) as { items: Box[]; nextCursor: string | null }
  return { names: items.map(({ name }) => name), nextCursor }
}
const names = async (query: string) => (await page(query)).names

async function refused(query: string): Promise<BulkheadError> {
  try {
    await page(query)
  } catch (thrown) {
    if (thrown instanceof BulkheadError) return thrown
    throw thrown
  }
  throw new Error(`${query} was taken`)
}

/** All pages, each with `limit` items at the most; `between` is called after each. */
async function walk(query: string, between: () => void = () => {}): Promise<string[]> {
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const next = await page(`${query}${cursor === '' ? '' : `&cursor=${cursor}`}`)
    seen.push(...next.names)
    cursor = next.nextCursor
    between()
  }
  return seen
}

boxes = [box('d', 3, 'red', 'old'), box('a', 10, 'blue'), box('c', 3, 'red', 'new', 'dear'), box('b', null, 'blue')]

describe('a list', () => {
  it('comes in the order of its key, or of a field', async () => {
    expect(await names('')).toEqual(['a', 'b', 'c', 'd'])
    expect(await names('order=desc')).toEqual(['d', 'c', 'b', 'a'])
    expect(await names('sort=size')).toEqual(['b', 'c', 'd', 'a'])
    expect(await names('sort=size&order=desc')).toEqual(['a', 'd', 'c', 'b'])
    expect(await names('sort=madeAt&order=desc')).toEqual(['a', 'd', 'c', 'b'])
  })

  it('is filtered by all that is given, and searched in any case', async () => {
    expect(await names('filter=colour=red')).toEqual(['c', 'd'])
    expect(await names('filter=colour=red&filter=tags=dear')).toEqual(['c'])
    expect(await names('filter=size=')).toEqual(['b'])
    expect(await names('filter=size=10')).toEqual(['a'])
    expect(await names('search=OL')).toEqual(['d'])
    expect(await names('search=blue&filter=name=a')).toEqual(['a'])
    expect(await names('shelf=empty')).toEqual([])
  })

  it.each(['limit=1', 'limit=1&order=desc', 'limit=3&sort=size', 'limit=2&sort=size&order=desc', 'limit=4', 'limit=1000'])('has every item on one of its pages, asked with %s', async (query) => {
    expect(await walk(query)).toEqual(await names(query.replace(/limit=\d+/, 'limit=1000')))
  })

  it('goes on where it was, whatever came and went meanwhile', async () => {
    const before = boxes
    const seen = await walk('limit=1', () => {
      boxes = [...boxes.filter(({ name }) => name !== 'a'), box('0', 1, 'red')]
    })
    boxes = before
    expect(seen).toEqual(['a', 'b', 'c', 'd'])
  })

  it('is refused by fields that it has not, and says which it has', async () => {
    expect(await refused('filter=color=red')).toMatchObject({
      code: 'INVALID',
      message: 'cannot filter the list: "filter" unknown field "color", did you mean "colour"?; there are name, size, colour, tags, madeAt',
    })
    expect((await refused('sort=tags')).message).toMatch(/"sort" unknown field "tags", must be "name", "size", "colour", "madeAt"/)
    expect((await refused('filter=red')).message).toContain('must be field=value, not "red"')
    expect(await refused('filter=inner=x')).toMatchObject({ code: 'INVALID' })
    expect(await refused('filter=__proto__=x')).toMatchObject({ code: 'INVALID' })
  })

  it('takes up to 1,000 at once, and no cursor of another order', async () => {
    expect(await names('limit=1000')).toHaveLength(4)
    expect(await refused('limit=1001')).toMatchObject({ code: 'INVALID' })
    const { nextCursor } = await page('limit=1&sort=size')
    expect(await refused(`cursor=${nextCursor}`)).toMatchObject({ code: 'BAD_REQUEST' })
    expect(await refused(`cursor=${nextCursor}&sort=size&order=desc`)).toMatchObject({ code: 'BAD_REQUEST' })
    expect(await refused('cursor=abc')).toMatchObject({ code: 'BAD_REQUEST' })
    expect(await refused(`cursor=${Buffer.from('["","asc",{},"x"]').toString('base64url')}`)).toMatchObject({ code: 'BAD_REQUEST' })
  })
})
