/** What an assertion of this file throws. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/**
 * Throws unless a value is truthy.
 *
 * @throws AssertionError
 * @example assert(result.action === 'block', 'rudeness is blocked')
 */
export function assert(value: unknown, message = 'the value is not truthy'): asserts value {
  if (!value) throw new AssertionError(message)
}

/**
 * Throws unless two values are equal in depth: objects and arrays by their content, Maps and Sets by theirs, dates by
 * their time, everything else by `Object.is`. A property that is undefined is not the same as one that is absent.
 *
 * @throws AssertionError that shows both
 * @example assertEquals(extractions, [{ type: 'pii_detected', data: { counts: { email: 1 } } }])
 */
export function assertEquals<Value>(actual: Value, expected: Value, message?: string): void {
  if (!areEqual(actual, expected)) {
    throw new AssertionError(`${message ?? 'the values are not equal'}\n  actual:   ${show(actual)}\n  expected: ${show(expected)}`)
  }
}

/**
 * Throws unless a function throws, and answers with what it threw.
 *
 * @throws AssertionError also where the message lacks `including`
 * @example assertThrows(() => parse('{'), 'unexpected end')
 */
export function assertThrows(run: () => unknown, including = ''): Error {
  try {
    run()
  } catch (thrown) {
    return holding(thrown, including)
  }
  throw new AssertionError('the function did not throw')
}

/**
 * The same for a function whose promise rejects.
 *
 * @example await assertRejects(() => module.handle('chat:before_ai', ctx), 'no message')
 */
export async function assertRejects(run: () => Promise<unknown>, including = ''): Promise<Error> {
  try {
    await run()
  } catch (thrown) {
    return holding(thrown, including)
  }
  throw new AssertionError('the promise did not reject')
}

function holding(thrown: unknown, including: string): Error {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  if (error.message.includes(including)) return error
  throw new AssertionError(`the message ${show(error.message)} does not include ${show(including)}`)
}

function areEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (a instanceof Date) return a.getTime() === (b as Date).getTime()
  if (a instanceof Map || a instanceof Set) return areEqual([...a], [...(b as Map<unknown, unknown> | Set<unknown>)])
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && areEqual(Reflect.get(a, name), Reflect.get(b, name)))
  )
}

function show(value: unknown): string {
  try {
    return JSON.stringify(value, (_key, child: unknown) => (typeof child === 'bigint' ? `${child}n` : child)) ?? String(value)
  } catch {
    return String(value)
  }
}
