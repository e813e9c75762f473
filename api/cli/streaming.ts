import { type Asked, readInputs } from './arguments.ts'
import { askForMissing } from './asking.ts'
import { type Call, refuseIncomplete, requestOf, textIn } from './command.ts'
import { EXIT } from './exit.ts'
import { type Happening, happenings } from './happenings.ts'
import { type Format, formatOf, openSink, textOf } from './output.ts'
import { coloured } from './io.ts'
import { lineOf } from './event-line.ts'

/**
 * Runs a command whose answer is sent as it is made: lines as they are, or events as they happen, until Ctrl-C.
 *
 * @param asked its input, where that has been read already
 */
export async function runStream(call: Call, asked?: Asked): Promise<number> {
  const { declaration, given, client, io } = call
  const request = await requestOf(declaration, asked ?? (await inputOf(call)), io)
  const file = textIn(given, 'output')
  if (declaration.streams !== 'text/event-stream') {
    const response = await client.send(request)
    await using sink = await openSink(file, io)
    for await (const chunk of response.body ?? []) await sink.write(chunk)
    await sink.finish()
    return EXIT.ok
  }
  const format = given.common.format === undefined && file !== undefined ? 'json' : formatOf(textIn(given, 'format'), undefined)
  const note = given.common.quiet === true ? undefined : (text: string) => io.stderr.write(`${text}\n`)
  await using sink = await openSink(file, io)
  try {
    for await (const happening of happenings(client, request, io.interrupted, note)) await sink.write(await textOfEvent(happening, format, call))
  } catch (thrown) {
    if (!io.interrupted.aborted) throw thrown
  }
  await sink.finish()
  return io.interrupted.aborted ? EXIT.interrupted : EXIT.ok
}

async function inputOf({ declaration, given, io }: Call): Promise<Asked> {
  const complete = given.common.interactive === true ? await askForMissing(declaration, given, io) : given
  refuseIncomplete(declaration, complete)
  return readInputs(declaration, complete, io)
}

async function textOfEvent({ id, event, data }: Happening, format: Format, { io, given }: Call): Promise<string> {
  if (format === 'table') return lineOf(event, data, coloured(io.stdout, io.env) && given.common.output === undefined)
  const whole = { ...(id !== undefined && { id }), ...(event !== undefined && { event }), data }
  if (format === 'json') return `${JSON.stringify(whole)}\n`
  return `---\n${(await textOf(whole, 'yaml', io, true)).text}`
}
