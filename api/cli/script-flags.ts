import { BulkheadError } from '../../bridge/errors.ts'
import { canonicalHost } from '../../bridge/net-grant.host.ts'

/** What a script may do, as `deno run` is told it. */
export interface ScriptGrants {
  permissions: string[]
  env: Record<string, string>
  /** Whether all of the environment was granted. */
  allEnv: boolean
  /** Whether it may read the folder that it is in. */
  read: boolean
}

interface Flags {
  [name: string]: string | boolean | undefined
}

const LIST = ['net', 'env', 'read', 'write', 'sys', 'import'] as const
/** Accepted, and of no effect on what runs: types are never checked, unstable names are there, and nobody is asked. */
const IDLE = ['no-prompt', 'quiet', 'check', 'no-check', 'no-lock', 'no-npm', 'no-remote', 'cached-only', 'reload', 'no-config']
const VALUED = ['config', 'import-map', 'filter', 'ignore', 'hook', 'input']
const SWITCHES = ['allow-all', 'fail-fast', 'permit-no-files', 'no-run', 'coverage']
const SHORT: Readonly<Record<string, string>> = { A: 'allow-all', N: 'allow-net', E: 'allow-env', R: 'allow-read', W: 'allow-write', S: 'allow-sys', c: 'config', q: 'quiet', r: 'reload' }

/** Options that may have a value. */
export const INSPECT = ['inspect', 'inspect-wait', 'inspect-brk'] as const
const NO_DEBUGGER = 'a debugger attaches to what bulkhead run runs'

const REFUSED: Readonly<Record<string, string>> = {
  'allow-run': 'a module starts no programs',
  'allow-ffi': 'a module loads no native code',
  inspect: NO_DEBUGGER,
  'inspect-brk': NO_DEBUGGER,
  'inspect-wait': NO_DEBUGGER,
  coverage: 'it is measured by bulkhead test',
  watch: 'run it again, or let a server watch its modules folder',
  parallel: 'each file has an isolate of its own, one after the other',
  shuffle: 'tests run in the order in which they are declared',
  doc: 'examples in comments are not run',
  reporter: 'there is one form of report',
  'junit-path': 'there is one form of report',
}

export interface ScriptFlags {
  flags: Flags
  grants: ScriptGrants
  /** Files or folders, and what follows the first one for `run`. */
  rest: string[]
}

/**
 * Reads what stands in front of the file as `deno run` and `deno test` do.
 *
 * @param allowed the options of this command beyond permissions, such as `filter`
 * @param environment what the person who types the command can lend
 * @throws BAD_REQUEST for an option that there is none of, and for one that cannot be given effect to
 * @example readScriptFlags(['--allow-env=HOME', 'a.ts', 'x'], ['config'], process.env, 'first').rest // ['a.ts', 'x']
 */
export function readScriptFlags(args: readonly string[], allowed: readonly string[], environment: Readonly<NodeJS.ProcessEnv>, stop: 'first' | 'never'): ScriptFlags {
  const { front, rest } = split(args, stop)
  const lists = LIST.flatMap((name) => [`allow-${name}`, `deny-${name}`])
  const flags: Flags = {}
  for (const given of front) {
    const [, name = '', value] = /^--([^=]+)(?:=(.*))?$/s.exec(given) ?? []
    const refused = allowed.includes(name) ? undefined : REFUSED[name]
    if (refused) throw wrong(`--${name} cannot be given, ${refused}`)
    const takesValue = VALUED.includes(name)
    const known = lists.includes(name) || (INSPECT.some((one) => one === name) && allowed.includes(name)) || IDLE.includes(name) || name.startsWith('unstable') || ((takesValue || SWITCHES.includes(name)) && (name === 'allow-all' || allowed.includes(name)))
    if (!known) throw wrong(`there is no option ${given.slice(0, 100)}`)
    if (takesValue && value === undefined) throw wrong(`--${name} needs a value`)
    if (SWITCHES.includes(name) && value !== undefined) throw wrong(`--${name} takes no value`)
    const earlier = flags[name]
    flags[name] = value === undefined ? true : typeof earlier === 'string' ? `${earlier},${value}` : value
  }
  return { flags, grants: grantsOf(flags, environment), rest }
}

/** The options as `--name` or `--name=value`, and what follows them. */
function split(args: readonly string[], stop: 'first' | 'never'): { front: string[]; rest: string[] } {
  const front: string[] = []
  const rest: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] as string
    if (arg === '--') return { front, rest: [...rest, ...args.slice(at + 1)] }
    if (!arg.startsWith('-') || arg === '-') {
      if (stop === 'first') return { front, rest: args.slice(at) }
      rest.push(arg)
      continue
    }
    const isLong = arg.startsWith('--')
    const names = isLong ? [arg] : shortNames(arg)
    for (const name of names) {
      const needsNext = VALUED.includes(name.slice(2)) && !name.includes('=')
      if (needsNext && at + 1 < args.length) front.push(`${name}=${args[++at]}`)
      else front.push(name)
    }
  }
  return { front, rest }
}

/** @example shortNames('-NE') // ['--allow-net', '--allow-env'] */
function shortNames(arg: string): string[] {
  const [letters = '', value] = arg.slice(1).split(/=(.*)/s)
  const names = [...letters].map((letter) => {
    const name = SHORT[letter]
    if (!name) throw wrong(`there is no option ${arg.slice(0, 100)}`)
    return `--${name}`
  })
  return value === undefined ? names : [...names.slice(0, -1), `${names.at(-1)}=${value}`]
}

function grantsOf(flags: Flags, environment: Readonly<NodeJS.ProcessEnv>): ScriptGrants {
  const all = flags['allow-all'] === true
  const denied = (kind: string) => flags[`deny-${kind}`]
  const listed = (value: string | boolean | undefined) => (typeof value === 'string' ? value.split(',').filter(Boolean) : [])

  const allEnv = (all || flags['allow-env'] === true) && denied('env') === undefined
  const envNames = allEnv || flags['allow-env'] === true || all ? Object.keys(environment) : listed(flags['allow-env'])
  const names = envNames.filter((name) => denied('env') !== true && !listed(denied('env')).includes(name))
  const env = Object.fromEntries(names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])))

  const anyNet = (all || flags['allow-net'] === true) && denied('net') !== true
  const hosts = anyNet ? ['*', 'localhost', '127.0.0.1', '[::1]'] : denied('net') === true ? [] : listed(flags['allow-net']).map(hostOf)
  const refusedHosts = listed(denied('net')).map(hostOf)
  if (anyNet && refusedHosts.some((host) => !hosts.includes(host))) throw wrong('--deny-net of a host cannot be given beside --allow-net of all, name those that are allowed')

  return {
    permissions: ['log', 'kv', ...names.map((name) => `env:${name}`), ...(allEnv ? ['env:*'] : []), ...hosts.filter((host) => !refusedHosts.includes(host)).map((host) => `net:${host}`)],
    env,
    allEnv,
    read: (all || flags['allow-read'] !== undefined) && denied('read') === undefined,
  }
}

function hostOf(given: string): string {
  const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(:\d+)?$/.exec(given) ?? []
  const name = host.startsWith('*.') ? canonicalHost(host.slice(2)) : canonicalHost(host)
  if (name === undefined) throw wrong(`${JSON.stringify(given)} is no host`)
  return (host.startsWith('*.') ? '*.' : '') + name + port
}

function wrong(why: string): BulkheadError {
  return new BulkheadError('BAD_REQUEST', why)
}
