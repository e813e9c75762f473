import type { ErrorObject } from 'ajv'
import { didYouMean } from './nearest.ts'
import type { Fault, Path } from './yaml.ts'

/** A fault as it is told: in an error's details, and as a line of its message. */
export interface ToldFault {
  file: string
  line: number
  column: number
  path: string
  value?: string | number | boolean | null
  message: string
}

/** How many faults of one file or value are told. */
export const MAX_FAULTS = 50
const LONGEST_TOLD = 80

/** A value of an author's file, short enough and plain enough to print. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  const printable = text.slice(0, LONGEST_TOLD + 1).replace(/[\p{C}\p{Z}]/gu, (character) =>
    character === ' ' ? ' ' : `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  )
  return printable.length > LONGEST_TOLD ? `${printable.slice(0, LONGEST_TOLD)}…` : printable
}

/** @example pathText(['hooks', 1]) // hooks[1] */
export function pathText(path: Path): string {
  let text = ''
  for (const segment of path) {
    if (typeof segment === 'string' && /^[A-Za-z_$][\w$]{0,62}$/.test(segment)) text += text ? `.${segment}` : segment
    else text += `[${show(segment)}]`
  }
  return text
}

export function tell(file: string, fault: Fault, position: { line: number; column: number }): ToldFault {
  const { value } = fault
  const told = typeof value === 'object' && value !== null ? show(value) : value
  return {
    file,
    ...position,
    path: pathText(fault.path),
    ...(told === undefined
      ? {}
      : { value: typeof told === 'string' ? told.slice(0, LONGEST_TOLD) : (told as number | boolean | null) }),
    message: fault.message,
  }
}

/** @example faultLine(told) // modules/x/module.yaml:7:3 hooks[1]: unknown hook "chat:befor_ai", did you mean … */
export function faultLine({ file, line, column, path, message }: ToldFault): string {
  return `${file}:${line}:${column} ${path ? `${path}: ` : ''}${message}`
}

/**
 * What a JSON Schema validator found, in words; at most one fault for each value. Needs ajv's `verbose`. A schema may
 * say with `noun` what an enum lists, and with `expects` what a pattern means.
 *
 * @param quoted whether messages quote the values; not where one may be a secret
 */
export function faultsOf(errors: readonly ErrorObject[], root: Path = [], quoted = true): Fault[] {
  const faults = new Map<string, Fault>()
  for (const error of errors.toSorted((a, b) => rank(a) - rank(b)).slice(0, MAX_FAULTS)) {
    const fault = faultOf(error, [...root, ...pathOf(error.instancePath)], quoted)
    const place = JSON.stringify(fault.path)
    if (!faults.has(place)) faults.set(place, fault)
  }
  return [...faults.values()]
}

/** Which of several faults of one value is told: a wrong word, then a wrong type, then anything else. */
function rank({ keyword, params, data }: ErrorObject): number {
  if (keyword === 'type') return 1
  const allowed: unknown[] = keyword === 'enum' ? params['allowedValues'] : []
  return allowed.some((known) => typeof known === typeof data) ? 0 : 2
}

/** A JSON pointer as a path. */
function pathOf(pointer: string): Path {
  const segments = pointer.split('/').slice(1).map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
  return segments.map((segment) => (/^\d{1,6}$/.test(segment) ? Number(segment) : segment))
}

const TYPE_WORDS: Record<string, string> = {
  object: 'a mapping',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  null: 'null',
}

function faultOf(error: ErrorObject, path: Path, quoted: boolean): Fault {
  const { keyword, params, data: value } = error
  const schema = (error.parentSchema ?? {}) as Record<string, unknown>
  const expected = typeof schema['expects'] === 'string' ? schema['expects'] : undefined
  const notThis = quoted ? `, not ${show(value)}` : ''
  switch (keyword) {
    case 'required':
      return { path: [...path, params['missingProperty'] as string], message: 'is missing' }
    case 'additionalProperties': {
      const key = params['additionalProperty'] as string
      const known = Object.keys((schema['properties'] as object | undefined) ?? {})
      return { path: [...path, key], message: `unknown field${didYouMean(key, known)}`, value: key, onKey: true }
    }
    case 'type': {
      const types = [params['type'] as string | string[]].flat()
      const words = expected ?? types.map((type) => TYPE_WORDS[type]).join(' or ')
      return { path, message: `must be ${words}${notThis}`, value }
    }
    case 'enum': {
      const allowed = params['allowedValues'] as unknown[]
      const texts = allowed.filter((known) => typeof known === 'string')
      const guess = typeof value === 'string' ? didYouMean(value, texts) : ''
      const noun = typeof schema['noun'] === 'string' ? schema['noun'] : 'value'
      if (!quoted) return { path, message: `unknown ${noun}, must be one of ${allowed.map(show).join(', ').slice(0, 500)}`, value }
      const list = guess || allowed.length > 10 ? '' : `, must be ${allowed.map(show).join(', ')}`
      return { path, message: `unknown ${noun} ${show(value)}${guess || list}`, value }
    }
    case 'pattern':
      return { path, message: `must be ${expected ?? 'text of another form'}${notThis}`, value }
    case 'minimum':
    case 'maximum': {
      const { minimum, maximum } = schema
      const range = minimum === undefined ? `at most ${maximum}` : maximum === undefined ? `at least ${minimum}` : ''
      return { path, message: `must be ${range || `from ${minimum} to ${maximum}`}${notThis}`, value }
    }
    case 'minLength': {
      const least = params['limit'] as number
      return { path, message: least === 1 ? 'must not be empty' : `must have at least ${least} characters`, value }
    }
    case 'maxLength':
      return { path, message: `must have at most ${params['limit']} characters`, value }
    case 'maxItems':
      return { path, message: `must have at most ${params['limit']} items`, value }
    case 'uniqueItems': {
      const index = Math.max(params['i'], params['j'])
      const twice = (value as unknown[])[index]
      return { path: [...path, index], message: `${quoted ? show(twice) : 'it'} is listed twice`, value: twice }
    }
    default:
      return { path, message: `${error.message ?? 'is not valid'}${notThis}`, value }
  }
}
