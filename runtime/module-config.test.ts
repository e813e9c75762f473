import { describe, expect, test } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { parseManifest, type Manifest } from './manifest.ts'
import { moduleConfig } from './module-config.ts'

function manifestWith(config: object, defaults: object = {}): Manifest {
  const text = { name: 'x', version: '1.0.0', description: 'd', config, defaults }
  return parseManifest(JSON.stringify(text, null, 1), 'module.yaml')
}

function faults(action: () => unknown): string[] {
  try {
    action()
  } catch (thrown) {
    if (!(thrown instanceof BulkheadError)) throw thrown
    const details = thrown.details as Array<{ path: string; message: string }>
    return details.map(({ path, message }) => `${path}: ${message}`)
  }
  throw new Error('nothing was refused')
}

function property(schema: object, defaults: object = {}): Manifest {
  return manifestWith({ type: 'object', properties: { a: schema } }, defaults)
}

describe('a configuration', () => {
  const manifest = manifestWith(
    {
      type: 'object',
      properties: {
        enabled: { type: 'boolean', default: true },
        level: { type: 'string', enum: ['low', 'high'], default: 'low' },
        limits: {
          type: 'object',
          properties: { first: { type: 'number', default: 1 }, second: { type: 'number' } },
          default: {},
        },
        words: { type: 'array', items: { type: 'string' }, default: [] },
      },
    },
    { level: 'high', limits: { second: 2 }, words: ['x'] },
  )

  test("is the schema's defaults under the manifest's under what is given", () => {
    expect(moduleConfig(manifest)).toEqual({
      enabled: true,
      level: 'high',
      limits: { first: 1, second: 2 },
      words: ['x'],
    })
    expect(moduleConfig(manifest, { enabled: false, limits: { second: 3 }, words: ['y', 'z'] })).toEqual({
      enabled: false,
      level: 'high',
      limits: { first: 1, second: 3 },
      words: ['y', 'z'],
    })
  })

  test('is frozen and shared with no other', () => {
    const given = { words: ['y'] }
    const config = moduleConfig(manifest, given)
    expect(Object.isFrozen(config['words'])).toBe(true)
    expect(Object.isFrozen(given.words)).toBe(false)
    expect(moduleConfig(manifest)['limits']).not.toBe(moduleConfig(manifest)['limits'])
    expect(manifest.defaults).toEqual({ level: 'high', limits: { second: 2 }, words: ['x'] })
  })

  test('is refused with every fault', () => {
    const wrong = { level: 'hihg', limits: { second: '2', other: 3 }, words: ['a', 5] }
    expect(faults(() => moduleConfig(manifest, wrong))).toEqual([
      'level: unknown value, must be one of "low", "high"',
      'limits.second: must be a number',
      'words[1]: must be text',
      'limits.other: unknown field',
    ])
    const misspelt = faults(() => moduleConfig(manifest, { levle: 'low' }))
    expect(misspelt).toEqual(['levle: unknown field, did you mean "level"?'])
  })

  test('needs a schema unless it is empty', () => {
    const bare = parseManifest('name: x\nversion: 1.0.0\ndescription: d', 'module.yaml')
    expect(moduleConfig(bare)).toEqual({})
    expect(() => moduleConfig(bare, { a: 1 })).toThrow('cannot configure the module x: its manifest declares no config')
  })

  test('must be JSON without names that objects inherit', () => {
    const cyclic: Record<string, unknown> = {}
    cyclic['limits'] = cyclic
    const open = manifestWith({ type: 'object', additionalProperties: true })
    for (const given of [cyclic, JSON.parse('{"__proto__": {"polluted": 1}}'), { a: { constructor: 1 } }, { a: 1n }]) {
      expect(() => moduleConfig(open, given)).toThrow('the configuration must be a mapping of JSON values')
    }
    expect({}).not.toHaveProperty('polluted')
  })

  test('holds at most 2000 values', () => {
    const open = manifestWith({ type: 'object', additionalProperties: true })
    expect(moduleConfig(open, { a: Array(1998).fill(0) })['a']).toHaveLength(1998)
    expect(() => moduleConfig(open, { a: Array(1999).fill(0) })).toThrow('holds too many values, the limit is 2000')
  })

  test('may lack in the manifest what is required of whoever configures', () => {
    const needs = manifestWith({ type: 'object', properties: { key: { type: 'string' } }, required: ['key'] })
    expect(faults(() => moduleConfig(needs))).toEqual(['key: is missing'])
    expect(moduleConfig(needs, { key: 'k' })).toEqual({ key: 'k' })
  })

  test('may hold more fields where the schema says so', () => {
    const properties = { a: { type: 'number' } }
    const open = manifestWith({ type: 'object', properties, additionalProperties: { type: 'string' } })
    expect(moduleConfig(open, { b: 'x' })).toEqual({ b: 'x' })
    expect(faults(() => moduleConfig(open, { b: 1 }))).toEqual(['b: must be text'])
  })
})

