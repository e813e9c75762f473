import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

const INSTALLING = ['modules:install', 'modules:validate']

/** How the argument of these commands is written; undefined for others. */
export function sourceUsage(name: string): string | undefined {
  return INSTALLING.includes(name) ? '<FOLDER|ARCHIVE|PACKAGE|GIT-URL>' : undefined
}

/**
 * `modules:install WHAT`, as other installers take it: a folder or an archive of this machine is sent to the server,
 * an address is a git repository, and a name is a package. What the server's own folders hold is `--folder`.
 *
 * @returns the operation that does it, and its arguments
 * @example sourced('modules:install', ['./greeter'], cwd) // ['modules:upload', ['./greeter']]
 */
export function sourced(name: string, args: readonly string[], cwd: string): readonly [name: string, args: readonly string[]] {
  const [what, ...rest] = args
  const installs = name === 'modules:install'
  if (!INSTALLING.includes(name) || what === undefined || (what.startsWith('-') && what !== '-')) return [name, args]
  if (/^(git\+)?(https?|ssh|git|file):\/\/|^git@/.test(what)) return [name, ['--git', what.replace(/^git\+/, ''), ...rest]]
  if (what === '-' || existsSync(resolve(cwd, what)) || /^(\.{0,2}|~)\/|\.(tgz|tar\.gz)$/.test(what)) return ['modules:upload', [what, ...(installs ? [] : ['--dry-run']), ...rest]]
  return [name, ['--npm', what, ...rest]]
}
