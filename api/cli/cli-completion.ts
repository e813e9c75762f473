import { tell } from './command.ts'
import { completionScript, SHELLS } from './completion.ts'
import { EXIT } from './exit.ts'
import type { Io } from './io.ts'
import { hint, UsageError } from './usage.ts'

export const HELP = `bulkhead cli:completion: write what makes a shell complete commands and flags

Usage: bulkhead cli:completion <${SHELLS.join('|')}>

It completes the command "bulkhead"; with npx, make it one: alias bulkhead='npx bulkhead'.

Examples:
  eval "$(bulkhead cli:completion bash)"      # in ~/.bashrc
  eval "$(bulkhead cli:completion zsh)"       # in ~/.zshrc, after compinit
  bulkhead cli:completion fish | source       # in ~/.config/fish/config.fish
`

export async function cliCompletion(args: string[], io: Io): Promise<number> {
  const [word = '', ...more] = args
  const shell = SHELLS.find((known) => known === word)
  if (!shell || more.length > 0) {
    const why = word === '' ? 'the name of a shell' : more.length > 0 ? 'one shell' : `another shell than "${word.slice(0, 60)}"${hint(word, SHELLS)}`
    return tell(new UsageError(`cli:completion needs ${why}; there are ${SHELLS.join(', ')}`), 'cli:completion', io)
  }
  io.stdout.write(completionScript(shell))
  return EXIT.ok
}
