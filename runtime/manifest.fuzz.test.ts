import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { BulkheadError } from '../bridge/errors.ts'
import { HOOKS } from './hooks.ts'
import { hookSettings, parseManifest } from './manifest.ts'
import { moduleConfig } from './module-config.ts'

/** Parses, and uses what was parsed as the runtime does; throws what is no promised refusal. */
function use(text: string): boolean {
  try {
    const manifest = parseManifest(text, 'module.yaml')
    for (const hook of manifest.hooks) hookSettings(manifest, hook)
    moduleConfig(manifest)
    return true
  } catch (thrown) {
    if (thrown instanceof BulkheadError && ['MANIFEST_INVALID', 'INVALID'].includes(thrown.code)) {
      expect(thrown.message).not.toBe('')
      expect(JSON.stringify(thrown).length).toBeLessThan(100_000)
      return false
    }
    throw thrown
  }
}

const VALID = {
  name: 'pii-filter',
  version: '1.0.0',
  description: 'Redacts',
  hooks: ['chat:before_ai', 'chat:after_ai'],
  priorities: { 'chat:before_ai': 5 },
  failure: { 'chat:before_ai': 'closed' },
  timeouts: { 'chat:before_ai': 3000 },
  permissions: ['emit', 'log'],
  limits: { maxMemoryMB: 64 },
  config: {
    type: 'object',
    properties: {
      kinds: { type: 'array', items: { enum: ['email', 'phone'] }, default: ['email'] },
      threshold: { oneOf: [{ type: 'number' }, { type: 'null' }] },
    },
  },
  defaults: { threshold: 3 },
}
const TEXT = stringify(VALID)
const words = fc.constantFrom(
  'config', 'defaults', 'type', 'object', 'properties', 'hooks', '__proto__', 'constructor', '$ref', 'anyOf', 'items',
  'default', 'required', 'enum', 'limits', 'name', '&a', '*a', '!!binary', '<<', '---', '? ', '- ', '|', '%YAML 1.1',
  ...Object.keys(HOOKS),
)

test('the manifest that is mutated below is accepted', () => {
  expect(use(TEXT)).toBe(true)
})

test('any text is accepted or refused', () => {
  const yamlish = fc.string({ unit: fc.constantFrom(...'{}[]:,-?&*!|>\'"%@` \n\tab1.#~<') })
  const sentences = fc.array(fc.oneof(words, yamlish)).map((parts) => parts.join(' '))
  const anything = fc.oneof(fc.string({ unit: 'binary' }), yamlish, sentences)
  fc.assert(fc.property(anything, (text) => void use(text)), { numRuns: 1000 })
})

test('a manifest with some of its text replaced is accepted or refused', () => {
  const edit = fc.tuple(fc.nat(TEXT.length), fc.nat(20), fc.oneof(words, fc.string({ unit: 'binary', maxLength: 10 })))
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let text = TEXT
      for (const [at, length, replacement] of edits) text = text.slice(0, at) + replacement + text.slice(at + length)
      use(text)
    }),
    { numRuns: 500 },
  )
})

test('a manifest with any field of any value is accepted or refused', () => {
  const value = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, fc.jsonValue({ maxDepth: 1 }), words, tie('mapping'), fc.array(tie('value'))),
    mapping: fc.dictionary(words, tie('value')),
  })).value
  const field = fc.constantFrom(...Object.keys(VALID), 'blocking', 'tags', 'type')
  fc.assert(fc.property(field, value, (name, any) => void use(stringify({ ...VALID, [name]: any }))), { numRuns: 500 })
  fc.assert(
    fc.property(fc.dictionary(words, value), (properties) => {
      use(stringify({ ...VALID, config: { type: 'object', properties } }))
    }),
    { numRuns: 200 },
  )
})

test('nothing parsed reaches the prototype of objects', () => {
  use('__proto__: { polluted: 1 }\nconstructor: { prototype: { polluted: 1 } }')
  use(`${TEXT}\n"__proto__": { polluted: 1 }`)
  use(TEXT.replace('threshold: 3', '__proto__: { polluted: 1 }'))
  expect({}).not.toHaveProperty('polluted')
})
