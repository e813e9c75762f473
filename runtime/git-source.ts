import { spawn } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { mkdtemp, rm } from 'node:fs/promises'
import { isIP } from 'node:net'
import { BulkheadError } from '../bridge/errors.ts'
import { isPublic } from '../bridge/net-address.host.ts'
import { type GitAddress, parseGitAddress } from './git-address.ts'
import { MODULE_ARCHIVE, unpackModule } from './archive.ts'

export interface GitOptions {
  /** A private key for ssh. Without it ssh is refused: whoever may install would fetch as the user of this host. */
  key?: string | undefined
  /** Repositories on this machine, which are not for those who only have the API. */
  allowFile?: boolean
  /** `host` or `host:port` of what may be fetched from by https though it is in a private network. */
  privateHosts?: readonly string[]
  /** Whether anybody may fetch from an address, of hosts that are not named. */
  mayReach?: (address: string) => boolean
  /** How long all of it may take, in milliseconds. */
  timeoutMs?: number
  /** The most that a pack may have, in bytes. */
  packBytes?: number
  limits?: typeof MODULE_ARCHIVE
  /** Where git and ssh are looked for. */
  path?: string
}

const PROGRAMS = '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin'

/**
 * Fetches one state of a git repository into a folder that does not exist yet, as files alone: there is no checkout, so
 * that hooks, filters and submodules have no part in it, and links are refused as in an archive.
 * By https, only what is in no private network: whoever may install would see there what only this host does.
 *
 * @param address `URL#REF:FOLDER`, see `parseGitAddress`
 * @returns the commit that it is of
 * @throws BulkheadError `INVALID` with what git says, or as `unpackModule` does; `UNAVAILABLE` where there is no git or
 * it takes too long
 * @example await fetchGit('https://example.org/modules.git#v1.2:pii-filter', '/var/lib/bulkhead/incoming/2')
 */
export async function fetchGit(address: string, folder: string, options: GitOptions = {}): Promise<{ commit: string }> {
  const { allowFile = false, timeoutMs = 60_000, packBytes = 64 * 1024 * 1024, limits = MODULE_ARCHIVE, key, path = PROGRAMS, privateHosts = [], mayReach = isPublic } = options
  const source = parseGitAddress(address, { allowFile })
  if (source.protocol === 'ssh' && key === undefined) throw failed('there is no key for ssh on this host')
  const { url, pinned } = source.protocol === 'https' ? await reach(source.url, privateHosts, mayReach) : { url: source.url, pinned: [] }
  const home = await mkdtemp(`${folder}.git-`)
  const git = openGit({ home, source, pinned, key, path, packBytes, deadline: AbortSignal.timeout(timeoutMs), timeoutMs })
  try {
    await git(['init', '--quiet', '--bare', '--template=', '.'])
    await git(['fetch', '--quiet', '--depth=1', '--no-tags', '--no-recurse-submodules', '--no-write-commit-graph', '--end-of-options', url, source.ref])
    const commit = (await git(['rev-parse', '--verify', 'FETCH_HEAD^{commit}'])).trim()
    const tree = source.subfolder === '' ? commit : `${commit}:${source.subfolder}`
    await git(['archive', '--format=tar', tree], (archive) => unpackModule(archive, folder, limits, 'none'))
    return { commit }
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 10 }).catch(() => undefined)
  }
}

/**
 * Looks up where git is to connect, and has it connect there: asked once more, a name may lead elsewhere.
 *
 * @returns the address as it was understood here, and settings for git
 */
