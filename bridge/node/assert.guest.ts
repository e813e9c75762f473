import { inspect } from './inspect.guest.ts'
import { isDeepEqual } from './comparisons.guest.ts'
import { nodeError } from './host.guest.ts'

type Message = string | Error | undefined
type Expected = RegExp | ((error: unknown) => unknown) | (new (...args: never[]) => unknown) | Record<string, unknown> | Error | undefined

interface Failure {
  message?: string | undefined
  actual?: unknown
  expected?: unknown
  operator?: string
}

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
  readonly code = 'ERR_ASSERTION'
  readonly actual: unknown
  readonly expected: unknown
  readonly operator: string
  readonly generatedMessage: boolean
  constructor({ message, actual, expected, operator = 'fail' }: Failure) {
    super(message ?? describe(actual, expected, operator))
    this.generatedMessage = message === undefined
    this.actual = actual
    this.expected = expected
    this.operator = operator
  }
}

const LEADS: Readonly<Record<string, string>> = {
  strictEqual: 'Expected values to be strictly equal:', deepStrictEqual: 'Expected values to be strictly deep-equal:', deepEqual: 'Expected values to be loosely deep-equal:',
  notStrictEqual: 'Expected "actual" to be strictly unequal to:', notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
  notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
}

function describe(actual: unknown, expected: unknown, operator: string): string {
  const lead = LEADS[operator]
  if (lead === undefined) return operator === 'fail' ? 'Failed' : `${inspect(actual)} ${operator} ${inspect(expected)}`
  return operator.startsWith('not') ? `${lead}\n\n${inspect(expected)}` : `${lead}\n\n${inspect(actual)} !== ${inspect(expected)}\n`
}

function check(isTrue: boolean, message: Message, failure: Failure): void {
  if (isTrue) return
  if (message instanceof Error) throw message
  throw new AssertionError({ ...failure, message })
}

export function ok(value: unknown, message?: Message): asserts value {
  const shown = message ?? `The expression evaluated to a falsy value:\n\n  assert(${inspect(value)})\n`
  check(Boolean(value), shown, { actual: value, expected: true, operator: '==' })
}

// oxlint-disable eqeqeq -- what Node's older assertions mean
const loose = (a: unknown, b: unknown) => a == b || (Number.isNaN(a) && Number.isNaN(b))
// oxlint-enable eqeqeq
type Comparison = (actual: unknown, expected: unknown, message?: Message) => void
const comparison = (operator: string, holds: (a: unknown, b: unknown) => boolean): Comparison => (actual, expected, message) =>
  check(holds(actual, expected), message, { actual, expected, operator })

export const equal = comparison('==', loose)
export const notEqual = comparison('!=', (a, b) => !loose(a, b))
export const strictEqual = comparison('strictEqual', Object.is)
export const notStrictEqual = comparison('notStrictEqual', (a, b) => !Object.is(a, b))
export const deepEqual = comparison('deepEqual', (a, b) => isDeepEqual(a, b, false))
export const notDeepEqual = comparison('notDeepEqual', (a, b) => !isDeepEqual(a, b, false))
export const deepStrictEqual = comparison('deepStrictEqual', (a, b) => isDeepEqual(a, b, true))
export const notDeepStrictEqual = comparison('notDeepStrictEqual', (a, b) => !isDeepEqual(a, b, true))

export function fail(message?: Message): never {
  if (message instanceof Error) throw message
  throw new AssertionError({ message: message ?? 'Failed', operator: 'fail' })
}

