import { DOMAINS } from '../domains.ts'
import packageFile from '../../package.json' with { type: 'json' }
import { COMMANDS } from './commands.ts'
import { EXIT_MEANINGS } from './exit.ts'
import { usageOf, wrapped } from './help.ts'
import { DECLARATIONS } from './known.ts'

export const VERSION: string = packageFile.version

/** Every command by its name, with what it does. */
export function listed(): Array<{ name: string; summary: string; usage: string }> {
  const local = COMMANDS.map(({ name, summary }) => ({ name, summary, usage: `bulkhead ${name}` }))
  const operations = DECLARATIONS.map((one) => ({ name: one.name, summary: one.summary, usage: usageOf(one) }))
  return [...local, ...operations].toSorted((a, b) => Number(a.name.includes(':')) - Number(b.name.includes(':')) || (a.name < b.name ? -1 : 1))
}

export function domainOf(name: string): string {
  return name.slice(0, name.indexOf(':'))
}

/** What is told to whoever asks nothing in particular. */
export function generalHelp(): string {
  const all = listed()
  const single = all.filter(({ name }) => !name.includes(':'))
  const domains = [...new Set(all.filter(({ name }) => name.includes(':')).map(({ name }) => domainOf(name)))]
  const width = Math.max(...domains.map((name) => name.length), ...single.map(({ name }) => name.length)) + 4
  return `bulkhead ${VERSION}: runs modules that nobody vouches for

Usage: bulkhead <command> [options]

Here:
${single.map(({ name, summary }) => `  ${name.padEnd(width - 2)}${wrapped(summary, 80, width)}\n`).join('')}
Of a server, or of modules in a folder; bulkhead help DOMAIN lists its commands:
${domains.map((name) => `  ${name.padEnd(width - 2)}${wrapped(DOMAINS[name] ?? OWN[name] ?? '', 80, width)}\n`).join('')}
The server is that of BULKHEAD_URL, asked with the key in BULKHEAD_KEY; without
them, the one on this machine (PORT, 7700) with the admin key in its data folder
(BULKHEAD_DATA, .bulkhead).

Examples:
  bulkhead start
  bulkhead modules:list --filter status=error
  bulkhead modules:get --help
  bulkhead cli:list --search config

Exit codes:
${EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padEnd(5)}${wrapped(meaning, 80, 7)}\n`).join('')}`
}

const OWN: Readonly<Record<string, string>> = { module: 'A module in a folder: made, looked over, tested', cli: 'What the command line can do' }

/** The commands of one domain; undefined for one that there is not. */
export function domainHelp(domain: string): string | undefined {
  const own = listed().filter(({ name }) => domainOf(name) === domain)
  if (own.length === 0) return undefined
  const width = Math.max(...own.map(({ name }) => name.length)) + 4
  return `${domain}: ${DOMAINS[domain] ?? OWN[domain] ?? ''}\n\n${own.map(({ name, summary }) => `  ${name.padEnd(width - 2)}${wrapped(summary, 80, width)}\n`).join('')}\nbulkhead <command> --help tells of one.\n`
}
