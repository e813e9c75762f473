import { existsSync, readFileSync } from 'node:fs'
import { readdir, readlink, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BulkheadError } from '../../bridge/errors.ts'
import { type Claim, claim } from './claim.ts'
import { type Cluster, openCluster, unavailable } from './cluster.ts'
import { launch, type Server, type StoreLog } from './server.ts'

/** PostgreSQL as a child of the host, started again when it dies. */
export interface Embedded extends AsyncDisposable {
  data: string
  socket: string
  version: string
  /** Of the server that runs now. */
  pid(): number
}

interface Running {
  server: Server
  claim: Claim
}

const START_MS = 20_000
const RESTART_MS = 10_000
/** Up for this long, a server has behaved, and the count of restarts begins anew. */
const BEHAVED_MS = 60_000
/** Between one signal to an orphan and the next, sharper one. */
const ORPHAN_MS = 5_000
/** A server this young is about to be claimed by the host that started it, and is no orphan yet. */
const YOUNG_MS = 3_000
const ANOTHER_RUNS = /lock file .* (already exists|is empty)|is still in use/

/**
 * Starts PostgreSQL on `<folder>/postgres`, making that first if need be.
 *
 * @throws CONFLICT when a living host has the folder; UNAVAILABLE with the server's last words when it cannot start
 * @example await using embedded = await startEmbedded({ folder: '.bulkhead', log })
 */
export async function startEmbedded({ folder, log }: { folder: string; log: StoreLog }): Promise<Embedded> {
  const cluster = await openCluster(folder)
  const stop = new AbortController()
  let current: Running
  let restarting: Promise<void> | undefined
  let failures = 0

  const keep = (running: Running) => {
    current = running
    const since = Date.now()
    void running.claim.lost.then(() => reclaim(running))
    void running.server.ended.then(() => {
      if (stop.signal.aborted) return
      if (Date.now() - since > BEHAVED_MS) failures = 0
      log.error({ pid: running.server.pid, output: running.server.output() }, 'the embedded PostgreSQL ended by itself')
      restarting = restart()
    })
  }

  /** For as long as it takes, and ever more slowly: what is in the way (a full disk) may be put right meanwhile. */
  const restart = async () => {
    for (; !stop.signal.aborted; failures++) {
      await sleep(failures === 0 ? 0 : Math.min(100 * 2 ** failures, RESTART_MS), stop.signal)
      try {
        const running = await start(cluster, log, stop.signal)
        log.info({ pid: running.server.pid }, 'the embedded PostgreSQL runs again')
        failures++
        return keep(running)
      } catch (error) {
        if (stop.signal.aborted) return
        log.error({ error: (error as Error).message }, 'the embedded PostgreSQL could not be started again')
        if (error instanceof BulkheadError && error.code === 'CONFLICT') return
      }
    }
  }

  /** Somebody ended the connection that holds our claim; the server lives. */
  const reclaim = async (running: Running) => {
    await sleep(100, stop.signal)
    if (stop.signal.aborted || current !== running || !isAlive(running.server.pid)) return
    const again = await claim(cluster)
    if (!('release' in again)) return log.error(again, 'the claim to the data folder is lost')
    running.claim = again
    void again.lost.then(() => reclaim(running))
  }

  try {
    keep(await start(cluster, log, stop.signal))
    await clearHalfMade(cluster)
  } catch (error) {
    await cluster.tidy()
    throw error
  }
  return {
    data: cluster.data,
    socket: cluster.socket,
    version: cluster.version,
    pid: () => current.server.pid,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await restarting
      await current.server.stop()
      await current.claim.release()
      await cluster.tidy()
    },
  }
}

/** PostgreSQL itself sees to it that one server runs on a folder, the claim that one host has that server. */
async function start(cluster: Cluster, log: StoreLog, stop: AbortSignal): Promise<Running> {
  const deadline = Date.now() + START_MS
  for (let tries = 1; ; tries++) {
    const server = await launch(cluster, log)
    if (typeof server === 'string') {
      const isTaken = ANOTHER_RUNS.test(server)
      // Where several start at once, what PostgreSQL says of the files of another that comes or goes is not always that.
      if ((!isTaken && tries > 2) || Date.now() > deadline || stop.aborted) throw unavailable(server)
      if (isTaken) await endOrphan(cluster, log, tries > 10)
    } else {
      const claimed = await claimOwn(cluster, deadline)
      if ('release' in claimed && !stop.aborted) return { server, claim: claimed }
      await server.stop() // another host, starting in the same moment, took this server for an orphan
      if (Date.now() > deadline || stop.aborted) throw unavailable('another host starts on the same folder')
    }
    await delay(100)
  }
}

/** A host that starts in the same moment may hold the claim while it looks at how young the server is. */
async function claimOwn(cluster: Cluster, deadline: number): ReturnType<typeof claim> {
  for (;;) {
    const claimed = await claim(cluster)
    if (!('owner' in claimed) || Date.now() > deadline) return claimed
  }
}

/** Ends a server whose host is dead. A server that is starting or stopping is left to it: the caller comes again. */
async function endOrphan(cluster: Cluster, log: StoreLog, patient: boolean): Promise<void> {
  const pid = serverPid(cluster)
  const claimed = await claim(cluster)
  if ('owner' in claimed) {
    const why = `the host with pid ${claimed.owner} has it, and a data folder has one host at a time`
    throw new BulkheadError('CONFLICT', `cannot open ${cluster.data}: ${why}`)
  }
  if ('unreachable' in claimed) return patient ? clearAway(cluster, log) : undefined
  if (claimed.serverAgeMs < YOUNG_MS) return claimed.release()
  log.warn({ pid }, 'ending the PostgreSQL that a killed host left behind')
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (pid === undefined || !isAlive(pid)) break
    process.kill(pid, signal)
    for (let waited = 0; waited < ORPHAN_MS && isAlive(pid); waited += 10) await delay(10)
  }
  await claimed.release()
}

/** Where the server is gone and something of it keeps the next from starting: processes of it, or its pid file. */
async function clearAway(cluster: Cluster, log: StoreLog): Promise<void> {
  if (process.platform !== 'linux') return
  const left = await processesIn(cluster.data)
  const pid = serverPid(cluster) // read last: a server that has started meanwhile is in it
  if (pid === undefined) return
  if (left.includes(pid)) return // it starts or stops
  if (left.length > 0) {
    log.warn({ pids: left }, 'killing what is left of a PostgreSQL that is gone')
    for (const each of left) process.kill(each, 'SIGKILL')
    return
  }
  log.warn({ pid }, 'removing the postmaster.pid of a PostgreSQL that is gone, its pid is another process now')
  await rm(join(cluster.data, 'postmaster.pid'), { force: true })
}

function serverPid(cluster: Cluster): number | undefined {
  const file = join(cluster.data, 'postmaster.pid')
  const pid = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : 0
  return pid > 1 ? pid : undefined
}

async function sleep(ms: number, stop: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: stop }).catch(() => {})
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The processes of PostgreSQL that work in a data folder, as all of a server do. */
async function processesIn(data: string): Promise<number[]> {
  const found: number[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || (await readlink(`/proc/${pid}/cwd`).catch(() => '')) !== data) continue
    if (basename(await readlink(`/proc/${pid}/exe`).catch(() => '')) === 'postgres') found.push(Number(pid))
  }
  return found
}

async function clearHalfMade(cluster: Cluster): Promise<void> {
  const home = join(cluster.data, '..')
  for (const name of await readdir(home)) {
    if (name.startsWith('postgres.new-')) await rm(join(home, name), { recursive: true, force: true })
  }
}
