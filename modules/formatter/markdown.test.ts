import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatMarkdown } from './markdown.ts'

const lines = (...all: string[]) => all.join('\n')

describe('formatMarkdown', () => {
  it.each<[what: string, text: string, formatted: string]>([
    ['columns', lines('|a|b|', '|-|-|', '|long|1|'), lines('| a    | b   |', '| ---- | --- |', '| long | 1   |')],
    [
      'sides',
      lines('l|c|r', ':-|:-:|-:', 'x|y|z', 'long|long|long'),
      lines('| l    |  c   |    r |', '| :--- | :--: | ---: |', '| x    |  y   |    z |', '| long | long | long |'),
    ],
    ['short rows', lines('|a|b|', '|-|-|', '|1|'), lines('| a   | b   |', '| --- | --- |', '| 1   |     |')],
    ['bars in cells', lines('|a|b|', '|-|-|', '|x\\|y|1|'), lines('| a    | b   |', '| ---- | --- |', '| x\\|y | 1   |')],
    ['wide characters', lines('|a|b|', '|-|-|', '|日本|1|', '|é|2|'), lines('| a    | b   |', '| ---- | --- |', '| 日本 | 1   |', '| é    | 2   |')],
    ['a table between paragraphs', lines('before', '', '|a|', '|-|', '|1|', '', 'after'), lines('before', '', '| a   |', '| --- |', '| 1   |', '', 'after')],
    ['an indented table', lines('  |a|', '  |-|'), lines('  | a   |', '  | --- |')],
    ['a table behind a fence', lines('```', 'x', '```', '|a|', '|-|'), lines('```', 'x', '```', '| a   |', '| --- |')],
  ])('aligns %s', (_what, text, formatted) => {
    expect(formatMarkdown(text)).toBe(formatted)
    expect(formatMarkdown(formatted)).toBe(formatted)
  })

  it.each<[what: string, text: string]>([
    ['nothing', ''],
    ['prose', 'a | b\nc | d'],
    ['a rule without a head', '\n|-|-|\n'],
    ['a head of another width', '|a|b|\n|-|'],
    ['a row of too many cells', '|a|\n|-|\n|1|2|'],
    ['a table in a fence', '```\n|a|\n|-|\n```'],
    ['a table in a fence of tildes that has backticks', '~~~~\n```\n~~~\n|a|\n|-|\n~~~~'],
    ['a fence that never ends', '```\n|a|\n|-|'],
    ['code that is indented', '    |a|\n    |-|'],
    ['a column that is too wide', `|a|\n|-|\n|${'x'.repeat(201)}|`],
    ['a heading with a rule', 'Title\n---'],
  ])('leaves %s', (_what, text) => {
    expect(formatMarkdown(text)).toBe(text)
  })

  it('changes spaces and rules alone, and nothing the second time', () => {
    const bare = (text: string) => text.replaceAll(/[\s|:-]/g, '')
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('|', '-', ':', 'a', ' ', '\n', '`', '\\') }), (text) => {
        const formatted = formatMarkdown(text)
        expect(bare(formatted)).toBe(bare(text))
        expect(formatMarkdown(formatted)).toBe(formatted)
      }),
      { numRuns: 3_000 },
    )
  })

  it.each(['|', '|-', '| |\n|-|\n', '\\|', '`', '- '].map((piece) => [piece]))('is done with 60 KB of %j', (piece) => {
    expect(typeof formatMarkdown(piece.repeat(60_000 / piece.length))).toBe('string')
  })
})
