import { ERRORS, type ErrorCode } from './errors.ts'
import type { GuestError } from './contract.ts'
import { errorClassOf } from './deno/errors.guest.ts'
import { defineProperty, hasOwn, parse, slice, stringify, text, weakGet, weakSet } from './primordials.guest.ts'

const CLASSES: Readonly<Record<string, ErrorConstructor> & { Error: ErrorConstructor }> = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }
const MAX_NAME = 100
const MAX_MESSAGE = 2_000
const MAX_STACK = 8_000

// Which errors the bridge itself made, as JSON fields. A module can imitate their look, not their presence here.
const marks = new WeakMap<object, string>() as WeakMap<WeakKey, unknown>

/** Which limit was reached: its name, its value and what was used. */
export interface LimitReached {
  limit: string
  value: number
  used: number
}

/** An error for module code, of the class of `Deno.errors` where there is one. */
export function refusal(code: ErrorCode, message: string, details?: LimitReached): Error {
  const error = new (errorClassOf(ERRORS[code].deno))(message)
  defineProperty(error, 'name', { value: ERRORS[code].deno, configurable: true, writable: true })
  defineProperty(error, 'code', { value: code, enumerable: true })
  weakSet(marks, error, ',"code":' + stringify(code) + (details ? ',"details":' + stringify(details) : ''))
  return error
}

/** The reason of a rejection, of a GuestError; what was no error is its text. */
export function rejectionOf(errorText: string): unknown {
  const { name, message, stack } = parse(errorText) as GuestError
  if (name === 'Uncaught') return message
  const error = new (hasOwn(CLASSES, name) ? (CLASSES[name] as ErrorConstructor) : CLASSES.Error)(message)
  if (error.name !== name) defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  defineProperty(error, 'stack', { value: stack, configurable: true, writable: true })
  return error
}

/** An ErrorText of the host as an error for module code. */
export function received(errorText: string): Error {
  const { code, message, details } = parse(errorText) as { code: ErrorCode; message: string; details?: LimitReached }
  return refusal(hasOwn(ERRORS, code) ? code : 'INTERNAL', message, details)
}

/**
 * Whatever was thrown, as bounded text. The getters and `toString` it may run are the module's:
 * they run here, inside the isolate, on its own budget.
 */
export function describeError(thrown: unknown): string {
  const error = typeof thrown === 'object' && thrown !== null ? (thrown as Partial<Error>) : undefined
  const described: GuestError = {
    name: attempt(() => error?.name ?? 'Uncaught', MAX_NAME),
    message: attempt(() => error?.message ?? thrown, MAX_MESSAGE),
    stack: attempt(() => error?.stack ?? '', MAX_STACK),
  }
  const mark = error && weakGet(marks, error)
  return (
    '{"name":' + stringify(described.name) +
    ',"message":' + stringify(described.message) +
    ',"stack":' + stringify(described.stack) +
    (mark === undefined ? '' : (mark as string)) + '}'
  )
}

function attempt(read: () => unknown, max: number): string {
  try {
    return slice(text(read()), 0, max)
  } catch {
    return '(unreadable)'
  }
}
