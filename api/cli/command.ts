import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { requestFor } from '../request-for.ts'
import { type Asked, type Given, missing, readArguments, readInputs } from './arguments.ts'
import { askForMissing, isTypedYes } from './asking.ts'
import { type Client, createClient, Refused, type Request } from './client.ts'
import { connectionOf } from './connection.ts'
import type { Declaration } from './declaration.ts'
import { EXIT, exitCodeOf } from './exit.ts'
import { type Input, shapeOf } from './flags.ts'
import { helpOf, wrapped } from './help.ts'
import type { Io } from './io.ts'
import { type Format, formatOf, namesIn, openSink, textOf } from './output.ts'
import { pagesOf, readPage } from './paging.ts'
import { awaitProgress } from './progress.ts'
import { printable } from './table.ts'
import { UsageError } from './usage.ts'

/** One operation, asked for with one command line. */
export interface Call {
  declaration: Declaration
  given: Given
  client: Client
  io: Io
}

/**
 * Runs the command of an operation: reads its arguments, asks the server, and prints what it answered.
 *
 * @returns the exit code; every refusal has been told on standard error
 */
export async function runOperation(declaration: Declaration, args: readonly string[], io: Io): Promise<number> {
  let verbose = args.includes('--verbose') || args.includes('-v')
  try {
    if (args.includes('--help') || args.includes('-h')) {
      io.stdout.write(helpOf(declaration, io))
      return EXIT.ok
    }
    const given = readArguments(declaration, args)
    verbose = given.common.verbose === true
    const client = createClient(connectionOf(io), io, verbose ? (line) => io.stderr.write(`${printable(line)}\n`) : undefined)
    const call = { declaration, given, client, io }
    if (given.common.batch !== undefined) return await (await import('./batch.ts')).runBatch(call, String(given.common.batch), args)
    if (given.common.follow === true) return await (await import('./following.ts')).runFollowing(call)
    if (declaration.streams !== undefined) return await (await import('./streaming.ts')).runStream(call)
    const format = formatOf(textIn(given, 'format'), textIn(given, 'output'))
    await print(call, await answerTo(call), format)
    return EXIT.ok
  } catch (thrown) {
    return tell(thrown, declaration.name, io, verbose)
  }
}

/** What the server answers to a call; asks for what is missing and for confirmation, where somebody can be asked. */
export async function answerTo(call: Call): Promise<unknown> {
  const { declaration, given, io } = call
  const complete = given.common.interactive === true ? await askForMissing(declaration, given, io) : given
  refuseIncomplete(declaration, complete)
  const asked = await readInputs(declaration, complete, io)
  const limit = declaration.input.properties?.['limit']
  if (declaration.lists && limit && complete.common.page !== undefined) {
    return pagesOf(readPage(String(complete.common.page)), asked.input, limit, (input) => sent(call, { ...asked, input }))
  }
  return sent(call, asked)
}

/** @throws UsageError that names all that is missing */
export function refuseIncomplete(declaration: Declaration, given: Given): void {
  const { inputs, body } = missing(declaration, given)
  const byKey = Object.values(Object.groupBy(inputs, ({ place, key }) => `${place} ${key}`)) as Input[][]
  const names = [...byKey.map((same) => same.map(({ place, flag }) => (place === 'path' ? `<${flag}>` : `--${flag}`)).join(' or ')), ...(body ? ['its body, as JSON, @FILE or -'] : [])]
  if (names.length > 0) throw new UsageError(`${declaration.name} needs ${names.join(', ')}`)
}

/** Sends it, and again where it has to be confirmed and the user does. */
async function sent(call: Call, asked: Asked): Promise<unknown> {
  const { declaration, io } = call
  try {
    return await once(call, asked)
  } catch (thrown) {
    if (!(thrown instanceof Refused) || thrown.code !== 'NOT_CONFIRMED') throw thrown
    if (!io.ask || asked.upload === '-') throw new UsageError(`${declaration.name} cannot be undone, and is not done without --confirm`)
    const about = shapeOf(declaration).inputs.filter(({ place }) => place === 'path').map(({ key }) => String(asked.input[key]))
    const question = `${printable([declaration.name, ...about].join(' '))} cannot be undone. Type "yes" to do it: `
    if (!(await isTypedYes(question, io))) throw new Refused({ ...thrown, message: 'nothing was done', details: undefined })
    return once(call, { ...asked, input: { ...asked.input, confirm: true } })
  }
}

