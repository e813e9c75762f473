import { answerTo, type Call, textIn } from './command.ts'
import { Refused } from './client.ts'
import { EXIT, exitCodeOf } from './exit.ts'
import { readArguments } from './arguments.ts'
import { formatOf, openSink, textOf } from './output.ts'
import { UsageError } from './usage.ts'
import { readInput } from './values.ts'

interface Outcome {
  line: number
  arguments: string
  ok: boolean
  output?: unknown
  error?: { code: string; message: string; details?: unknown }
}

/**
 * Runs a command once for each line of a file, one after the other, whatever becomes of the others. A line is arguments
 * as a shell would split them, or a JSON object of inputs; empty ones and those that begin with `#` are passed over.
 *
 * @param args the arguments of the command line, which hold for every line
 * @returns 0 where all went well, the one code of those that failed, or 1 where their codes differ
 */
export async function runBatch(call: Call, file: string, args: readonly string[]): Promise<number> {
  const { declaration, given, io } = call
  if (given.common.interactive === true) throw new UsageError('--batch and --interactive do not go together')
  const format = formatOf(textIn(given, 'format'), textIn(given, 'output'))
  const lines = (await readInput(file, '--batch', io)).toString('utf8').split('\n').map((text, index) => ({ text: text.trim(), line: index + 1 }))
  const wanted = lines.filter(({ text }) => text !== '' && !text.startsWith('#'))
  const shared = withoutBatch(args)
  const outcomes: Outcome[] = []
  const codes = new Set<number>()
  for (const { text, line } of wanted) {
    if (io.interrupted.aborted) return EXIT.interrupted
    try {
      const own = text.startsWith('{') ? flagsOf(text, line) : wordsOf(text, line)
      const output = await answerTo({ ...call, given: readArguments(declaration, [...own, ...shared]), io: { ...io, ask: undefined } })
      outcomes.push({ line, arguments: text, ok: true, output })
    } catch (thrown) {
      if (io.interrupted.aborted) return EXIT.interrupted
      const { error, code } = failureOf(thrown)
      codes.add(code)
      outcomes.push({ line, arguments: text, ok: false, error })
    }
  }
  const shown = format === 'table' ? { items: outcomes.map(({ output: _output, ok, error, ...rest }) => ({ ...rest, result: ok ? 'ok' : error })) } : { items: outcomes }
  if (given.common.quiet !== true || format !== 'table') {
    const { text } = await textOf(shown, format, io, given.common.output !== undefined)
    await using sink = await openSink(textIn(given, 'output'), io)
    await sink.write(text)
    await sink.finish()
  }
  return codes.size === 0 ? EXIT.ok : codes.size === 1 ? ([...codes][0] as number) : EXIT.failed
}

function failureOf(thrown: unknown): { error: NonNullable<Outcome['error']>; code: number } {
  if (thrown instanceof UsageError) return { error: { code: 'USAGE', message: thrown.message }, code: EXIT.usage }
  if (!(thrown instanceof Refused)) throw thrown
  const { code, message, details } = thrown
  return { error: { code, message, ...(details !== undefined && { details }) }, code: exitCodeOf(thrown) }
}

function withoutBatch(args: readonly string[]): string[] {
  const at = args.findIndex((arg) => arg === '--batch' || arg.startsWith('--batch='))
  return args.filter((_, index) => index !== at && !(index === at + 1 && args[at] === '--batch'))
}

/** `{"name":"a","trace":true}` as the flags that say the same. */
function flagsOf(text: string, line: number): string[] {
  const input = objectIn(text)
  if (!input) throw new UsageError(`line ${line} begins like a JSON object and is none`)
  return Object.entries(input).map(([key, value]) => `--${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}

/** Splits as a shell does, with quotes and backslashes, and nothing else of a shell. */
function wordsOf(text: string, line: number): string[] {
  const words: string[] = []
  let word: string | undefined
  for (const [part, single, double, escaped, space] of text.matchAll(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|(\s+)|[^\s'"\\]+|['"\\]/g)) {
    if (space !== undefined) {
      if (word !== undefined) words.push(word)
      word = undefined
      continue
    }
    if (part === "'" || part === '"' || part === '\\') throw new UsageError(`line ${line} has a ${part} without its other end`)
    word = (word ?? '') + (single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped ?? part)
  }
  return word === undefined ? words : [...words, word]
}
