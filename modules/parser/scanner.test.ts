import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseCsv } from './csv.ts'
import { BINARY } from './scanner.ts'
import { assemble } from './wat.setup.ts'

it('is what its text says', async () => {
  expect([...BINARY]).toEqual([...assemble(await readFile(new URL('scanner.wat', import.meta.url), 'utf8'))])
})

it('reads back whatever rows are written in quotes where they need them', () => {
  const field = fc.oneof(fc.constantFrom('', 'a', ',', '"', '""', '\n', '\r', '\r\n', 'ä', '𝐝'), fc.string({ unit: 'binary' }))
  const rows = fc.array(fc.array(field, { minLength: 1, maxLength: 5 }), { maxLength: 8 })
  const write = (value: string) => (value === '' || /["\r\n,]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)
  fc.assert(
    fc.property(rows, fc.constantFrom('\n', '\r\n', '\r'), fc.boolean(), (written, lineEnd, atEnd) => {
      const text = written.map((row) => row.map(write).join(',')).join(lineEnd) + (atEnd ? lineEnd : '')
      expect(parseCsv(text, { header: false })).toEqual(written)
    }),
    { numRuns: 500 },
  )
})

it('ends with rows or an error it names, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ') }), (text) => {
      try {
        const rows = parseCsv(text, { header: false }) as string[][]
        expect(rows.flat().join('').length).toBeLessThanOrEqual(text.length)
      } catch (thrown) {
        expect((thrown as Error).message).toMatch(/^cannot parse/)
      }
    }),
    { numRuns: 2_000 },
  )
})
