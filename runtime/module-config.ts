import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { BulkheadError } from '../bridge/errors.ts'
import type { Data } from '../sdk/context.ts'
import { faultsOf, MAX_FAULTS, pathText, show } from './faults.ts'
import type { Manifest } from './manifest.ts'
import { didYouMean } from './nearest.ts'
import { isReference, type Lend, lendNothing, reveal } from './secrets.ts'
import { RESERVED_KEYS, type Fault, type Path } from './yaml.ts'

// A module's schema is hostile: the host compiles it and runs it over values. So there are no references (they can
// recurse, or double with each step), no regular expressions (they can take for ever), and few alternatives; with the
// cap on values, checking takes time and memory in proportion to both.
const KEYWORDS = [
  'type', 'properties', 'required', 'additionalProperties', 'items', 'prefixItems', 'anyOf', 'oneOf',
  'enum', 'const', 'default', 'title', 'description', 'examples', 'deprecated', 'readOnly', '$comment',
  'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minLength', 'maxLength',
  'minItems', 'maxItems', 'uniqueItems', 'minProperties', 'maxProperties',
]
const MAX_SUBSCHEMAS = 500
const MAX_ALTERNATIVES = 16
/** Values, lists and mappings that a configuration may hold together. */
export const MAX_CONFIG_VALUES = 2000

const ajv = new Ajv2020({
  allErrors: true,
  verbose: true,
  useDefaults: true,
  ownProperties: true,
  strict: true,
  strictTypes: true,
  allowUnionTypes: true,
  strictRequired: true,
  logger: false,
})

/** What is wrong with a manifest's `config`; an empty list says that it can be compiled. */
export function configFaults(schema: Data): Fault[] {
  const faults: Fault[] = []
  if (schema['type'] !== 'object') {
    const type = schema['type']
    faults.push({ path: ['config', 'type'], message: `must be "object", not ${show(type)}`, value: type })
  }
  const counts: Counts = { subschemas: 0, alternatives: 0 }
  walk(schema, ['config'], counts, faults)
  if (faults.length > 0) return faults
  if (counts.subschemas > MAX_SUBSCHEMAS) {
    return [{ path: ['config'], message: `has ${counts.subschemas} parts, the limit is ${MAX_SUBSCHEMAS}` }]
  }
  if (counts.alternatives > MAX_ALTERNATIVES) {
    const message = `has ${counts.alternatives} alternatives in anyOf and oneOf, the limit is ${MAX_ALTERNATIVES}`
    return [{ path: ['config'], message }]
  }
  if (!ajv.validateSchema(schema)) return faultsOf(ajv.errors ?? [], ['config'])
  try {
    compile(schema)
    return []
  } catch (thrown) {
    return [compileFault(thrown)]
  }
}

/** The validator says in its message where it is: `strict mode: missing type … at "#/properties/a" (strictTypes)`. */
function compileFault(thrown: unknown): Fault {
  const reason = (thrown instanceof Error ? thrown.message : '').slice(0, 300)
  const parts = /^(?:strict mode: )?(.*?)(?: at "#\/?([^"]*)")?(?: \(\w+\))?$/s.exec(reason)
  const [, message = reason, place = ''] = parts ?? []
  return { path: ['config', ...place.split('/').filter(Boolean)], message: message || 'cannot be compiled' }
}

/** What is wrong with `defaults`, its own and those of the schema; what is required and absent is no fault yet. */
export function defaultsFaults(schema: Data, defaults: Data): Fault[] {
  if (countValues(defaults) > MAX_CONFIG_VALUES) {
    return [{ path: ['defaults'], message: `holds too many values, the limit is ${MAX_CONFIG_VALUES}` }]
  }
  const check = compile(schema)
  if (check(structuredClone(defaults))) return []
  const errors = check.errors ?? []
  const absent = errors.filter(({ keyword }) => keyword === 'required')
  // An alternative that fails for what is absent may fit once it is there.
  const mayFit = (path: string) => absent.some(({ instancePath }) => instancePath.startsWith(path))
  const certain = errors.filter(
    ({ keyword, instancePath, schemaPath, data }) =>
      keyword !== 'required' && !isReference(data) && !(/\/(anyOf|oneOf)(\/|$)/.test(schemaPath) && mayFit(instancePath)),
  )
  return faultsOf(certain).map((fault) => ({ ...fault, path: [...placeOf(fault.path, defaults)] }))
}

/** Where a default comes from: the manifest's `defaults`, or else the schema's own. */
function placeOf(path: Path, defaults: Data): Path {
  let value: unknown = defaults
  for (const segment of path) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, segment) : undefined
  }
  if (value !== undefined) return ['defaults', ...path]
  const steps = path.flatMap((segment) => (typeof segment === 'string' ? ['properties', segment] : ['items']))
  return ['config', ...steps, 'default']
}

const compiled = new WeakMap<Manifest, ValidateFunction>()

