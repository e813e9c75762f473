import { parseArgs } from 'node:util'
import { tell } from './command.ts'
import { EXIT } from './exit.ts'
import { listed } from './general-help.ts'
import type { Io } from './io.ts'
import { formatOf, namesIn, openSink, textOf } from './output.ts'
import { UsageError } from './usage.ts'

export const HELP = `bulkhead cli:list: list every command

Usage: bulkhead cli:list [--search TEXT] [--format table|json|yaml] [--output FILE] [--quiet]

  --search TEXT   only those with this text in their name or summary
  --quiet         names only

Examples:
  bulkhead cli:list --search config
  bulkhead cli:list --format json
`

export async function cliList(args: string[], io: Io): Promise<number> {
  try {
    const { search = '', format, output, quiet } = readArguments(args)
    const chosen = formatOf(format, output)
    const items = listed().filter(({ name, summary }) => `${name} ${summary}`.toLowerCase().includes(search.toLowerCase()))
    const shown = { items: items.map(({ name, summary, usage }) => (chosen === 'table' ? { name, summary } : { name, summary, usage })) }
    await using sink = await openSink(output, io)
    await sink.write(quiet ? namesIn(shown) : (await textOf(shown, chosen, io, output !== undefined)).text)
    await sink.finish()
    return EXIT.ok
  } catch (thrown) {
    return tell(thrown, 'cli:list', io)
  }
}

function readArguments(args: string[]) {
  try {
    const text = { type: 'string' } as const
    return parseArgs({ args, options: { search: text, format: text, output: { ...text, short: 'o' }, quiet: { type: 'boolean', short: 'q' } } }).values
  } catch (thrown) {
    throw new UsageError(`cannot list the commands, ${(thrown as Error).message.split('. ')[0]}`)
  }
}
