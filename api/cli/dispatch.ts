import { runOperation, tell } from './command.ts'
import { COMMANDS } from './commands.ts'
import { EXIT } from './exit.ts'
import { domainHelp, generalHelp, listed, VERSION } from './general-help.ts'
import { helpOf } from './help.ts'
import { sourced } from './install-source.ts'
import type { Io } from './io.ts'
import { aliasOf, DECLARATIONS } from './known.ts'
import { LOADERS } from './loading.ts'
import { hint, UsageError } from './usage.ts'

/**
 * Runs one command line.
 *
 * @param args without the program and its file
 * @returns the exit code
 * @example process.exitCode = await dispatch(process.argv.slice(2), processIo())
 */
export async function dispatch([word = '--help', ...args]: readonly string[], io: Io): Promise<number> {
  const name = aliasOf(word)
  const asksForHelp = args.some((arg) => arg === '--help' || arg === '-h')
  if (['--version', '-V', 'cli:version'].includes(name)) return said(io, `${VERSION}\n`)
  if (['--help', '-h', 'help', 'cli:help'].includes(name)) return help(args.find((arg) => !arg.startsWith('-')), io)
  if (asksForHelp) return help(name, io)
  const load = loaderOf(name)
  if (load) return (await load()).run([...args], io)
  const [operation, given] = sourced(name, args, io.cwd)
  const declaration = DECLARATIONS.find((known) => known.name === operation)
  return declaration ? runOperation(declaration, given, io) : tell(unknown(word, args), 'cli:list', io)
}

/** Tells of a command or a domain, or of all. */
async function help(word: string | undefined, io: Io): Promise<number> {
  if (word === undefined) return said(io, generalHelp())
  const name = aliasOf(word)
  const load = loaderOf(name)
  if (load) return said(io, (await load()).help)
  const declaration = DECLARATIONS.find((known) => known.name === name)
  if (declaration) return said(io, helpOf(declaration, io))
  const text = name === 'cli:help' || name === 'cli:version' ? generalHelp() : domainHelp(name)
  return text === undefined ? tell(unknown(word, []), 'cli:list', io) : said(io, text)
}

function loaderOf(name: string) {
  return Object.hasOwn(LOADERS, name) ? LOADERS[name as keyof typeof LOADERS] : undefined
}

function said(io: Io, text: string): number {
  io.stdout.write(text)
  return EXIT.ok
}

function unknown(word: string, [next = '']: readonly string[]): UsageError {
  const names = [...listed(), ...COMMANDS].map(({ name }) => name)
  const shown = word.slice(0, 100)
  if (names.includes(`${word}:${next}`)) return new UsageError(`unknown command "${shown}", did you mean "${word}:${next}"?`)
  const actions = [...new Set(names.filter((name) => name.startsWith(`${word}:`)))]
  if (actions.length > 0) return new UsageError(`"${shown}" is a domain, its commands are ${actions.join(', ')}`)
  return new UsageError(`unknown command "${shown}"${hint(word, names)}`)
}
