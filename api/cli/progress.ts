import { setTimeout as delay } from 'node:timers/promises'
import { ERRORS } from '../../bridge/errors.ts'
import { type Client, Refused } from './client.ts'
import type { Io } from './io.ts'
import { printable } from './table.ts'

/** What the server tells of long work. */
interface Progress {
  id: string
  state: 'running' | 'done' | 'failed' | 'lost'
  step: string | null
  percent: number | null
  result: unknown
  error: { code: string; message: string; details?: unknown } | null
}

const FIRST_LOOK_MS = 100
const LOOK_MS = 250
const BAR = 24

/**
 * Waits for long work, showing on a terminal how far it is.
 *
 * @param accepted the answer 202, whose `Location` tells more
 * @returns what the operation answers
 * @throws Refused with the error that the work ended with
 */
export async function awaitProgress(accepted: Response, client: Client, io: Io, quiet: boolean): Promise<unknown> {
  const path = accepted.headers.get('location') ?? ''
  if (!path.startsWith('/v1/')) throw new Refused({ code: 'UNEXPECTED', status: 502, message: 'the server has not said where to ask how far the work is' })
  await accepted.body?.cancel()
  const show = io.stderr.isTTY && !quiet ? (text: string) => io.stderr.write(`\r\u001b[2K${text}`) : undefined
  try {
    for (let waitMs = FIRST_LOOK_MS; ; waitMs = LOOK_MS) {
      await delay(waitMs, undefined, { signal: io.interrupted })
      const progress = (await client.json({ method: 'GET', path })) as Progress
      if (progress.state !== 'running') return outcomeOf(progress)
      show?.(barOf(progress, io.stderr.columns ?? 80))
    }
  } finally {
    show?.('')
  }
}

function outcomeOf({ id, state, result, error }: Progress): unknown {
  if (state === 'done') return result
  if (state === 'lost') throw new Refused({ code: 'LOST', status: 503, message: `the host that did it is gone, and it may be half done; it was the work ${id}` })
  const { code, message, details } = error ?? { code: 'INTERNAL', message: 'it failed, and the server does not say why' }
  throw new Refused({ code, message, details, status: Object.hasOwn(ERRORS, code) ? ERRORS[code as keyof typeof ERRORS].status : 500 })
}

/** @example barOf({ step: 'bundled (3 of 6)', percent: 50 }, 80) // ████████████░░░░░░░░░░░░  50 %  bundled (3 of 6) */
export function barOf({ step, percent }: Pick<Progress, 'step' | 'percent'>, columns: number): string {
  const text = printable(step ?? 'under way').replaceAll('\n', ' ')
  if (percent === null) return `… ${text}`.slice(0, columns - 1)
  const full = Math.round((Math.min(100, Math.max(0, percent)) / 100) * BAR)
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${String(Math.round(percent)).padStart(3)} %  ${text}`.slice(0, columns - 1)
}
