import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Data } from '../sdk/context.ts'
import { hiderOf, isReference, type Lend, namesIn, reveal } from './secrets.ts'

const lend: Lend = (name) => (name === 'A' ? { value: 'the value of A' } : { refused: 'nobody lends it' })

describe('a reference', () => {
  test('is a text that is nothing but a name', () => {
    expect(['$A', '$_A1', `$${'A'.repeat(100)}`].every(isReference)).toBe(true)
    expect(['$a', 'A', '$A ', ' $A', '$$A', '$', '$1', '${A}', 'x$A', `$${'A'.repeat(101)}`, 1, null].some(isReference)).toBe(false)
  })

  test('is replaced wherever it stands, a doubled sign is a sign, and the rest stays', () => {
    const config = { a: '$A', list: ['$A', '$$A', 'x $A'], deep: { a: { $A: '$A' } }, n: 1, none: null }
    const value = 'the value of A'
    expect(reveal(config, lend)).toEqual({
      config: { a: value, list: [value, '$A', 'x $A'], deep: { a: { $A: value } }, n: 1, none: null },
      refused: [],
    })
    expect(config.a).toBe('$A')
    expect([...namesIn(config)]).toEqual(['A'])
  })

  test('that is refused is told with its place', () => {
    const { refused } = reveal({ list: [{ key: '$B' }] }, lend)
    expect(refused).toEqual([{ path: ['list', 0, 'key'], message: expect.stringContaining('cannot take the value of B, nobody lends it') }])
  })

  test('is all that is changed in any value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const config = JSON.parse(JSON.stringify(value)) as Data
        fc.pre(namesIn(config).size === 0 && !JSON.stringify(config).includes('"$$'))
        expect(reveal(config, lend)).toEqual({ config, refused: [] })
      }),
    )
  })
})

describe('a secret', () => {
  const { text, json } = hiderOf(['s3cret"\\\n', 's3cret"\\\n and more', 'short'])

  test('is taken out as it is, as it is printed, and as an address has it; the longest first', () => {
    expect(text('a s3cret"\\\n b')).toBe('a [hidden] b')
    expect(text('s3cret"\\\n and more')).toBe('[hidden]')
    expect(text(`{ key: ${JSON.stringify('s3cret"\\\n')} }`)).toBe('{ key: "[hidden]" }')
    expect(text(`{ key: 's3cret"\\\\\\n' }`)).toBe(`{ key: '[hidden]' }`) // as consoles show it
    expect(hiderOf([`it's "a" \x1b`]).text(`\`it's "a" \\x1B\``)).toBe('`[hidden]`')
    expect(text(`?key=${encodeURIComponent('s3cret"\\\n')}`)).toBe('?key=[hidden]')
    expect(json(JSON.stringify({ key: ['s3cret"\\\n'] }))).toBe('{"key":["[hidden]"]}')
  })

  test('of seven characters is left, as it would tear words apart; one of eight is not', () => {
    const hider = hiderOf(['1234567', 'abcdefgh'])
    expect(hider.text('1234567 abcdefgh')).toBe('1234567 [hidden]')
  })

  test('is in no JSON text afterwards, which is JSON still', () => {
    const secrets = fc.string({ minLength: 8, maxLength: 30, unit: 'binary' })
    fc.assert(
      fc.property(secrets, fc.jsonValue(), fc.string(), (secret, value, around) => {
        fc.pre(!'[hidden]'.includes(secret))
        const given = JSON.stringify({ [secret]: value, list: [around + secret + around], printed: JSON.stringify({ secret }), n: 12_345_678 })
        const said = hiderOf([secret]).json(given)
        const parsed = JSON.parse(said) as { list: string[]; printed: string; n: number }
        expect(parsed.n).toBe(12_345_678)
        expect(parsed.list[0]).not.toContain(secret)
        expect(Object.keys(parsed)).not.toContain(secret)
        expect(parsed.printed).not.toContain(JSON.stringify(secret).slice(1, -1))
      }),
    )
  })

  test('is hidden in what is no JSON at all without harm', () => {
    expect(json('{"s3cret\\"\\\\\\n')).toBe('{"s3cret\\"\\\\\\n')
  })
})
