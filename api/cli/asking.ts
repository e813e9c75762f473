import { type Given, missing } from './arguments.ts'
import type { Declaration, Schema } from './declaration.ts'
import { type Input, isTextList, shapeOf } from './flags.ts'
import type { Io } from './io.ts'
import { UsageError } from './usage.ts'
import { readValue, typesOf } from './values.ts'

/**
 * Asks for what is required, until it can be read, and then for what is not, where an empty answer leaves it out.
 *
 * @throws UsageError where there is nobody to ask
 */
export async function askForMissing(declaration: Declaration, given: Given, io: Io): Promise<Given> {
  const { ask } = io
  if (!ask) throw new UsageError('--interactive needs a terminal to ask on')
  const texts = new Map(given.texts)
  let { common } = given
  const { inputs: required, body } = missing(declaration, given)
  const { inputs, body: whole } = shapeOf(declaration)
  const untouched = (one: Input) => !texts.has(one.flag) && !given.within.some(({ flag }) => flag === one.flag) && common.data === undefined
  const optional = inputs.filter((one) => !one.required && untouched(one) && !['confirm', 'cursor'].includes(one.key))
  for (const one of [...required, ...optional]) {
    if (one.inside !== undefined && inputs.some((other) => other.key === one.key && texts.has(other.flag))) continue
    const needed = one.required && one.inside === undefined
    const text = await answered(`${one.flag}${asks(one.schema, needed)}: `, { ...one, required: needed }, ask, io)
    if (text !== '') texts.set(one.flag, [text])
  }
  while (whole?.positional && common.data === undefined) {
    const text = await ask(`the body, as JSON or @FILE${body ? '' : ' (optional)'}: `)
    if (text !== '') common = { ...common, data: text }
    else if (!body) break
  }
  return { ...given, texts, common }
}

async function answered(question: string, { schema, required, flag, place }: Input, ask: NonNullable<Io['ask']>, io: Io): Promise<string> {
  for (;;) {
    const text = (await ask(question)).trim()
    if (text === '' && !required) return ''
    try {
      if (text === '') throw new UsageError(`${flag} is needed`)
      if (place !== 'upload') await readValue(text, schema, flag, io)
      return text
    } catch (thrown) {
      if (!(thrown instanceof UsageError)) throw thrown
      io.stderr.write(`${thrown.message}\n`)
    }
  }
}

/** What an answer may be, in brackets. */
function asks(schema: Schema, required: boolean): string {
  const words = schema.enum ? schema.enum.join(', ') : isTextList(schema) ? 'words, with commas between' : typesOf(schema).includes('boolean') ? (typesOf(schema).includes('null') ? 'true, false, null' : 'true, false') : typesOf(schema).includes('object') ? 'JSON' : ''
  const notes = [words, schema.default === undefined ? '' : `${String(schema.default)} unless given`, required || schema.default !== undefined ? '' : 'optional'].filter(Boolean)
  return notes.length === 0 ? '' : ` (${notes.join('; ')})`
}

/** Only the whole word counts: what cannot be undone is not done by a stray key. */
export async function isTypedYes(question: string, { ask }: Io): Promise<boolean> {
  return ask !== undefined && (await ask(question)).trim() === 'yes'
}
