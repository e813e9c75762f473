import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const CLI = fileURLToPath(new URL('bulkhead.mjs', import.meta.url))

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

/** Runs the command as a shell would. */
export function bulkhead(...args: string[]): Promise<Ended> {
  return bulkheadIn({}, ...args)
}

interface Surroundings {
  env?: Record<string, string>
  cwd?: string
  /** What standard input holds. */
  input?: string
}

export function bulkheadIn({ env, cwd, input }: Surroundings, ...args: string[]): Promise<Ended> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [CLI, ...args], { cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
    child.stdin?.end(input)
  })
}

/** A server in a process of its own, and commands that ask it. */
export interface ServerUnderTest extends AsyncDisposable {
  folder: string
  /** What makes a command ask this server. */
  env: Record<string, string>
  cli(...args: string[]): Promise<Ended>
  /** What the command answers as JSON. */
  json(...args: string[]): Promise<Record<string, unknown>>
  process: ChildProcess
}

/** Starts a server as a user would, with an empty folder of modules. */
export async function startServer(more: Record<string, string> = {}): Promise<ServerUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'cli-'))
  await mkdir(join(folder, 'modules'))
  const data = join(folder, 'data')
  const child = spawn(process.execPath, [CLI, 'start'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], PORT: '0', BULKHEAD_DATA: data, BULKHEAD_MODULES: join(folder, 'modules'), BULKHEAD_CELLS: '1', LOG_LEVEL: 'error', ...more },
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (output += part))
  child.stderr.setEncoding('utf8').on('data', (part: string) => (output += part))
  const ended = once(child, 'close').then(() => Promise.reject(new Error(`the server ended: ${output}`)))
  ended.catch(() => {})
  while (!output.includes('Try:')) await Promise.race([once(child.stdout, 'data'), ended])
  const url = /listens on (\S+)/.exec(output)?.[1] ?? ''
  const env = { BULKHEAD_URL: url, BULKHEAD_DATA: data }
  const cli = (...args: string[]) => bulkheadIn({ env, cwd: folder }, ...args)
  return {
    folder,
    env,
    cli,
    process: child,
    async json(...args) {
      const { code, stdout, stderr } = await cli(...args, '--format', 'json')
      if (code !== 0) throw new Error(`bulkhead ${args.join(' ')} ended with ${code}: ${stderr}`)
      return JSON.parse(stdout) as Record<string, unknown>
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended.catch(() => {})
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}