async function reach(text: string, privateHosts: readonly string[], mayReach: (address: string) => boolean): Promise<{ url: string; pinned: string[] }> {
  const url = URL.parse(text)
  if (url === null) throw failed('this is no address')
  const { host, hostname, port, href } = url
  if (privateHosts.includes(host) || privateHosts.includes(hostname)) return { url: href, pinned: [] }
  const literal = hostname.replace(/^\[|\]$/g, '')
  const found = isIP(literal) === 0 ? (await lookup(hostname, { all: true }).catch(() => [])).map(({ address }) => address) : [literal]
  if (found.length === 0) throw failed(`there is no host ${hostname}`)
  if (!found.every(mayReach)) throw failed(`the address of ${hostname} is not public; BULKHEAD_IMPORT_HOSTS names the hosts for which that is right`)
  const addresses = found.map((address) => (isIP(address) === 6 ? `[${address}]` : address)).join(',')
  return { url: href, pinned: [`http.curloptResolve=${hostname}:${port || 443}:${addresses}`] }
}

interface Git {
  home: string
  source: GitAddress
  /** Settings that say where to connect. */
  pinned: readonly string[]
  key: string | undefined
  path: string
  packBytes: number
  deadline: AbortSignal
  timeoutMs: number
}

/** Runs git in a folder of its own, with nothing of this host's environment, settings or credentials. */
function openGit({ home, source, pinned, key, path, packBytes, deadline, timeoutMs }: Git) {
  const env = {
    PATH: path,
    HOME: home,
    LC_ALL: 'C',
    GIT_DIR: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'false',
    SSH_ASKPASS_REQUIRE: 'never',
    GIT_ALLOW_PROTOCOL: source.protocol,
    GIT_SSH_COMMAND: `ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o ForwardAgent=no -i ${quoted(key ?? '/dev/null')}`,
  }
  // A redirect would lead where nobody has looked. One pack, not thousands of files; and no more of one than is allowed, nor of memory and CPU.
  const settings = ['core.hooksPath=/dev/null', 'credential.helper=', 'transfer.unpackLimit=1', 'http.followRedirects=false', 'pack.threads=1', 'core.bigFileThreshold=1m', 'gc.auto=0', 'maintenance.auto=false', ...pinned]
  const bounded = 'ulimit -f "$1"; ulimit -v 2000000 2>/dev/null; ulimit -t 120; shift; exec git "$@"'

  return async function git(args: string[], read?: (output: AsyncIterable<Uint8Array>) => Promise<void>): Promise<string> {
    const child = spawn(
      '/bin/sh',
      ['-c', bounded, 'git', String(Math.ceil(packBytes / 512)), ...settings.flatMap((one) => ['-c', one]), ...args],
      { cwd: home, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const end = () => {
      try {
        process.kill(-(child.pid as number), 'SIGKILL') // its helpers as well
      } catch {}
    }
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000)
    })
    const exited = new Promise<number | null>((resolve, reject) => void child.on('error', reject).on('close', resolve))
    deadline.addEventListener('abort', end)
    if (deadline.aborted) end()
    try {
      const [code, output] = await Promise.all([exited, (read ?? collect)(child.stdout)])
      if (deadline.aborted) throw new BulkheadError('UNAVAILABLE', `cannot fetch from git: it takes longer than ${timeoutMs} ms`)
      if (code === 127) throw new BulkheadError('UNAVAILABLE', 'cannot fetch from git: there is no git on this host')
      if (code !== 0) throw failed(lastWords(said, home) || `the repository has more than ${packBytes} bytes, or took too much to read`)
      return output ?? ''
    } catch (thrown) {
      end()
      await exited.catch(() => undefined)
      throw thrown
    } finally {
      deadline.removeEventListener('abort', end)
    }
  }
}

async function collect(output: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of output) text = (text + Buffer.from(chunk).toString('latin1')).slice(0, 1000)
  return text
}

/** The line in which git says what is wrong, without the folder that it ran in. */
function lastWords(said: string, home: string): string {
  const lines = said.split('\n').filter((line) => /^(fatal|error|ERROR|remote): /.test(line))
  return (lines.at(0) ?? '').replaceAll(home, '').replace(/^(fatal|error): /, '').slice(0, 300)
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function failed(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot fetch from git: ${why}`)
}
