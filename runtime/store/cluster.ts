import { type SpawnOptions, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BulkheadError } from '../../bridge/errors.ts'
import { type Binaries, canReach, findBinaries, type RunAs } from './binaries.ts'

/** A data folder that a server can be started on, and how. */
export interface Cluster {
  data: string
  /** Path of the unix socket, short enough for `connect`. */
  socket: string
  version: string
  /** Starts one of PostgreSQL's programs in the data folder, as a user it accepts. */
  run(program: 'postgres' | 'initdb', args: string[]): ReturnType<typeof spawn>
  /** Starts any program as that user. */
  options: SpawnOptions
  /** Removes what is needed only while a server runs. */
  tidy(): Promise<void>
}

/** What the kernels hold of a unix socket's path: 107 bytes on Linux, 103 on macOS. */
const SOCKET_PATH_BYTES = 103
const OUTPUT_LINES = 20
/**
 * Address space of each of the server's processes, in KiB. A statement may ask for gigabytes in one function call, which
 * nobody can interrupt: past this it fails, and the kernel has no reason to kill the server.
 */
const PROCESS_KB = 768 * 1024
/** The socket lies in a folder that only the server's user and root can enter: whoever is there has the files anyway. */
const ACCESS = 'local all bulkhead trust\nlocal all all scram-sha-256\n'

/**
 * Finds or makes the PostgreSQL data folder `<folder>/postgres`.
 *
 * @throws UNAVAILABLE when it cannot be made or belongs to another major version; the message names DATABASE_URL
 * @example const cluster = await openCluster('.bulkhead')
 */
export async function openCluster(folder: string): Promise<Cluster> {
  const home = makeFolder(folder)
  const data = join(home, 'postgres')
  const runAs = process.getuid?.() === 0 ? unprivileged(data) : undefined
  const binaries = await findBinaries(runAs)
  if (!existsSync(data)) await initialise(home, data, binaries, runAs)
  const found = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
  if (found !== binaries.version.split('.')[0]) {
    const why = `${data} was made by PostgreSQL ${found}, the one at hand is ${binaries.version}`
    throw unavailable(`${why}; export the data with the version of Bulkhead that made it and import it here`)
  }
  const { run, options } = runner(data, binaries, runAs)
  const { socket, tidy } = await shortSocket(data)
  return { data, socket, version: binaries.version, run, options, tidy }
}

function makeFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true })
    return realpathSync(folder)
  } catch (error) {
    throw unavailable((error as Error).message, error)
  }
}

/** An error that tells the operator what else there is to do. */
export function unavailable(why: string, cause?: unknown): BulkheadError {
  const message = `cannot start the embedded PostgreSQL: ${why} (set DATABASE_URL to use a server of your own)`
  return new BulkheadError('UNAVAILABLE', message, undefined, cause)
}

/** The last lines a program wrote, for the error about its end. */
export function lastLines(child: ReturnType<typeof spawn>, seen: (line: string) => void = () => {}): () => string {
  const lines: string[] = []
  let rest = ''
  const take = (chunk: Buffer) => {
    const parts = (rest + chunk.toString('utf8')).split('\n')
    rest = (parts.pop() ?? '').slice(-4096)
    for (const line of parts) {
      lines.push(line)
      if (lines.length > OUTPUT_LINES) lines.shift()
      seen(line)
    }
  }
  child.stdout?.on('data', take)
  child.stderr?.on('data', take)
  return () => [...lines, rest].join('\n').trim()
}

/**
 * Who owns the data folder already, so that an operator may choose; else a user that every system has. Never a new one.
 */
function unprivileged(data: string): RunAs {
  const owner = statSync(data, { throwIfNoEntry: false })
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const users = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (user === undefined) throw unavailable('it refuses to run as root, and there is no user postgres or nobody')
  return { uid: Number(user[2]) >>> 0, gid: Number(user[3]) >>> 0 } // macOS writes nobody as -2
}

function runner(data: string, binaries: Binaries, runAs: RunAs | undefined): Pick<Cluster, 'run' | 'options'> {
  // Its own session, or Ctrl-C in the host's terminal would end the database before the host has drained.
  const options: SpawnOptions = { ...runAs, detached: true, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } }
  const reachable = runAs === undefined || canReach(data, runAs)
  if (!reachable && process.platform !== 'linux') {
    throw unavailable(`user ${runAs.uid} cannot reach ${data}, and PostgreSQL refuses to run as root`)
  }
  // Below a folder that is closed to the user (/root), the way in is the working directory: it is entered as root,
  // before the user changes, and the link to it needs no permission on what is above.
  const path = reachable ? data : '/proc/self/cwd'
  return {
    options: { ...options, cwd: '/' },
    run(program, args) {
      const stdio: SpawnOptions['stdio'] = ['ignore', 'pipe', 'pipe']
      const command = [join(binaries.folder, 'bin', program), '-D', path, ...args]
      // macOS has no such limit.
      const limited = process.platform === 'linux' ? ['/bin/sh', '-c', `ulimit -v ${PROCESS_KB}; exec "$@"`, 'sh', ...command] : command
      return spawn(limited[0] as string, limited.slice(1), { ...options, cwd: data, stdio })
    },
  }
}

/** Made under another name and moved into place whole, so that a start killed half-way leaves nothing half-made. */
async function initialise(home: string, data: string, binaries: Binaries, runAs: RunAs | undefined): Promise<void> {
  const fresh = join(home, `postgres.new-${randomUUID()}`)
  mkdirSync(fresh, { mode: 0o700 })
  if (runAs !== undefined) chownSync(fresh, runAs.uid, runAs.gid)
  try {
    const child = runner(fresh, binaries, runAs).run('initdb', [
      '--username=bulkhead', '--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8',
      '--auth=trust', '--no-instructions',
    ])
    const output = lastLines(child)
    const [code] = await once(child, 'close')
    if (code !== 0) throw unavailable(`initdb failed with ${output()}`)
    writeFileSync(join(fresh, 'pg_hba.conf'), ACCESS)
    await rename(fresh, data)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    if (existsSync(data)) return // another start was faster
    throw error instanceof BulkheadError ? error : unavailable(String((error as Error).message), error)
  }
}

/** The server makes its socket in the data folder; where that path is too long, a short link to the folder leads there. */
async function shortSocket(data: string): Promise<Pick<Cluster, 'socket' | 'tidy'>> {
  const name = '.s.PGSQL.5432'
  if (Buffer.byteLength(join(data, name)) <= SOCKET_PATH_BYTES) return { socket: join(data, name), async tidy() {} }
  const short = await mkdtemp(join(tmpdir(), 'bulkhead-'))
  await symlink(data, join(short, 'postgres'))
  return {
    socket: join(short, 'postgres', name),
    tidy: () => rm(short, { recursive: true, force: true }), // removes the link, not what it leads to
  }
}
