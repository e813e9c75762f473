import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { BulkheadError } from '../bridge/errors.ts'
import { faultsOf, pathText } from './faults.ts'

/** How many faults an answer lists; the others are counted. */
export const MAX_FAULTS = 50
const SHOWN_CHARACTERS = 100
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** One thing that is wrong with a request: where, what, and the refused value, shortened, where it is a plain one. */
export interface Fault {
  path: string
  message: string
  value?: string | number | boolean | null
}

const options = { allErrors: true, verbose: true, strict: true, allowUnionTypes: true, logger: false } as const
const exact = new Ajv2020(options)
const coercing = new Ajv2020({ ...options, coerceTypes: true })
for (const ajv of [exact, coercing]) ajv.addVocabulary(['expects', 'noun', 'secret']).addFormat('date-time', isDateTime).addFormat('uuid', UUID)

/**
 * Compiles a JSON Schema (2020-12) into a function that names everything wrong with a value.
 *
 * @param settings `coerce`: texts become the numbers and booleans that the schema asks for, in place (query strings)
 * @example faultFinder(Type.Object({ limit: Type.Integer() }))({ limit: 'x' })
 * // [{ path: 'limit', message: 'must be a whole number, not "x"', value: 'x' }]
 */
export function faultFinder(schema: object, settings: { coerce?: boolean } = {}): (value: unknown) => Fault[] {
  const validate = (settings.coerce ? coercing : exact).compile(schema)
  return (value) => {
    if (validate(value)) return []
    const errors = validate.errors ?? []
    const listed = errors.length > MAX_FAULTS ? errors.slice(0, MAX_FAULTS) : errors
    const faults = faultsOf(listed.map(formatAsPattern)).map((fault) => ({
      path: pathText(fault.path),
      message: fault.message,
      ...shown(fault.value),
    }))
    const others = errors.length - listed.length
    return others > 0 ? [...faults, { path: '', message: `and ${others} more` }] : faults
  }
}

/** The error about a value with faults: the first in words, every one in its details. */
export function refusal(what: string, faults: readonly Fault[]): BulkheadError {
  const [first, ...others] = faults
  const where = first?.path ? `"${first.path}"` : 'it'
  const more = others.length === 0 ? '' : `, and ${others.length} more`
  return new BulkheadError('INVALID', `${what}: ${where} ${first?.message ?? 'is refused'}${more}`, { faults })
}

/** Both are told by the schema's `expects`. */
function formatAsPattern(error: ErrorObject): ErrorObject {
  return error.keyword === 'format' ? { ...error, keyword: 'pattern' } : error
}

/** Objects and arrays are left out: the caller has them, and they may be large. */
function shown(value: unknown): Pick<Fault, 'value'> {
  if (typeof value === 'string') {
    return { value: value.length > SHOWN_CHARACTERS ? `${value.slice(0, SHOWN_CHARACTERS)}…` : value }
  }
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? { value } : {}
}

/** A time of the years 1000 to 9999 in UTC, which JavaScript and PostgreSQL read alike. */
function isDateTime(text: string): boolean {
  // The form first: Temporal also takes forms that Date does not, and Date takes the 30th of February.
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.test(text)) return false
  try {
    const { epochMilliseconds } = Temporal.Instant.from(text)
    return epochMilliseconds === Date.parse(text) && /^[1-9]\d{3}-/.test(new Date(epochMilliseconds).toISOString())
  } catch {
    return false
  }
}
