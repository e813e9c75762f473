/**
 * Every error the product can answer with: its HTTP status, and the class of `Deno.errors` a module sees for it.
 */
export const ERRORS = {
  BAD_REQUEST: { status: 400, deno: 'InvalidData' },
  UNAUTHENTICATED: { status: 401, deno: 'PermissionDenied' },
  FORBIDDEN: { status: 403, deno: 'PermissionDenied' },
  CAPABILITY_DENIED: { status: 403, deno: 'NotCapable' },
  NOT_FOUND: { status: 404, deno: 'NotFound' },
  METHOD_NOT_ALLOWED: { status: 405, deno: 'NotSupported' },
  REQUEST_TIMEOUT: { status: 408, deno: 'TimedOut' }, // the request did not arrive in time
  CONFLICT: { status: 409, deno: 'AlreadyExists' },
  PRECONDITION_FAILED: { status: 412, deno: 'Busy' }, // what If-Match names is no longer what there is
  BODY_TOO_LARGE: { status: 413, deno: 'InvalidData' },
  UNSUPPORTED_MEDIA: { status: 415, deno: 'NotSupported' },
  INVALID: { status: 422, deno: 'InvalidData' },
  MANIFEST_INVALID: { status: 422, deno: 'InvalidData' },
  BUNDLE_FAILED: { status: 422, deno: 'InvalidData' },
  DEPENDENCY: { status: 409, deno: 'NotFound' }, // a module needs another that is missing, does not fit or needs it in turn
  LOAD_FAILED: { status: 422, deno: 'InvalidData' }, // the module's own top level or onLoad threw
  NOT_CONFIRMED: { status: 428, deno: 'PermissionDenied' }, // a dangerous operation, asked for without confirm=true
  RATE_LIMITED: { status: 429, deno: 'Busy' },
  HEADERS_TOO_LARGE: { status: 431, deno: 'InvalidData' },
  UNHEALTHY: { status: 503, deno: 'BadResource' },
  MODULE_FAILED: { status: 502, deno: 'Error' }, // a handler threw or answered with something that is no verdict
  CALL_LIMIT: { status: 502, deno: 'QuotaExceeded' },
  SIZE_LIMIT: { status: 502, deno: 'QuotaExceeded' },
  QUOTA: { status: 507, deno: 'QuotaExceeded' }, // what a module keeps, not what one execution does
  CELL_LOST: { status: 503, deno: 'Interrupted' },
  BUSY: { status: 503, deno: 'Busy' },
  UNAVAILABLE: { status: 503, deno: 'NotFound' },
  STORE_FAILED: { status: 503, deno: 'BadResource' },
  MEMORY_LIMIT: { status: 504, deno: 'Interrupted' }, // these three: the isolate was disposed, not merely abandoned
  CPU_LIMIT: { status: 504, deno: 'TimedOut' },
  TIMEOUT: { status: 504, deno: 'TimedOut' },
  INTERNAL: { status: 500, deno: 'Error' },
} as const

export type ErrorCode = keyof typeof ERRORS

/** What leaves the process of an error: never a stack of ours, never a secret. */
export interface ErrorText {
  code: ErrorCode
  message: string
  details?: unknown
}

/**
 * The one error class of host and cell. The message says what could not be done, then why, with no full stop.
 *
 * @example throw new BulkheadError('NOT_FOUND', 'no module named "pii-filtr", did you mean "pii-filter"?')
 */
export class BulkheadError extends Error {
  override readonly name = 'BulkheadError'
  readonly code: ErrorCode
  readonly details: unknown

  constructor(code: ErrorCode, message: string, details?: unknown, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.details = details
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  toJSON(): ErrorText {
    return { code: this.code, message: this.message, ...(this.details === undefined ? {} : { details: this.details }) }
  }
}

/** Any thrown value as a BulkheadError; what is not one already becomes `INTERNAL` with the original as its cause. */
export function asBulkheadError(thrown: unknown): BulkheadError {
  if (thrown instanceof BulkheadError) return thrown
  return new BulkheadError('INTERNAL', 'internal error', undefined, thrown)
}

/** Which limit an error says was reached: its name, its value, and what was used. */
export interface LimitDetails {
  limit: string
  value: number
  used: number
}

/** The limit in an error's details, undefined where it names none. */
export function limitOf({ details }: { details?: unknown }): LimitDetails | undefined {
  const { limit, value, used } = (details ?? {}) as Partial<LimitDetails>
  if (typeof limit !== 'string' || typeof value !== 'number' || typeof used !== 'number') return undefined
  return { limit, value, used }
}
