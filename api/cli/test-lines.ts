import type { TestOutcome } from '../../bridge/deno/test-report.ts'
import type { BulkheadError } from '../../bridge/errors.ts'
import type { TestOutput } from '../../runtime/module-tests.ts'

export const FAILED = 'FAILED'
const WORDS = { ok: 'ok', failed: FAILED, ignored: 'ignored' } as const

/** A report on a run, in the words of `deno test`. */
interface Report {
  counts: { passed: number; failed: number; ignored: number; filteredOut: number; steps: Record<TestOutcome['status'], number> }
  failures: Array<{ title: string; at: string; outcome: TestOutcome }>
  broken: Array<{ file: string; error: BulkheadError }>
  usedOnly: boolean
  ms: number
}

/** A name that somebody else wrote, on one line and without what a terminal would obey. */
export function plain(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => JSON.stringify(character).slice(1, -1)).slice(0, 500)
}

/** @example fileLine('index_test.ts', 2) // running 2 tests from ./index_test.ts */
export function fileLine(file: string, tests: number): string {
  return `running ${tests} ${tests === 1 ? 'test' : 'tests'} from ./${plain(file)}\n`
}

export function testLines(outcome: TestOutcome, output: readonly TestOutput[]): string {
  const said = output.length > 0 ? `------- output -------\n${output.map(({ message }) => `${message}\n`).join('')}----- output end -----\n` : ''
  const opens = said !== '' || outcome.steps.length > 0
  return (opens ? `${plain(outcome.name)} ...\n` : '') + said + stepLines(outcome, 1) + lineOf(outcome, 0)
}

function stepLines({ steps }: TestOutcome, depth: number): string {
  return steps.map((step) => (step.steps.length > 0 ? `${indent(depth)}${plain(step.name)} ...\n` : '') + stepLines(step, depth + 1) + lineOf(step, depth)).join('')
}

function lineOf(outcome: TestOutcome, depth: number): string {
  const failedSteps = outcome.error ? 0 : outcome.steps.filter(({ status }) => status === 'failed').length
  const due = failedSteps > 0 ? ` (due to ${failedSteps} failed ${failedSteps === 1 ? 'step' : 'steps'})` : ''
  return `${indent(depth)}${plain(outcome.name)} ... ${WORDS[outcome.status]}${due} (${outcome.ms}ms)\n`
}

export function closing({ counts, failures, broken, usedOnly, ms }: Report): string {
  const { passed, failed, ignored, steps, filteredOut } = counts
  const errors = [
    ...failures.map(({ title, at, outcome }) => `${title} => ./${plain(at)}\n${errorText(outcome.error)}`),
    ...broken.map(({ file, error }) => `./${plain(file)} (uncaught error)\n${errorText({ name: '', message: error.message, stack: stackOf(error) })}`),
  ]
  const titles = [
    ...failures.map(({ title, at }) => `${title} => ./${plain(at)}\n`),
    ...broken.map(({ file }) => `./${plain(file)} (uncaught error)\n`),
  ]
  const good = failed === 0 && broken.length === 0 && !usedOnly
  const totals = [
    `${passed} passed${stepCount(steps.ok)}`,
    `${failed + broken.length} failed${stepCount(steps.failed)}`,
    ...(ignored > 0 || steps.ignored > 0 ? [`${ignored} ignored${stepCount(steps.ignored)}`] : []),
    ...(filteredOut > 0 ? [`${filteredOut} filtered out`] : []),
  ]
  return (
    (errors.length > 0 ? `\n ERRORS\n\n${errors.join('\n')}\n FAILURES\n\n${titles.join('')}` : '') +
    `\n${good ? 'ok' : FAILED} | ${totals.join(' | ')} (${Math.round(ms)}ms)\n\n` +
    (usedOnly ? 'error: Test failed because the "only" option was used\n' : good ? '' : 'error: Test failed\n')
  )
}

function stepCount(steps: number): string {
  return steps > 0 ? ` (${steps} ${steps === 1 ? 'step' : 'steps'})` : ''
}

function errorText(error: TestOutcome['error']): string {
  const { name = '', message = '', stack = '' } = error ?? {}
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  return `error: ${[name, message].filter(Boolean).join(': ')}\n${frames.map((frame) => `${frame}\n`).join('')}`
}

function stackOf({ details }: BulkheadError): string {
  const { stack } = (details ?? {}) as { stack?: unknown }
  return typeof stack === 'string' ? stack : ''
}

function indent(depth: number): string {
  return '  '.repeat(depth)
}
