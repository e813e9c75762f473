import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { loadModule, parseSync, SqlError } from 'libpg-query'
import { admitMigration } from './ddl-guard.ts'
import { type Node, Refused } from './guard.ts'

/** A thread that parses and judges the files of one module's migrations, then ends. */

export interface Files {
  schema: string
  projections: readonly string[]
  files: ReadonlyArray<{ name: string; text: string }>
}

export interface PlannedStatement {
  text: string
  /** In its file, the first being 1. */
  line: number
}

export interface PlanVerdict {
  /** By file. */
  plans: Record<string, PlannedStatement[]>
  refusal?: { file: string; line: number; why: string }
}

await loadModule()
const { schema, projections, files } = workerData as Files
const rules = { schema, projections: new Set(projections) }
const host = parentPort as MessagePort
host.postMessage(judge()) // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread's port has no origin

function judge(): PlanVerdict {
  const plans: PlanVerdict['plans'] = {}
  for (const { name, text } of files) {
    let line = 1
    try {
      const bytes = Buffer.from(text)
      const { stmts = [] } = parseSync(text) as { stmts?: Array<{ stmt?: Node; stmt_location?: number; stmt_len?: number }> }
      plans[name] = stmts.flatMap(({ stmt, stmt_location: from = 0, stmt_len: length = bytes.length - from }) => {
        if (stmt === undefined) return []
        line = lineAt(bytes, from)
        admitMigration(stmt, rules)
        return { text: bytes.subarray(from, from + length).toString('utf8'), line }
      })
    } catch (error) {
      if (error instanceof SqlError) line = lineAt(Buffer.from(text), error.sqlDetails?.cursorPosition ?? 0)
      return { plans, refusal: { file: name, line, why: whyOf(error) } }
    }
  }
  return { plans }
}

function whyOf(error: unknown): string {
  if (error instanceof Refused) return error.message
  if (error instanceof SqlError) return error.message.slice(0, 500)
  return error instanceof RangeError ? 'it is nested too deeply' : 'it cannot be parsed'
}

/** The parser counts bytes. */
function lineAt(bytes: Buffer, at: number): number {
  let line = 1
  for (let end = bytes.indexOf(10); end !== -1 && end < at; end = bytes.indexOf(10, end + 1)) line++
  return line
}
