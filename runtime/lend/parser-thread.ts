import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { loadModule, parseSync, SqlError } from 'libpg-query'
import { type Admitted, admit, type Node, Refused } from './guard.ts'

/** The thread that parses what modules send: their text can keep a parser busy, or overflow its stack. */

export interface Question {
  schema: string
  text: string
}

/** `broken`: the parser stopped halfway, and nobody knows what state it is in. */
export interface Verdict {
  admitted?: Admitted
  refusal?: string
  broken?: boolean
}

await loadModule()
const projections: ReadonlySet<string> = new Set(workerData as string[])

const host = parentPort as MessagePort
host.on('message', ({ schema, text }: Question) => tell(judge(schema, text)))
tell({}) // ready

function tell(verdict: Verdict): void {
  host.postMessage(verdict) // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread's port has no origin
}

function judge(schema: string, text: string): Verdict {
  if (text === '') return { refusal: 'there is no statement in the text' }
  try {
    const { stmts } = parseSync(text) as { stmts?: Array<{ stmt?: Node }> }
    return { admitted: admit(stmts ?? [], { schema, projections }) }
  } catch (error) {
    if (error instanceof Refused) return { refusal: error.message }
    if (error instanceof SqlError) return { refusal: syntaxError(error.message, text, error.sqlDetails?.cursorPosition) }
    if (error instanceof RangeError) return { refusal: 'it is nested too deeply', broken: true }
    return { refusal: 'it cannot be parsed', broken: true }
  }
}

function syntaxError(message: string, text: string, at: number | undefined): string {
  const line = at === undefined ? '' : ` in line ${text.slice(0, at).split('\n').length}`
  return `${message.slice(0, 500)}${line}`
}
