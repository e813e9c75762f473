/** How a command ends. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  denied: 4,
  conflict: 5,
  /** An execution reached one of its limits; the code that timeout(1) uses. */
  limit: 124,
  /** Ctrl-C, as shells report it. */
  interrupted: 130,
} as const

/** What each code means, for help and documents. */
export const EXIT_MEANINGS: ReadonlyArray<readonly [code: number, meaning: string]> = [
  [EXIT.ok, 'done'],
  [EXIT.failed, 'it failed, or the server could not be reached'],
  [EXIT.usage, 'wrong usage: a command, flag or input that is not accepted, or a confirmation that is missing'],
  [EXIT.notFound, 'what was named does not exist'],
  [EXIT.denied, 'no key, a wrong key, or a key that may not do this'],
  [EXIT.conflict, 'it conflicts with what is there'],
  [EXIT.limit, 'a limit was reached: of an execution, a quota or a rate'],
  [EXIT.interrupted, 'interrupted'],
]

const LIMITS = new Set(['TIMEOUT', 'CPU_LIMIT', 'MEMORY_LIMIT', 'CALL_LIMIT', 'SIZE_LIMIT', 'QUOTA', 'RATE_LIMITED'])
const USAGE = new Set(['BAD_REQUEST', 'INVALID', 'NOT_CONFIRMED'])
const BY_STATUS: Readonly<Record<number, number>> = { 401: EXIT.denied, 403: EXIT.denied, 404: EXIT.notFound, 409: EXIT.conflict, 412: EXIT.conflict }

/**
 * The exit code of a refusal.
 *
 * @example exitCodeOf({ code: 'NOT_FOUND', status: 404 }) // 3
 */
export function exitCodeOf({ code, status, details }: { code: string; status: number; details?: unknown }): number {
  if (LIMITS.has(code)) return EXIT.limit
  // A module with faults is no wrong use of the command.
  if (USAGE.has(code)) return isOfFiles(details) ? EXIT.failed : EXIT.usage
  return BY_STATUS[status] ?? EXIT.failed
}

function isOfFiles(details: unknown): boolean {
  const { faults } = (details ?? {}) as { faults?: unknown }
  return Array.isArray(faults) && faults.some((fault: unknown) => typeof (fault as { file?: unknown }).file === 'string')
}
