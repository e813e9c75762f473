import { Type } from 'typebox'
import { describe, expect, it } from 'vitest'
import type { BulkheadError } from '../bridge/errors.ts'
import { operation } from './operation.ts'
import { requestFor } from './request-for.ts'

const made = operation({
  name: 'things:make',
  http: 'POST /v1/boxes/:box/things',
  scope: 'things:write',
  summary: 'Make a thing',
  input: Type.Object({
    box: Type.String({ maxLength: 3 }),
    count: Type.Optional(Type.Integer()),
    dry: Type.Optional(Type.Boolean()),
    thing: Type.Object({ size: Type.Integer() }, { additionalProperties: false }),
  }),
  body: 'thing',
  output: Type.Object({ made: Type.Unknown() }),
  example: { box: 'a', thing: { size: 1 } },
  run: (_, input) => ({ made: input }),
})

const bare = operation({
  name: 'things:list',
  http: 'GET /v1/things',
  scope: 'things:read',
  summary: 'List things',
  input: Type.Object({}),
  output: Type.Object({}),
  example: {},
  run: () => ({}),
})

function faults(read: () => unknown): unknown {
  try {
    read()
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'INVALID' })
    return (thrown as BulkheadError).details
  }
  return []
}

const arrived = (query: string, body: unknown, box = 'a') => ({
  path: { box },
  query: new URLSearchParams(query),
  body,
})

describe('the input of an operation', () => {
  it('is merged from path, query and body, the query by its types', () => {
    expect(made.read(arrived('count=5&dry=true', { size: 2 }))).toEqual({
      box: 'a',
      count: 5,
      dry: true,
      thing: { size: 2 },
    })
  })

  it('is refused with every fault of path, query and body', () => {
    expect(faults(() => made.read(arrived('cuont=5&dry=maybe', { size: '2', sice: 1 }, 'long')))).toMatchObject({
      faults: [
        { path: 'box' },
        { path: 'dry', message: 'must be true or false, not "maybe"', value: 'maybe' },
        { path: 'cuont', message: 'unknown field, did you mean "count"?' },
        { path: 'size', message: 'must be a whole number, not "2"' },
        { path: 'sice', message: 'unknown field, did you mean "size"?' },
      ],
    })
  })

  it.each([
    ['count=1&count=2', 'count', 'is given more than once'],
    ['__proto__=1', '__proto__', 'unknown field'],
    ['constructor=1', 'constructor', 'unknown field'],
    ['box=b', 'box', 'unknown field'],
    ['thing=1', 'thing', 'unknown field'],
  ])('is refused for the query %s', (query, path, message) => {
    expect(faults(() => made.read(arrived(query, { size: 1 })))).toEqual({
      faults: [expect.objectContaining({ path, message })],
    })
  })

  it('needs no body where none is declared, and takes none but an empty one', () => {
    const read = (body: unknown) => bare.read({ path: {}, query: new URLSearchParams(), body })
    expect(read(undefined)).toEqual({})
    expect(read({})).toEqual({})
    expect(faults(() => read({ a: 1 }))).toMatchObject({ faults: [{ path: 'a' }] })
    expect(faults(() => read([]))).toMatchObject({ faults: [{ message: 'must be an object, not []' }] })
  })

  it('becomes a request again', () => {
    const input = { box: 'a/b', count: 5, thing: { size: 1 } }
    const path = '/v1/boxes/a%2Fb/things?count=5'
    expect(requestFor(made, input)).toEqual({ method: 'POST', path, body: { size: 1 } })
    expect(requestFor(bare, {})).toEqual({ method: 'GET', path: '/v1/things' })
  })
})

describe('a dangerous operation', () => {
  const dropped = operation({
    name: 'things:drop',
    http: 'DELETE /v1/things/:name',
    scope: 'things:write',
    summary: 'Drop a thing',
    input: Type.Object({ name: Type.String(), dryRun: Type.Optional(Type.Boolean()), only: Type.Optional(Type.Array(Type.String())) }),
    output: Type.Object({}),
    dangerous: true,
    example: { name: 'a', confirm: true },
    run: () => ({}),
  })
  const read = (query: string) => dropped.read({ path: { name: 'a' }, query: new URLSearchParams(query), body: undefined })

  it('is refused unless it is confirmed, and told how', () => {
    const message = 'cannot do things:drop unconfirmed, as it cannot be undone: send it again with confirm=true in the query, or with --confirm on the command line'
    expect(() => read('')).toThrow(expect.objectContaining({ code: 'NOT_CONFIRMED', message, status: 428 }))
    expect(() => read('confirm=false')).toThrow(expect.objectContaining({ code: 'NOT_CONFIRMED' }))
    expect(() => read('confirm=maybe')).toThrow(expect.objectContaining({ code: 'INVALID' }))
    expect(read('confirm=true')).toEqual({ name: 'a' })
  })

  it('needs no confirmation to be tried', () => {
    expect(read('dryRun=true')).toEqual({ name: 'a', dryRun: true })
  })

  it('takes an input of several values as often as it has values', () => {
    expect(read('confirm=true&only=x&only=y')).toEqual({ name: 'a', only: ['x', 'y'] })
    expect(requestFor(dropped, { name: 'a', only: ['x', 'y'] }).path).toBe('/v1/things/a?only=x&only=y')
  })
})
