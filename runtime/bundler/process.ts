import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { BulkheadError } from '../../bridge/errors.ts'
import type { BuildAnswer, BuildRequest } from './build.ts'

/**
 * What bundling one module may take. A parser's stack or a TypeScript enum makes gigabytes of 4 MB source, and esbuild
 * ends where it cannot have them; so it has a process of its own, and one module at a time.
 */
export const BUILD_LIMITS = { memoryMB: 1024, wallMs: 10_000 }
/** How much longer it may take with what the module imports from elsewhere. */
const IMPORTS_MS = 30_000

const IDLE_MS = 10_000
/** The exit code by which the process says that esbuild does not run at all, whatever it is to bundle. */
export const UNUSABLE = 3
/** The one by which it says that esbuild has ended over a module. */
export const SPENT = 4

const ENTRY = fileURLToPath(new URL('./entry.ts', import.meta.url))
const LIMITED_ESBUILD = fileURLToPath(new URL('./esbuild.sh', import.meta.url))
const nearEsbuild = createRequire(createRequire(import.meta.url).resolve('esbuild'))

/** The process in which a host bundles: none until there is something to do, and none 10 s after. */
export interface Bundler {
  /**
   * A module that is too much for the process is answered as one with a fault.
   *
   * @throws BulkheadError `INTERNAL` where esbuild does not run
   */
  build(request: BuildRequest): Promise<BuildAnswer>
  /** Ends the process once all that was asked before is done. */
  stop(): Promise<void>
}

export function createBundler(limits = BUILD_LIMITS): Bundler {
  let worker: ChildProcess | undefined
  let idle: NodeJS.Timeout | undefined
  let lastTurn: Promise<unknown> = Promise.resolve()

  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    clearTimeout(idle)
    const turn = lastTurn.then(work)
    lastTurn = turn.catch(() => undefined)
    return turn
  }
  const end = async () => {
    const ending = worker
    worker = undefined
    if (ending) await kill(ending)
  }
  const stop = () => inTurn(end)

  return {
    stop,
    build: (request) =>
      inTurn(async () => {
        // A worker that was used before may have been ended by others; only a fresh one's end is the module's doing.
        for (;;) {
          const isFresh = worker === undefined
          worker ??= start(limits)
          const wallMs = limits.wallMs + (request.pins ? IMPORTS_MS : 0)
          const answer = await ask(worker, request, wallMs)
          if (typeof answer === 'object') {
            idle = setTimeout(() => void stop(), IDLE_MS).unref()
            return answer
          }
          // It ends with 1 where its own program cannot be loaded, which is no module's doing either.
          const isUnusable = answer === 'absent' || worker.exitCode === UNUSABLE || worker.exitCode === 1
          await end()
          if (isUnusable) throw new BulkheadError('INTERNAL', 'cannot bundle anything, esbuild does not run here')
          if (answer === 'late') return faulty(`it cannot be bundled within ${wallMs} ms`)
          if (isFresh) return faulty(`it cannot be bundled in ${limits.memoryMB} MB of memory`)
        }
      }),
  }
}

function faulty(text: string): BuildAnswer {
  return { faults: [{ text }] }
}

function start({ memoryMB }: typeof BUILD_LIMITS): ChildProcess {
  const worker = spawn(process.execPath, ['--no-warnings', '--max-old-space-size=512', ENTRY], {
    cwd: '/',
    env: {
      ESBUILD_BINARY_PATH: LIMITED_ESBUILD,
      BULKHEAD_ESBUILD: nearEsbuild.resolve(`@esbuild/${process.platform}-${process.arch}/bin/esbuild`),
      BULKHEAD_ESBUILD_KB: String(memoryMB * 1024),
      GOMEMLIMIT: `${Math.floor(memoryMB * 0.75)}MiB`,
      GODEBUG: 'containermaxprocs=0', // which takes descriptors
    },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
    detached: true, // a process group of its own, by which esbuild goes with it
  })
  return worker.on('error', () => undefined)
}

/** One answer of a worker, which keeps this process alive only meanwhile. */
async function ask(
  worker: ChildProcess,
  request: BuildRequest,
  wallMs: number,
): Promise<BuildAnswer | 'ended' | 'absent' | 'late'> {
  const { promise, resolve } = Promise.withResolvers<BuildAnswer | 'ended' | 'absent' | 'late'>()
  const onEnd = () => resolve('ended')
  const onError = () => resolve('absent')
  const clock = setTimeout(() => resolve('late'), wallMs)
  worker.on('message', resolve).on('exit', onEnd).on('error', onError)
  worker.ref()
  worker.channel?.ref()
  worker.send(request, (error) => error && onEnd())
  try {
    return await promise
  } finally {
    clearTimeout(clock)
    worker.off('message', resolve).off('exit', onEnd).off('error', onError)
    worker.unref()
    worker.channel?.unref()
  }
}

async function kill(worker: ChildProcess): Promise<void> {
  const isGone = worker.pid === undefined || worker.exitCode !== null || worker.signalCode !== null
  const gone = isGone ? undefined : once(worker, 'exit')
  try {
    // The group outlives its first process where esbuild is busy.
    if (worker.pid !== undefined) process.kill(-worker.pid, 'SIGKILL')
  } catch {
    // There is none of it left.
  }
  worker.ref()
  await gone
}
