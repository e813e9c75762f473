import { DOMAINS } from '../domains.ts'
import { COMMANDS } from './commands.ts'
import type { Declaration } from './declaration.ts'
import { EXIT_MEANINGS } from './exit.ts'
import { COMMON, servedBy } from './flags.ts'
import { domainOf } from './general-help.ts'
import { examplesOf, optionsOf, usageOf } from './help.ts'
import { DECLARATIONS } from './known.ts'
import { LOADERS } from './loading.ts'

/** The reference of all commands, as the repository keeps it. */
export async function referenceText(declarations: readonly Declaration[] = DECLARATIONS): Promise<string> {
  const domains = [...new Set(declarations.map(({ name }) => domainOf(name)))].toSorted()
  const parts = domains.map((domain) => `## ${domain}\n\n${DOMAINS[domain] ?? ''}\n\n${declarations.filter(({ name }) => domainOf(name) === domain).map(commandText).join('\n')}`)
  const local = await Promise.all(Object.entries(LOADERS).map(async ([name, load]) => `### ${name}\n\n\`\`\`\n${(await load()).help.trimEnd()}\n\`\`\`\n`))
  return `# Commands

<!-- Written by npm run docs from the declarations of the operations. -->

\`npx bulkhead <command>\`. Commands of the form \`domain:action\` ask a server over its HTTP API: that of \`BULKHEAD_URL\` with
the key in \`BULKHEAD_KEY\`, or the one on this machine (\`PORT\`, 7700) with the admin key in its data folder
(\`BULKHEAD_DATA\`, \`.bulkhead\`). The folder's key is sent to this machine only. A value that is JSON may be written out, be
\`@\` and the name of a file (JSON or YAML), or \`-\` for standard input; a member of it is a flag with a dot, as in
\`--config.word secret\`. A list is given with commas between, or by repeating its flag.

## Flags that mean the same everywhere

| flag | does |
|---|---|
${Object.entries(COMMON).map(([flag, { about, ...how }]) => `| ${'short' in how ? `\`-${how.short}\`, ` : ''}\`--${flag}${'value' in how ? ` ${how.value.replaceAll('|', '\\|')}` : ''}\` | ${escaped(about)} |`).join('\n')}

A command that cannot serve one of them says so, with exit code 2. What cannot be undone asks for a typed \`yes\` on a
terminal, and needs \`--confirm\` elsewhere.

## Exit codes

| code | means |
|---|---|
${EXIT_MEANINGS.map(([code, meaning]) => `| ${code} | ${escaped(meaning)} |`).join('\n')}

${parts.join('\n')}
## Without a server

${COMMANDS.filter(({ name }) => !Object.hasOwn(LOADERS, name)).map(({ name, summary }) => `- \`bulkhead ${name}\`: ${summary.charAt(0).toLowerCase()}${summary.slice(1)}`).join('\n')}

${local.join('\n')}`
}

function commandText(declaration: Declaration): string {
  const { name, summary, description, dangerous, long } = declaration
  const served = servedBy(declaration)
  const everywhere = ['output', 'quiet', 'verbose', 'help', 'format', 'interactive']
  const own = optionsOf(declaration)
  const flags = [...served].filter((flag) => !everywhere.includes(flag) && !own.some(([text]) => text.split(' ')[0] === `--${flag}`))
  const notes = [
    dangerous ? 'It cannot be undone, and has to be confirmed.' : '',
    long ? 'It may take a while; a terminal shows how far it is.' : '',
    flags.length > 0 ? `Also ${flags.map((flag) => `\`--${flag}\``).join(', ')}.` : '',
    served.has('format') ? '' : 'It has no `--format`: what it sends are lines of JSON.',
  ].filter(Boolean)
  return `### ${name}

${escaped(summary)}${/[.]$/.test(summary) ? '' : '.'}${description === undefined ? '' : ` ${description}`}

\`\`\`sh
${[usageOf(declaration), ...examplesOf(declaration).flatMap(({ summary: about, line }) => [...(about === undefined ? [] : [`# ${about}`]), line])].join('\n')}
\`\`\`
${own.length === 0 ? '' : `\n| flag | means |\n|---|---|\n${own.map(([flag, about]) => `| \`${flag.replaceAll('|', '\\|')}\` | ${escaped(about)} |`).join('\n')}\n`}${notes.length === 0 ? '' : `\n${notes.join(' ')}\n`}`
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}
