import { expect, test } from 'vitest'
import { readCursor, readLimit, writeCursor } from './pages.ts'

const PLACE = { createdAt: new Date('2026-01-02T03:04:05.678Z'), seq: 7, id: '00000000-0000-4000-8000-000000000000' }

test('a cursor reads back as the place it was made of', () => {
  expect(readCursor(writeCursor(PLACE))).toEqual(PLACE)
})

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

test.each([
  ['nothing', ''],
  ['no base64', '%%%'],
  ['no JSON', Buffer.from('hello').toString('base64url')],
  ['no list', encode({})],
  ['a time that is none', encode(['now', 7, PLACE.id])],
  ['a time no date holds', encode([1e17, 7, PLACE.id])],
  ['a number past int4', encode([0, 2 ** 31, PLACE.id])],
  ['an id that is SQL', encode([0, 7, "'; drop table bulkhead.logs; --"])],
  ['an id missing', encode([0, 7])],
])('a cursor that is %s is a bad request', (_what, cursor) => {
  expect(() => readCursor(cursor)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
})

test('limits from 1 to 200 are taken, 50 is the default', () => {
  expect([readLimit(1), readLimit(200), readLimit()]).toEqual([1, 200, 50])
  for (const limit of [0, 201, 1.5, Number.NaN]) {
    expect(() => readLimit(limit)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
  }
})
