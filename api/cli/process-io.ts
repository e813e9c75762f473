import { createInterface } from 'node:readline/promises'
import type { Io } from './io.ts'

/** The process as commands see it. Ctrl-C is theirs from here on, and a reader that goes away ends the process quietly. */
export function processIo(): Io {
  const interruption = new AbortController()
  let signals = 0
  process.on('SIGINT', () => {
    interruption.abort()
    if (++signals > 1) process.exit(130)
  })
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  const canAsk = process.stdin.isTTY && process.stderr.isTTY
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    interrupted: interruption.signal,
    ask: canAsk ? (question) => asked(question, interruption) : undefined,
  }
}

async function asked(question: string, interruption: AbortController): Promise<string> {
  // Raw input has no signals: readline tells of Ctrl-C itself.
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const interrupt = () => interruption.abort()
  lines.on('SIGINT', interrupt)
  lines.on('close', interrupt) // Ctrl-D
  try {
    return await lines.question(question, { signal: interruption.signal })
  } finally {
    lines.off('close', interrupt)
    lines.close()
  }
}
