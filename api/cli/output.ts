import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { coloured, type Io } from './io.ts'
import { sheetOf, tableOf } from './table.ts'
import { hint, UsageError } from './usage.ts'

const FORMATS = ['table', 'json', 'yaml'] as const
export type Format = (typeof FORMATS)[number]

/** The format that was asked for, or that the ending of the file says; a file without either is JSON. */
export function formatOf(format: string | undefined, file: string | undefined): Format {
  const known = FORMATS.find((one) => one === format)
  if (format !== undefined && !known) throw new UsageError(`--format: unknown format "${format.slice(0, 60)}"${hint(format, FORMATS)}; there are ${FORMATS.join(', ')}`)
  if (known) return known
  if (file === undefined) return 'table'
  return ({ '.yaml': 'yaml', '.yml': 'yaml', '.txt': 'table' } as const)[extname(file).toLowerCase()] ?? 'json'
}

/** What was answered, as text; `note` is for the user alone, on standard error. */
export async function textOf(value: unknown, format: Format, io: Io, toFile: boolean): Promise<{ text: string; note?: string }> {
  if (format === 'json') return { text: `${safe(JSON.stringify(value ?? null, null, 2))}\n` }
  if (format === 'yaml') {
    return { text: await yamlOf(value) }
  }
  const isTerminal = !toFile && io.stdout.isTTY === true
  const canvas = { columns: isTerminal ? (io.stdout.columns ?? 80) : undefined, colours: !toFile && coloured(io.stdout, io.env) }
  return asTable(value, canvas)
}

async function yamlOf(value: unknown): Promise<string> {
  const { Document, visit } = await import('yaml')
  const document = new Document(value ?? null, { aliasDuplicateObjects: false })
  visit(document, {
    Scalar(_, node) {
      const { value } = node
      if (typeof value === 'string' && (OBEYED.test(value) || UNSTEADY.test(value))) node.type = 'QUOTE_DOUBLE'
    },
  })
  return safe(document.toString({ lineWidth: 0 }))
}

function asTable(value: unknown, canvas: { columns: number | undefined; colours: boolean }): { text: string; note?: string } {
  if (!isThing(value)) return { text: value === undefined || value === null ? '' : sheetOf({ value }, canvas) }
  const { items, nextCursor: _, columns, rows, ...rest } = value
  if (isThings(items)) {
    const { text, hidden } = tableOf(items, canvas)
    const more = Object.keys(rest).length > 0 ? `\n${sheetOf(rest, canvas)}` : ''
    const note = items.length === 0 ? 'nothing found' : hidden.length > 0 ? `not shown: ${hidden.join(', ')}; a wider terminal or --format json shows all` : undefined
    return { text: (items.length === 0 ? '' : text) + more, ...(note !== undefined && { note }) }
  }
  if (Array.isArray(columns) && Array.isArray(rows)) {
    const { text } = tableOf(rows.map((row: unknown[]) => Object.fromEntries(columns.map((column, index) => [String(column), row[index]]))), canvas)
    return { text: (rows.length === 0 ? '' : `${text}\n`) + sheetOf(rest, canvas) }
  }
  return { text: sheetOf(value, canvas) }
}

/** The names or ids in an answer, one a line. */
export function namesIn(value: unknown): string {
  const things = isThing(value) && isThings(value['items']) ? value['items'] : []
  return things.map((thing) => `${String(NAMES.map((name) => thing[name]).find((name) => name !== undefined) ?? Object.values(thing)[0])}\n`).join('')
}

const NAMES = ['name', 'id', 'event', 'module', 'revision', 'version']

/** What a terminal would obey and JSON leaves as it is, and what turns the direction of text. */
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/
// Lines that begin or end with space, which not every reader of YAML takes for part of the text.
const UNSTEADY = /^\s[^]*\n|[ \t]\n|\n[^]*\s$|\n\s+\n|\t/
const LEFT_BY_JSON = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** In a string of JSON or YAML it stands in quotes, and escaped it means the same. */
function safe(text: string): string {
  return text.replace(LEFT_BY_JSON, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** A file that is there whole or not at all: written under another name, then moved into place. */
export interface Sink extends AsyncDisposable {
  write(chunk: string | Uint8Array): Promise<void>
  /** Without it, nothing is left behind. */
  finish(): Promise<void>
}

/** Where the result goes: a file, or standard output. */
export async function openSink(file: string | undefined, io: Io): Promise<Sink> {
  if (file === undefined || file === '-') {
    return { write: async (chunk) => void (await written(io, chunk)), finish: async () => {}, async [Symbol.asyncDispose]() {} }
  }
  const path = resolve(io.cwd, file)
  const fresh = `${path}.${randomUUID()}`
  const handle = await open(fresh, 'wx').catch((thrown: NodeJS.ErrnoException) => {
    throw new UsageError(`--output: cannot write ${file} (${thrown.code})`)
  })
  let finished = false
  return {
    write: async (chunk) => void (await handle.write(chunk as Uint8Array)),
    async finish() {
      await handle.close()
      await rename(fresh, path)
      finished = true
    },
    async [Symbol.asyncDispose]() {
      if (finished) return
      await handle.close().catch(() => {})
      await rm(fresh, { force: true })
    },
  }
}

/** Waits where whoever reads standard output is slower than the server. */
function written({ stdout }: Io, chunk: string | Uint8Array): Promise<void> | void {
  if (stdout.write(chunk) !== false || !('once' in stdout)) return
  return new Promise((done) => (stdout as unknown as NodeJS.WriteStream).once('drain', () => done()))
}

function isThing(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isThings(value: unknown): value is Array<Record<string, unknown>> {
  return Array.isArray(value) && value.every(isThing)
}
