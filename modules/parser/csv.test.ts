import { describe, expect, it } from 'vitest'
import { type CsvOptions, MAX_LENGTH, parseCsv } from './csv.ts'

describe('rows', () => {
  it.each<[text: string, rows: string[][]]>([
    ['', []],
    ['a', [['a']]],
    ['a,b', [['a', 'b']]],
    ['a,b\n', [['a', 'b']]],
    ['a\nb', [['a'], ['b']]],
    ['a\r\nb\r\n', [['a'], ['b']]],
    ['a\rb', [['a'], ['b']]],
    [',', [['', '']]],
    ['a,\nb,', [['a', ''], ['b', '']]],
    ['\n\na\n\n\nb\n\n', [['a'], ['b']]],
    ['""', [['']]],
    ['""\n', [['']]],
    ['"",""', [['', '']]],
    ['"a,b",c', [['a,b', 'c']]],
    ['"a\r\nb",c', [['a\r\nb', 'c']]],
    ['"say ""hi"""', [['say "hi"']]],
    ['""""', [['"']]],
    ['a"b,c', [['a"b', 'c']]],
    [' a , b ', [[' a ', ' b ']]],
    ['ä,€,𝐝', [['ä', '€', '𝐝']]],
  ])('of %j', (text, rows) => {
    expect(parseCsv(text, { header: false })).toEqual(rows)
  })

  it('are divided by another delimiter', () => {
    expect(parseCsv('a;"b;c";d,e', { delimiter: ';', header: false })).toEqual([['a', 'b;c', 'd,e']])
  })

  it('may be as long as may be', () => {
    const text = 'ab,cd\n'.repeat(MAX_LENGTH / 6 - 1)
    const rows = parseCsv(text, { header: false })
    expect([rows.length, rows.at(-1)]).toEqual([text.length / 6, ['ab', 'cd']])
    expect(parseCsv(','.repeat(MAX_LENGTH), { header: false })[0]).toHaveLength(MAX_LENGTH + 1)
  })
})

describe('records', () => {
  it.each<[text: string, records: object[]]>([
    ['', []],
    ['a,b', []],
    ['a,b\n1,2\n3,4', [{ a: '1', b: '2' }, { a: '3', b: '4' }]],
    ['__proto__\nx', [JSON.parse('{"__proto__":"x"}')]],
  ])('of %j', (text, records) => {
    expect(parseCsv(text)).toEqual(records)
  })
})

describe('a refusal', () => {
  it.each<[text: unknown, options: CsvOptions, message: string]>([
    ['a\n"b', {}, 'cannot parse, the quoted field that begins in line 2 does not end'],
    ['"', {}, 'cannot parse, the quoted field that begins in line 1 does not end'],
    ['"a" ,b', {}, 'cannot parse line 1, something follows the end of a quoted field'],
    ['a\r\n"b"c', {}, 'cannot parse line 2, something follows the end of a quoted field'],
    ['a,a\n1,2', {}, 'cannot parse, two columns are named "a"'],
    ['a,b\n1,2\n3', {}, 'cannot parse row 2, it has 1 fields and the header has 2'],
    ['a\n1,2', {}, 'cannot parse row 1, it has 2 fields and the header has 1'],
    [7, {}, 'cannot parse, the text is no string'],
    ['x'.repeat(MAX_LENGTH + 1), {}, 'cannot parse, the text has 500001 characters and may have 500000'],
    ['a', { delimiter: ';;' }, 'cannot parse, the delimiter is one character and neither a quote nor a line end'],
    ['a', { delimiter: '"' }, 'cannot parse, the delimiter is one character and neither a quote nor a line end'],
  ])('%#', (text, options, message) => {
    expect(() => parseCsv(text as string, options)).toThrow(message)
  })
})