async function once(call: Call, asked: Asked): Promise<unknown> {
  const { declaration, client, io, given } = call
  const response = await client.send(await requestOf(declaration, asked, io))
  if (response.status === 202 && response.headers.has('location')) return awaitProgress(response, client, io, given.common.quiet === true)
  const text = await response.text()
  return text === '' ? undefined : (JSON.parse(text) as unknown)
}

export async function requestOf(declaration: Declaration, { input, upload }: Asked, io: Io): Promise<Request> {
  const request = requestFor(declaration, withoutUpload(declaration, input))
  return {
    ...request,
    ...(declaration.upload !== undefined && { upload: await sourceOf(upload ?? '-', io) }),
    headers: {
      // Sent again after a lost answer, it is still done once.
      ...(declaration.writes && { 'idempotency-key': randomUUID() }),
      // Only where somebody watches is it worth asking again and again.
      ...(declaration.long && { prefer: io.stderr.isTTY ? 'respond-async' : 'wait=60' }),
    },
  }
}

function withoutUpload({ upload }: Declaration, input: Asked['input']): Asked['input'] {
  return Object.fromEntries(Object.entries(input).filter(([key]) => key !== upload))
}

async function sourceOf(file: string, io: Io): Promise<AsyncIterable<Uint8Array>> {
  if (file === '-') return io.stdin as AsyncIterable<Uint8Array>
  const path = resolve(io.cwd, file)
  const found = await stat(path).catch(() => undefined)
  if (!found) throw new UsageError(`cannot send ${file}, there is no such file`)
  if (found.isDirectory()) return (await import('./folder.ts')).packed(path)
  return createReadStream(path)
}

async function print({ declaration, given, io }: Call, value: unknown, format: Format): Promise<void> {
  const file = textIn(given, 'output')
  const quiet = given.common.quiet === true
  const namesOnly = quiet && given.common.format === undefined && file === undefined
  const { text, note } = namesOnly ? { text: declaration.writes ? '' : namesIn(value) } : await textOf(value, format, io, file !== undefined)
  await using sink = await openSink(file, io)
  await sink.write(text)
  await sink.finish()
  if (!quiet && file === undefined && io.stderr.isTTY) for (const line of [note, nextPage(value, given)]) if (line !== undefined) io.stderr.write(`${fitted(line, io)}\n`)
}

function nextPage(value: unknown, { common }: Given): string | undefined {
  const { nextCursor } = (value ?? {}) as { nextCursor?: unknown }
  return typeof nextCursor === 'string' ? `there is more: --page ${common.page === undefined ? 2 : Number(common.page) + 1}, or --page all` : undefined
}

export function textIn({ common }: Given, flag: 'format' | 'output'): string | undefined {
  return common[flag] === undefined ? undefined : String(common[flag])
}

/** Says on standard error what went wrong. @returns the exit code it stands for */
export function tell(thrown: unknown, name: string, io: Io, verbose = false): number {
  if (io.interrupted.aborted) return EXIT.interrupted
  if (thrown instanceof UsageError) {
    io.stderr.write(`${fitted(`error: ${thrown.message}`, io)}\nSee: bulkhead ${name} --help\n`)
    return EXIT.usage
  }
  if (!(thrown instanceof Refused)) throw thrown
  io.stderr.write(`${fitted(`error: ${thrown.code}: ${thrown.message}`, io)}\n${detailLines(thrown, verbose)}`)
  return exitCodeOf(thrown)
}

/** A sentence that is broken between words where the terminal ends. */
function fitted(text: string, { stderr }: Io): string {
  return stderr.isTTY ? wrapped(printable(text), stderr.columns ?? 80, 0) : printable(text)
}

/** Every fault that a refusal lists; with `--verbose`, whatever else it has to say. */
function detailLines({ message: told, details, requestId }: Refused, verbose: boolean): string {
  const { faults, ...rest } = isThing(details) ? details : {}
  const listed = Array.isArray(details) ? details : Array.isArray(faults) ? faults : []
  const alone = listed.length === 1 && isThing(listed[0]) && told.includes(String(listed[0]['message']))
  const lines = (alone ? [] : listed).filter(isThing).map((fault) => {
    const { file, line, column, path, message } = fault
    const place = [file, line, column].filter((part) => part !== undefined).join(':')
    return `  ${[place, path].filter((part) => part !== undefined && part !== '').join(' ')}${path || place ? ': ' : ''}${String(message)}`
  })
  const more = verbose ? Object.entries(Array.isArray(details) ? {} : rest).map(([key, value]) => `  ${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`) : []
  const id = verbose && requestId !== undefined ? [`  request: ${requestId}`] : []
  return [...lines, ...more, ...id].map((text) => `${printable(text)}\n`).join('')
}

function isThing(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