/** What is thrown is what is expected: an instance, a text that matches, or an object with such keys. */
function meets(error: unknown, expected: Expected, message: Message): void {
  if (expected === undefined) return
  if (expected instanceof RegExp) {
    return check(expected.test(String(error)), message ?? `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(String(error))}\n`, { actual: error, expected, operator: 'throws' })
  }
  if (typeof expected === 'function') {
    const isClass = expected.prototype !== undefined && (expected === Error || Object.prototype.isPrototypeOf.call(Error, expected) || error instanceof expected)
    if (isClass && error instanceof expected) return undefined
    if (isClass) {
      const received = error instanceof Error ? error.constructor.name : inspect(error)
      return check(false, message ?? `The error is expected to be an instance of "${expected.name}". Received "${received}"`, { actual: error, expected, operator: 'throws' })
    }
    return check((expected as (error: unknown) => unknown)(error) === true, message ?? 'The validation function is expected to return "true".', { actual: error, expected, operator: 'throws' })
  }
  const keys = expected instanceof Error ? ['name', 'message', ...Object.keys(expected)] : Object.keys(expected)
  for (const key of keys) {
    const [actual, wanted] = [(error as Record<string, unknown>)[key], (expected as Record<string, unknown>)[key]]
    const isMet = wanted instanceof RegExp && typeof actual === 'string' ? wanted.test(actual) : isDeepEqual(actual, wanted, true)
    check(isMet, message, { actual: error, expected, operator: 'throws' })
  }
}

const split = (expected: Expected | string, message: Message): [Expected, Message] => (typeof expected === 'string' ? [undefined, expected] : [expected, message])
const missing = (what: string, message: Message, operator: string) => check(false, message ?? `Missing expected ${what}.`, { operator })
const unwanted = (what: string, error: unknown, message: Message, operator: string) =>
  check(false, message ?? `Got unwanted ${what}.\nActual message: "${error instanceof Error ? error.message : String(error)}"`, { actual: error, operator })

export function throws(run: () => unknown, wanted?: Expected | string, text?: Message): void {
  const [expected, message] = split(wanted, text)
  let thrown: { error: unknown } | undefined
  try {
    run()
  } catch (error) {
    thrown = { error }
  }
  if (thrown) meets(thrown.error, expected, message)
  else missing('exception', message, 'throws')
}

export function doesNotThrow(run: () => unknown, wanted?: Expected | string, text?: Message): void {
  try {
    run()
  } catch (error) {
    unwanted('exception', error, split(wanted, text)[1], 'doesNotThrow')
  }
}

type Work = Promise<unknown> | (() => Promise<unknown>)
const begin = async (work: Work): Promise<unknown> => (typeof work === 'function' ? work() : work)

export async function rejects(work: Work, wanted?: Expected | string, text?: Message): Promise<void> {
  const [expected, message] = split(wanted, text)
  const outcome = await begin(work).then(() => undefined, (error: unknown) => ({ error }))
  if (outcome) meets(outcome.error, expected, message)
  else missing('rejection', message, 'rejects')
}

export async function doesNotReject(work: Work, wanted?: Expected | string, text?: Message): Promise<void> {
  await begin(work).catch((error: unknown) => unwanted('rejection', error, split(wanted, text)[1], 'doesNotReject'))
}

export function match(text: string, pattern: RegExp, message?: Message): void {
  check(typeof text === 'string' && pattern.test(text), message ?? `The input did not match the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`, { actual: text, expected: pattern, operator: 'match' })
}
export function doesNotMatch(text: string, pattern: RegExp, message?: Message): void {
  check(typeof text === 'string' && !pattern.test(text), message ?? `The input was expected to not match the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`, { actual: text, expected: pattern, operator: 'doesNotMatch' })
}
export function ifError(value: unknown): void {
  if (value === null || value === undefined) return
  throw nodeError(Error, 'ERR_ASSERTION', `ifError got unwanted exception: ${value instanceof Error ? value.message : inspect(value)}`)
}

const others = { AssertionError, fail, throws, doesNotThrow, rejects, doesNotReject, match, doesNotMatch, ifError, deepStrictEqual, notDeepStrictEqual, strictEqual, notStrictEqual, ok }
const assertion = () => (value: unknown, message?: Message): void => ok(value, message)
export const strict: Record<string, unknown> = Object.assign(assertion(), others, {
  equal: strictEqual, notEqual: notStrictEqual, deepEqual: deepStrictEqual, notDeepEqual: notDeepStrictEqual,
}) as never
const assert: Record<string, unknown> = Object.assign(assertion(), others, { equal, notEqual, deepEqual, notDeepEqual, strict }) as never
strict['strict'] = strict
export default assert
