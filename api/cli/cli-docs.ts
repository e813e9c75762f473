import { EXIT } from './exit.ts'
import type { Io } from './io.ts'
import { openSink } from './output.ts'
import { referenceText } from './reference.ts'
import { tell } from './command.ts'
import { UsageError } from './usage.ts'

export const HELP = `bulkhead cli:docs: write the reference of all commands, as Markdown

Usage: bulkhead cli:docs [--output FILE]

The repository keeps it as docs/cli.md; npm run docs writes both that and what commands are made of.
`

export async function cliDocs(args: string[], io: Io): Promise<number> {
  try {
    const [flag, file, ...more] = args
    if (args.length > 0 && ((flag !== '--output' && flag !== '-o') || file === undefined || more.length > 0)) throw new UsageError(`cli:docs takes --output FILE, not "${args.join(' ').slice(0, 100)}"`)
    await using sink = await openSink(file, io)
    await sink.write(await referenceText())
    await sink.finish()
    return EXIT.ok
  } catch (thrown) {
    return tell(thrown, 'cli:docs', io)
  }
}
