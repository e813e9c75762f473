import { readInputs } from './arguments.ts'
import { type Call, refuseIncomplete } from './command.ts'
import { DECLARATIONS } from './known.ts'
import { runStream } from './streaming.ts'
import { UsageError } from './usage.ts'

/** Runs the stream of what a list tells of, with those inputs of the list that it has as well. */
export async function runFollowing(call: Call): Promise<number> {
  const { declaration, given, io } = call
  const stream = DECLARATIONS.find(({ name }) => name === declaration.follows)
  if (!stream) throw new UsageError(`${declaration.name} cannot be followed`)
  refuseIncomplete(declaration, given)
  const { input } = await readInputs(declaration, given, io)
  const foreign = Object.keys(input).filter((key) => stream.input.properties?.[key] === undefined)
  if (foreign.length > 0) throw new UsageError(`--follow does not go with ${foreign.map((key) => `--${key}`).join(', ')}`)
  return runStream({ ...call, declaration: stream }, { input, upload: undefined })
}