describe("a manifest's schema of it", () => {
  test.each([
    ['pattern', { type: 'string', pattern: '^(a+)+$' }],
    ['patternProperties', { type: 'object', patternProperties: { '^(a+)+$': {} } }],
    ['format', { type: 'string', format: 'email' }],
    ['$ref', { $ref: 'https://example.org/schema.json' }],
    ['$ref', { $ref: '#' }],
    ['$defs', { $defs: {} }],
    ['$id', { $id: 'x' }],
    ['$dynamicRef', { $dynamicRef: '#x' }],
    ['allOf', { allOf: [{}] }],
    ['if', { if: {} }],
  ])('cannot use %s', (keyword, schema) => {
    const fault = `config.properties.a.${keyword}: the keyword "${keyword}" is not supported in config`
    expect(faults(() => property(schema))[0]).toContain(fault)
  })

  test.each([
    [{ typ: 'string' }, 'config.properties.a.typ: the keyword "typ" is not supported in config, did you mean "type"?'],
    [{ type: 'strin' }, 'config.properties.a.type: unknown value "strin", did you mean "string"?'],
    [{ type: 'number', minimum: 'x' }, 'config.properties.a.minimum: must be a number, not "x"'],
    [{ minimum: 3 }, 'config.properties.a: missing type "number" for keyword "minimum"'],
    [{ type: 'string', default: 3 }, 'config.properties.a.default: must be text, not 3'],
  ])('%j is refused at its place', (schema, fault) => {
    expect(faults(() => property(schema))).toEqual([fault])
  })

  const others: object[][] = [[{ type: 'array' }], [{ anyOf: [{ type: 'object' }] }], [{}]]
  test.each(others)('%j is refused, as it must say object', (schema) => {
    expect(faults(() => manifestWith(schema))[0]).toMatch(/^config.type: must be "object"/)
  })

  test('is checked against the defaults', () => {
    expect(faults(() => property({ type: 'integer', minimum: 5 }, { a: 3, other: 1 }))).toEqual([
      'defaults.a: must be at least 5, not 3',
      'defaults.other: unknown field',
    ])
    expect(faults(() => property({ enum: ['x'] }, { a: 'y' }))).toEqual(['defaults.a: unknown value "y", must be "x"'])
  })

  test('may offer 16 alternatives', () => {
    const choice = (count: number) => ({ anyOf: Array.from({ length: count }, (_, index) => ({ const: index })) })
    expect(moduleConfig(property(choice(16)), { a: 15 })).toEqual({ a: 15 })
    const fault = 'config: has 17 alternatives in anyOf and oneOf, the limit is 16'
    expect(faults(() => property(choice(17)))).toEqual([fault])
  })

  test('may have 500 parts', () => {
    const withParts = (count: number) => {
      const names = Array.from({ length: count - 1 }, (_, index) => [`p${index}`, {}])
      return manifestWith({ type: 'object', properties: Object.fromEntries(names) })
    }
    expect(withParts(500).name).toBe('x')
    expect(faults(() => withParts(501))).toEqual(['config: has 501 parts, the limit is 500'])
  })

  test('an alternative that only lacks what is required fits the defaults', () => {
    const keyed = { type: 'object', properties: { k: { type: 'string' } }, required: ['k'] }
    expect(property({ oneOf: [keyed, { type: 'null' }] }, { a: {} }).name).toBe('x')
  })
})
