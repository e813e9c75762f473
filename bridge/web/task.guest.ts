import { reportException } from './report.guest.ts'

// HTML Standard, 8.1.7: a queue of tasks, each run when no microtask is left. They share one turn of the cell's clock.
let waiting: Array<() => void> = []
let setTimer: (callback: () => void, ms: number) => unknown

/** For the bridge's own start. */
export function runTasksWith(set: typeof setTimer): void {
  setTimer = set
}

/** Has `task` run after the code that runs now and its microtasks, in order. What it throws is reported. */
export function queueTask(task: () => void): void {
  waiting.push(task)
  if (waiting.length === 1) setTimer(runNext, 0)
}

function runNext(): void {
  const [task, ...rest] = waiting
  // The microtasks of one come before the next.
  waiting = rest
  if (rest.length > 0) setTimer(runNext, 0)
  try {
    task?.()
  } catch (thrown) {
    reportException(thrown)
  }
}
