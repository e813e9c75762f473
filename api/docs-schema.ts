type Schema = Record<string, unknown>

const LONGEST_LINE = 72
const MOST_LISTED = 12

/**
 * A JSON Schema as a type that people read.
 *
 * @example typeText({ type: 'array', items: { enum: ['a', 'b'] } }) // ("a" | "b")[]
 */
export function typeText(schema: unknown, indent = ''): string {
  const { type, enum: listed, const: only, anyOf, items, properties, additionalProperties, required } = (schema ?? {}) as Schema
  if (only !== undefined) return JSON.stringify(only)
  if (Array.isArray(listed)) return choice(someOf(listed), indent)
  if (Array.isArray(anyOf)) return choice(anyOf.map((one) => typeText(one, indent)), indent)
  if (type === 'array') return isChoice(items) ? `(${typeText(items, indent)})[]` : `${typeText(items, indent)}[]`
  if (isObject(properties) && Object.keys(properties).length > 0) return fields(properties, (required ?? []) as string[], indent)
  if (type === 'object') return `{ [name]: ${isObject(additionalProperties) ? typeText(additionalProperties, indent) : 'any'} }`
  if (Array.isArray(type)) return type.join(' | ')
  return typeof type === 'string' ? type : 'any'
}

function fields(properties: Schema, required: readonly string[], indent: string): string {
  const inner = `${indent}  `
  const of = (at: string) => Object.entries(properties).map(([name, one]) => `${name}${required.includes(name) ? '' : '?'}: ${typeText(one, at)}`)
  const short = `{ ${of(indent).join(', ')} }`
  if (short.length <= LONGEST_LINE && !short.includes('\n')) return short
  return `{\n${of(inner).map((line) => `${inner}${line}\n`).join('')}${indent}}`
}

function choice(options: readonly string[], indent: string): string {
  const line = [...new Set(options)].join(' | ')
  return line.length <= 2 * LONGEST_LINE ? line : [...new Set(options)].join(`\n${indent}  | `)
}

/** Of a list as long as that of all error codes, a few. */
function someOf(listed: readonly unknown[]): string[] {
  const texts = listed.map((value) => JSON.stringify(value))
  return texts.length > MOST_LISTED ? [...texts.slice(0, 3), `… ${texts.length - 3} more`] : texts
}

const isChoice = (schema: unknown): boolean => isObject(schema) && ('anyOf' in schema || 'enum' in schema)

const isObject = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value)
