import type { Io } from './io.ts'

interface Terminal {
  env?: Record<string, string>
  cwd?: string
  input?: string
  /** How wide the terminal is; without it, there is none, and nobody to ask. */
  columns?: number
  /** What the user types, answer by answer. */
  answers?: readonly string[]
  /** Presses Ctrl-C. */
  interrupted?: AbortSignal
}

/** What a command works with, and what it wrote. */
export function captured({ env = {}, cwd = process.cwd(), input = '', columns, answers, interrupted }: Terminal): { io: Io; stdout: () => string; stderr: () => string } {
  const written = { stdout: '', stderr: '' }
  const left = [...(answers ?? [])]
  const out = (name: 'stdout' | 'stderr') => ({
    write: (text: string | Uint8Array) => void (written[name] += Buffer.from(text as string).toString()),
    ...(columns !== undefined && { isTTY: true, columns }),
  })
  const io: Io = {
    stdin: (async function* () {
      if (input !== '') yield Buffer.from(input)
    })(),
    stdout: out('stdout'),
    stderr: out('stderr'),
    env,
    cwd,
    interrupted: interrupted ?? new AbortController().signal,
    ask:
      answers &&
      (async (question) => {
        written.stderr += question
        const answer = left.shift()
        if (answer === undefined) throw new Error(`nobody expected to be asked "${question}"`)
        return answer
      }),
  }
  return { io, stdout: () => written.stdout, stderr: () => written.stderr }
}
