import { expect, test } from 'vitest'
import { type Kind, readSortedCursor, writeSortedCursor } from './sorted-cursors.ts'

const ID = '00000000-0000-4000-8000-000000000000'
const PLACE = ['pii-filter', '2026-01-02 03:04:05.678901+00', '-7', ID]
const KINDS: Kind[] = ['text', 'time', 'integer', 'uuid']
const BY_MODULE = { sort: 'module', order: 'asc' } as const

test('a cursor reads back as the place it was made of', () => {
  expect(readSortedCursor(writeSortedCursor(BY_MODULE, PLACE), { ...BY_MODULE, kinds: KINDS })).toEqual(PLACE)
})

test('a cursor of a page in another order is refused with both orders', () => {
  const cursor = writeSortedCursor(BY_MODULE, PLACE)
  const read = (sort: string, order: 'asc' | 'desc') => () => readSortedCursor(cursor, { sort, order, kinds: KINDS })
  expect(read('createdAt', 'desc')).toThrow(
    'cannot go on from the cursor: its page was sorted by "module" asc, and this one is by "createdAt" desc; send the sort and order that it came with, or no cursor',
  )
  expect(read('module', 'desc')).toThrow('sorted by "module" asc, and this one is by "module" desc')
})

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

test.each([
  ['nothing', ''],
  ['no base64', '%%%'],
  ['no JSON', Buffer.from('hello').toString('base64url')],
  ['no list', encode({})],
  ['of numbers', encode(['module', 'asc', ...PLACE.slice(0, 2), -7, ID])],
  ['of no order', encode(['module', 'up', ...PLACE])],
  ['a place too short', encode(['module', 'asc', ...PLACE.slice(0, 3)])],
  ['a place too long', encode(['module', 'asc', ...PLACE, ID])],
  ['a text that no column holds', encode(['module', 'asc', 'a\0', ...PLACE.slice(1)])],
  ['a time that is a word', encode(['module', 'asc', 'a', 'infinity', ...PLACE.slice(2)])],
  ['an hour that is none', encode(['module', 'asc', 'a', '2026-01-02 24:00:00+00', ...PLACE.slice(2)])],
  ['a day of no month', encode(['module', 'asc', 'a', '2026-02-30 00:00:00+00', ...PLACE.slice(2)])],
  ['a year that is none', encode(['module', 'asc', 'a', '0000-01-01 00:00:00+00', ...PLACE.slice(2)])],
  ['a day that is none', encode(['module', 'asc', 'a', '2026-13-41 00:00:00+00', ...PLACE.slice(2)])],
  ['a number past all columns', encode(['module', 'asc', ...PLACE.slice(0, 2), '9'.repeat(19), ID])],
  ['an id that is SQL', encode(['module', 'asc', ...PLACE.slice(0, 3), "'; drop table bulkhead.logs; --"])],
])('a cursor that is %s is a bad request', (_what, cursor) => {
  expect(() => readSortedCursor(cursor, { ...BY_MODULE, kinds: KINDS })).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
})
