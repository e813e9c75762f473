import type { GuestError } from '../contract.ts'

/** What the tests of one file are, before any has run. */
export interface TestPlan {
  tests: Array<{
    name: string
    ignore: boolean
    only: boolean
    /** Of the call that declared it. */
    stack: string
  }>
}

/** How one test or one of its steps ended. */
export interface TestOutcome {
  name: string
  status: 'ok' | 'failed' | 'ignored'
  ms: number
  /** Of its own; that a step failed is in the step. */
  error?: GuestError
  steps: TestOutcome[]
}
