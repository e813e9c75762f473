import type { TestOutcome } from '../../bridge/deno/test-report.ts'
import type { BulkheadError } from '../../bridge/errors.ts'
import type { FileSummary } from '../../runtime/coverage/collect.ts'
import type { TestEvent } from '../../runtime/module-tests.ts'
import { coverageLines } from './coverage-lines.ts'
import { EXIT } from './exit.ts'
import { closing, FAILED, fileLine, plain, testLines } from './test-lines.ts'

interface Failure {
  title: string
  at: string
  outcome: TestOutcome
}

/**
 * Prints what happens while tests run, in the words of `deno test`, and what it came to.
 *
 * @param failFast ends with the first test that fails
 * @returns the exit code
 */
export async function reportTests(events: AsyncIterable<TestEvent>, failFast = false): Promise<number> {
  const startedAt = performance.now()
  const counts = { passed: 0, failed: 0, ignored: 0, filteredOut: 0, steps: { ok: 0, failed: 0, ignored: 0 } }
  const failures: Failure[] = []
  const broken: Array<{ file: string; error: BulkheadError }> = []
  let covered: FileSummary[] = []
  let usedOnly = false
  const print = (text: string) => process.stdout.write(text)

  for await (const event of events) {
    if (event.type === 'file') {
      counts.filteredOut += event.filteredOut
      usedOnly ||= event.only
      print(fileLine(event.file, event.tests))
    } else if (event.type === 'broken') {
      broken.push(event)
      print(`./${plain(event.file)} ... ${FAILED}\n`)
    } else if (event.type === 'coverage') {
      covered = event.files
    } else {
      const { outcome, output, at } = event
      counts[outcome.status === 'ok' ? 'passed' : outcome.status]++
      countSteps(outcome, counts.steps)
      failures.push(...failuresOf(outcome, at, []))
      print(testLines(outcome, output))
    }
    if (failFast && (counts.failed > 0 || broken.length > 0)) break
  }
  print(closing({ counts, failures, broken, usedOnly, ms: performance.now() - startedAt }))
  if (counts.failed > 0 || broken.length > 0 || usedOnly) return EXIT.failed
  if (covered.length > 0) print(coverageLines(covered))
  return EXIT.ok
}

/** What failed by itself, the failed steps of a test among it. */
function failuresOf(outcome: TestOutcome, at: string, path: readonly string[]): Failure[] {
  if (outcome.status !== 'failed') return []
  const names = [...path, outcome.name]
  const own = outcome.error ? [{ title: names.map(plain).join(' ... '), at, outcome }] : []
  return [...own, ...outcome.steps.flatMap((step) => failuresOf(step, at, names))]
}

function countSteps({ steps }: TestOutcome, counts: Record<TestOutcome['status'], number>): void {
  for (const step of steps) {
    counts[step.status]++
    countSteps(step, counts)
  }
}
