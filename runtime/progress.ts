/** How far a piece of long work is: what of it was done last, and where its steps can be counted, which of how many that was. */
export interface Progress {
  /** Such as "bundled". */
  step: string
  done?: number
  of?: number
}

export type Report = (progress: Progress) => void

/**
 * Tells of the steps of some work by their names; one that is left out is counted all the same.
 *
 * @example
 * const done = countSteps(['validated', 'bundled'], report)
 * done('bundled') // reports { step: 'bundled', done: 2, of: 2 }
 */
export function countSteps<Step extends string>(steps: readonly Step[], report: Report | undefined): (step: Step) => void {
  return (step) => report?.({ step, done: steps.indexOf(step) + 1, of: steps.length })
}
