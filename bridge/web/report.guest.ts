import { Event, trusted } from './event.guest.ts'
import { EventTarget, reportWith } from './event-target.guest.ts'
import { ErrorEvent, PromiseRejectionEvent } from './events.guest.ts'

// HTML Standard, 8.1.4.6 and 8.1.4.7: an error that nobody caught is told to the global object's listeners first.

let uncaught: (thrown: unknown) => void = () => {}
let isNoError: (thrown: unknown) => boolean = () => false

/**
 * @param whenUncaught called with what no listener has prevented
 * @param passes what is thrown and is no error; no listener is told
 */
export function reportTo(whenUncaught: typeof uncaught, passes: typeof isNoError): void {
  uncaught = whenUncaught
  isNoError = passes
}

let reporting = false

/** Dispatches `error` on the global object, as in Deno one that is not trusted, and hands the error on where no listener prevents it. Throws nothing. */
export function reportException(thrown: unknown): void {
  // A listener for errors that throws is not told of its own.
  if (reporting || isNoError(thrown)) return uncaught(thrown)
  reporting = true
  try {
    const { filename, lineno, colno } = placeOf(thrown)
    const message = `Uncaught ${thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : typeof thrown === 'string' ? JSON.stringify(thrown) : String(thrown)}`
    const event = new ErrorEvent('error', { cancelable: true, message, filename, lineno, colno, error: thrown })
    if (dispatch(event)) uncaught(thrown)
  } catch {
    uncaught(thrown)
  } finally {
    reporting = false
  }
}

/** Whether some listener has prevented what follows of a rejection that nobody handled. */
export function reportRejection(promise: Promise<unknown>, reason: unknown): boolean {
  try {
    return !dispatch(trusted(new PromiseRejectionEvent('unhandledrejection', { cancelable: true, promise, reason })))
  } catch {
    return false
  }
}

/** Tells the global object's listeners of a script's life, as Deno does: `load`, `beforeunload`, `unload`. */
export function tellOfLife(type: 'load' | 'beforeunload' | 'unload'): void {
  try {
    dispatch(trusted(new Event(type, { cancelable: type === 'beforeunload' })))
  } catch {
    // Without what the module has broken, nobody is told.
  }
}

const { dispatchEvent } = EventTarget.prototype
const dispatch = (event: object): boolean => Reflect.apply(dispatchEvent, globalThis, [event]) as boolean

/** @example reportError(new Error('told to the listeners of "error"')) */
export function reportError(error: unknown): void {
  if (arguments.length < 1) throw new TypeError("Failed to execute 'reportError': 1 argument required, but only 0 present")
  reportException(error)
}

function placeOf(thrown: unknown): { filename: string; lineno: number; colno: number } {
  const stack = thrown instanceof Error ? thrown.stack : undefined
  const [, filename = '', line = '0', column = '0'] = /\n\s+at (?:.*\()?([^\n()]+):(\d+):(\d+)\)?/.exec(typeof stack === 'string' ? stack : '') ?? []
  return { filename, lineno: Number(line), colno: Number(column) }
}

reportWith(reportException)
