import type { GuestError } from '../../bridge/contract.ts'
import { BulkheadError, ERRORS, type ErrorCode, limitOf } from '../../bridge/errors.ts'

const MAX_NAME = 100
const MAX_MESSAGE = 2_000
const MAX_STACK = 8_000

/** A failure as the bridge described it inside the isolate. */
export function guestFailure(text: string): BulkheadError {
  const { code, name, message, stack, details } = readGuestError(text)
  if (code !== undefined && Object.hasOwn(ERRORS, code)) {
    return new BulkheadError(code as ErrorCode, message, { ...(details as object | undefined), stack })
  }
  return new BulkheadError('MODULE_FAILED', `${name}: ${message}`, { stack })
}

export function readGuestError(text: string): GuestError {
  try {
    return JSON.parse(text) as GuestError
  } catch {
    return { name: 'Error', message: 'the module failed', stack: '' }
  }
}

/** A rejection that nobody handled, as isolated-vm copied it: its fields are plain strings here. A GuestError for the guest. */
export function rejectionText(thrown: unknown): string {
  const { name, message, stack } = thrown instanceof Error ? thrown : { name: 'Uncaught', message: String(thrown), stack: '' }
  return JSON.stringify({ name: name.slice(0, MAX_NAME), message: message.slice(0, MAX_MESSAGE), stack: String(stack).slice(0, MAX_STACK) } satisfies GuestError)
}

/** What a guest is told of a failure on this side: its code and message, and the limit where it is one. */
export function refusalText(thrown: unknown): string {
  if (!(thrown instanceof BulkheadError)) return JSON.stringify({ code: 'INTERNAL' satisfies ErrorCode, message: 'internal error' })
  const { code, message } = thrown
  return JSON.stringify({ code, message, details: limitOf(thrown) })
}