/**
 * The configuration a module is given: the defaults of its schema, its manifest's `defaults` over them, the overrides
 * over those (mappings are merged, everything else is replaced), checked and deep-frozen. What refers to a value that
 * the operator lends is checked with that value, and stays a reference in what is returned.
 *
 * @param lend the value of a name, as in "$NAME"
 * @throws BulkheadError `INVALID`; its details are a list of `{ path, message }`, none of which quotes a value
 * @example moduleConfig(manifest, { kinds: ['email'] })
 */
export function moduleConfig(manifest: Manifest, overrides: Data = {}, lend: Lend = lendNothing): Data {
  const refuse = (faults: Array<{ path: Path; message: string }>) => {
    const told = faults.slice(0, MAX_FAULTS).map(({ path, message }) => ({ path: pathText(path), message }))
    const lines = told.map(({ path, message }) => (path ? `${path}: ${message}` : message))
    return new BulkheadError('INVALID', `cannot configure the module ${manifest.name}: ${lines.join('; ')}`, told)
  }
  const given = jsonCopy(overrides)
  if (!isData(given)) {
    const message = `the configuration must be a mapping of JSON values, none named ${RESERVED_KEYS.join(', ')}`
    throw refuse([{ path: [], message }])
  }
  if (!manifest.config) {
    if (Object.keys(given).length === 0) return Object.freeze({})
    throw refuse([{ path: [], message: 'its manifest declares no config' }])
  }
  if (countValues(given) > MAX_CONFIG_VALUES) {
    const message = `the configuration holds too many values, the limit is ${MAX_CONFIG_VALUES}`
    throw refuse([{ path: [], message }])
  }
  const config = mergeData(structuredClone(manifest.defaults), given)
  const check = compiled.get(manifest) ?? compile(manifest.config)
  compiled.set(manifest, check)
  // Fills the defaults in, which may refer to something; what else it finds is found again.
  check(config)
  const revealed = reveal(config, lend)
  if (revealed.refused.length > 0) throw refuse(revealed.refused)
  if (!check(revealed.config)) throw refuse(faultsOf(check.errors ?? [], [], false))
  return deepFreeze(config)
}

interface Counts {
  subschemas: number
  alternatives: number
}

/** Visits every subschema: its keywords, their number, and the alternatives. */
function walk(schema: unknown, path: Path, counts: Counts, faults: Fault[]): void {
  counts.subschemas += 1
  if (!isData(schema) || faults.length >= MAX_FAULTS) return
  for (const [keyword, value] of Object.entries(schema)) {
    const at = [...path, keyword]
    if (!KEYWORDS.includes(keyword)) {
      const message = `the keyword ${show(keyword)} is not supported in config${didYouMean(keyword, KEYWORDS)}`
      faults.push({ path: at, message, value: keyword, onKey: true })
    } else if (keyword === 'properties' && isData(value)) {
      for (const [name, child] of Object.entries(value)) walk(child, [...at, name], counts, faults)
    } else if (keyword === 'items' || keyword === 'additionalProperties') {
      walk(value, at, counts, faults)
    } else if (Array.isArray(value) && ['anyOf', 'oneOf', 'prefixItems'].includes(keyword)) {
      if (keyword !== 'prefixItems') counts.alternatives += value.length
      for (const [index, child] of value.entries()) walk(child, [...at, index], counts, faults)
    }
  }
}

function compile(schema: Data): ValidateFunction {
  const own = closed(schema) as Data
  const check = ajv.compile(own)
  // The instance would hold every schema that was ever loaded.
  ajv.removeSchema(own)
  return check
}

/** The schema with every mapping whose properties are listed refusing others, unless it says what they may be. */
function closed(schema: unknown): unknown {
  if (!isData(schema) || schema['anyOf'] || schema['oneOf']) return schema
  const copy: Data = { ...schema }
  if (isData(schema['properties'])) {
    copy['properties'] = Object.fromEntries(
      Object.entries(schema['properties']).map(([name, child]) => [name, closed(child)]),
    )
    copy['additionalProperties'] ??= false
  }
  if (isData(schema['additionalProperties'])) copy['additionalProperties'] = closed(schema['additionalProperties'])
  if (isData(schema['items'])) copy['items'] = closed(schema['items'])
  return copy
}

/** Lays one mapping over another, which is changed: mappings are merged, everything else is replaced. */
export function mergeData(base: Data, over: Data): Data {
  for (const [key, value] of Object.entries(over)) {
    const below = base[key]
    base[key] = isData(below) && isData(value) ? mergeData(below, value) : value
  }
  return base
}

function jsonCopy(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value), (key, child) => {
      if (RESERVED_KEYS.includes(key)) throw new TypeError(`"${key}" is no name for a field`)
      return child
    })
  } catch {
    return undefined
  }
}

function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce((sum: number, child) => sum + countValues(child), 1)
}

/** Whether a value is a mapping. */
export function isData(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value itself, with everything it holds frozen. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const child of Object.values(value)) deepFreeze(child)
  return Object.freeze(value)
}
