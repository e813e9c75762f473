import { Type } from 'typebox'
import { describe, expect, it } from 'vitest'
import { Label, Time } from './context.ts'
import { faultFinder, MAX_FAULTS } from './fault-finder.ts'

const closed = { additionalProperties: false, expects: 'an object' }
const find = faultFinder(
  Type.Object(
    {
      count: Type.Integer({ minimum: 1 }),
      role: Type.Optional(Type.Enum(['student', 'teacher'], { noun: 'role' })),
      at: Type.Optional(Time),
      id: Type.Optional(Label),
      list: Type.Optional(Type.Array(Type.Object({ name: Type.String() }, closed))),
    },
    closed,
  ),
)

describe('the faults of a value', () => {
  it('are none for a good one', () => {
    const value = { count: 1, role: 'teacher', at: '2026-01-31T09:30:00+02:00', id: 'a', list: [{ name: '' }] }
    expect(find(value)).toEqual([])
  })

  it('are all named, each with its place and what it was', () => {
    const faults = find({ count: 0, rol: 'x', list: [{ name: 1 }, {}] })
    expect(faults.toSorted((a, b) => a.path.localeCompare(b.path))).toEqual([
      { path: 'count', message: 'must be at least 1, not 0', value: 0 },
      { path: 'list[0].name', message: 'must be text, not 1', value: 1 },
      { path: 'list[1].name', message: 'is missing' },
      { path: 'rol', message: 'unknown field, did you mean "role"?', value: 'rol' },
    ])
  })

  it('show no more than the beginning of a long value, and nothing of objects', () => {
    expect(find({ count: 'x'.repeat(1000) })[0]?.value).toBe(`${'x'.repeat(100)}…`)
    expect(find({ count: { a: 1 } })[0]).not.toHaveProperty('value')
  })

  it('are counted past fifty', () => {
    const wrong = (count: number) => find({ count: 1, list: Array.from({ length: count }, () => ({})) })
    expect(wrong(MAX_FAULTS)).toHaveLength(MAX_FAULTS)
    expect(wrong(MAX_FAULTS + 1)).toHaveLength(MAX_FAULTS + 1)
    expect(wrong(MAX_FAULTS + 7).at(-1)).toEqual({ path: '', message: 'and 7 more' })
  })

  it.each([
    '2026-01-31',
    '2026-01-31T09:30:00',
    '2026-02-30T09:30:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T23:59:60Z',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59-01:00',
    'yesterday',
    '',
  ])('include a time written as "%s"', (at) => {
    const message = expect.stringContaining('must be an ISO 8601 time with its zone')
    expect(find({ count: 1, at })).toEqual([expect.objectContaining({ path: 'at', message })])
  })

  it.each(['2026-01-31T09:30Z', '2026-01-31T09:30:00.123456789Z', '1000-01-01T00:00:00Z', '9999-12-31T23:59:59Z'])(
    'do not include a time written as "%s"',
    (at) => expect(find({ count: 1, at })).toEqual([]),
  )

  it.each(['a\0b', '\ud800', 'x'.repeat(129)])('include a label that a database would refuse', (id) => {
    expect(find({ count: 1, id })).toHaveLength(1)
  })

  it.each(['', '😀'.repeat(128), '__proto__'])('do not include any other label', (id) => {
    expect(find({ count: 1, id })).toEqual([])
  })

  it('are not turned into values unless that is asked for', () => {
    const schema = Type.Object({ limit: Type.Integer() })
    expect(faultFinder(schema)({ limit: '5' })).toHaveLength(1)
    const value = { limit: '5' }
    expect(faultFinder(schema, { coerce: true })(value)).toEqual([])
    expect(value).toEqual({ limit: 5 })
  })
})
