import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { captured } from './io.setup.ts'
import { formatOf, textOf } from './output.ts'

const { io } = captured({})
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/

test.each(['json', 'yaml'] as const)('%s means what was answered, and holds nothing that a terminal would obey', async (format) => {
  const nasty = fc.string({ unit: fc.constantFrom('a', ' ', ':', '"', "'", '\\', '#', '-', '\n', '\t', '\u001b', '\u007f', '\u009b', '\u202e', '\u2028', 'é', '漢') })
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ stringUnit: 'binary' }), nasty, async (value, text) => {
      const whole = { value, text, items: [{ [text]: text }] }
      const written = (await textOf(whole, format, io, false)).text
      expect(written).not.toMatch(OBEYED)
      const read: unknown = format === 'json' ? JSON.parse(written) : parse(written)
      expect(JSON.parse(JSON.stringify(read))).toEqual(JSON.parse(JSON.stringify(whole)))
    }),
    { numRuns: 200 },
  )
})

test('the format is what was asked for, or what the ending of the file says', () => {
  expect([formatOf(undefined, undefined), formatOf('yaml', 'a.json'), formatOf(undefined, 'a.yml'), formatOf(undefined, 'a.txt'), formatOf(undefined, 'a')]).toEqual(['table', 'yaml', 'yaml', 'table', 'json'])
  expect(() => formatOf('jsn', undefined)).toThrow('unknown format "jsn", did you mean "json"?')
})
