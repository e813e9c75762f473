import { describe, expect, test } from 'vitest'
import { sheetOf, tableOf, widthOf } from './table.ts'

const pipe = { columns: undefined, colours: false }
const table = (rows: ReadonlyArray<Record<string, unknown>>, columns?: number) => tableOf(rows, { ...pipe, columns })

describe('a table', () => {
  test('has a column for each field that holds something', () => {
    const rows = [{ name: 'a', createdAt: '2026-01-31T09:30:00.123Z', size: 5, none: null, tags: ['x', 'y'] }, { name: 'bb', size: 10 }]
    expect(table(rows).text).toBe('NAME  CREATED AT            SIZE  TAGS\na     2026-01-31T09:30:00Z     5  x, y\nbb                            10\n')
  })

  test('tells errors by code and message, and leaves out things that have much in them', () => {
    const { text, hidden } = table([{ name: 'a', error: { code: 'BUSY', message: 'no room', details: {} }, more: { text: 'x'.repeat(50) } }])
    expect([text, hidden]).toEqual(['NAME  ERROR\na     BUSY: no room\n', ['more']])
  })

  test.each([20, 40, 60, 80, 200])('fits a terminal of %d columns', (columns) => {
    const row = { name: 'a-module', about: 'long '.repeat(20), text: '漢字'.repeat(15), status: 'ready', size: 12 }
    const { text, hidden } = table([row, row], columns)
    expect(Math.max(...text.split('\n').map(widthOf))).toBeLessThanOrEqual(columns)
    expect(text).toMatch(/^NAME/)
    expect(hidden.length > 0 || text.includes('…')).toBe(columns < 200)
  })

  test('counts wide characters and emoji as the terminal does', () => {
    const [, first, second] = table([{ a: '漢字', b: 1 }, { a: '👍🏽', b: 2 }]).text.split('\n')
    expect([first, second]).toEqual(['漢字  1', '👍🏽    2'])
  })

  test('shows what a terminal would obey instead of letting it', () => {
    const { text } = table([{ name: 'a\u001b[31mred\u009b2J\u202etxet\nline' }])
    expect(text).toBe('NAME\na\\u001b[31mred\\u009b2J\\u202etxet line\n')
  })
})

describe('a sheet', () => {
  test('has a line for each field, dots for what is within, and a table for each list of things', () => {
    const thing = { name: 'a', limits: { memory: 64, none: null }, error: null, rows: [{ id: 1, ok: true }], empty: [] }
    expect(sheetOf(thing, pipe)).toBe('name           a\nlimits.memory  64\nerror\nempty\n\nrows\nID  OK\n 1  true\n')
  })

  test('keeps lines of text under each other', () => {
    expect(sheetOf({ text: 'one\ntwo', x: 1 }, pipe)).toBe('text  one\n      two\nx     1\n')
  })
})
