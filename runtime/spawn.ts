import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import { BulkheadError } from '../bridge/errors.ts'
import type { Programs } from './programs.ts'
import { type CellCalls, type CellSettings, FRAME_BYTES, type HostCalls } from './protocol.ts'
import { connect, type Peer } from './rpc.ts'

const BOOT_MS = 10_000
/** 1 GiB in pages of 64 KiB. */
const MAX_MEMORY_PAGES = 16_384

/** A running child process and the wire to it. */
export interface CellProcess {
  readonly pid: number
  readonly wire: Peer<CellCalls>
  /** Resolves once, when the process is gone. */
  readonly ended: Promise<CellEnd>
  /** Ends it by SIGKILL, with the reason that its callers get. */
  kill(reason: BulkheadError): void
}

export interface CellEnd {
  reason: BulkheadError
  /** What it did that the protocol does not allow. */
  violation?: string
  stderr: string
}

// What isolated-vm reads while it loads, found by refusing all and adding one at a time. Measured on Node 26.10 with
// isolated-vm 7.0.1: file writes, other reads, child processes, workers and connections are refused.
const require = createRequire(import.meta.url)
const READABLE = [
  dirname(require.resolve('isolated-vm/package.json')),
  dirname(require.resolve('node-gyp-build/package.json')),
  '/etc/alpine-release', // probed to tell musl from glibc
]

/**
 * Starts a cell. `onEnding` is called before the callers of a cell that ends learn of it. Its wire is a socket pair handed down as descriptor 3: with frames of our own it is faster than
 * fork's JSON channel (call p50 100 against 116 µs, 50 k against 43 k calls/s at 64 in flight, 2.5 KB contexts,
 * 2 cores), and the permission model refuses connections made from within, not this one.
 *
 * @throws CELL_LOST where the process does not come up within 10 s
 */
export async function spawnCell(
  programs: Programs,
  settings: CellSettings,
  calls: HostCalls,
  onEnding: (reason: BulkheadError) => void,
): Promise<CellProcess> {
  const child = spawn(
    process.execPath,
    [
      '--no-node-snapshot', // isolated-vm needs it
      '--no-warnings',
      // The most that any manifest may ask for, as the last word on memories that grow from within.
      `--wasm-max-mem-pages=${MAX_MEMORY_PAGES}`,
      '--max-semi-space-size=4', // MB: 40 MB less of a busy cell's garbage, at the same rate of calls
      '--permission',
      '--allow-addons',
      ...[programs.cellFile, ...READABLE].map((path) => `--allow-fs-read=${path}`),
      programs.cellFile,
    ],
    {
      cwd: '/',
      // ArrayBuffers of 128 KB and more go back to the system when freed, not to the heap of the process.
      env: { MALLOC_MMAP_THRESHOLD_: '131072' },
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    },
  )
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4_000)
  })
  const { promise: ended, resolve } = Promise.withResolvers<CellEnd>()
  let end: Omit<CellEnd, 'stderr'> | undefined
  const kill = (reason: BulkheadError, violation?: string) => {
    if (!end) {
      end = violation === undefined ? { reason } : { reason, violation }
      onEnding(reason)
    }
    wire.close(reason)
    child.kill('SIGKILL')
  }
  const wire = connect<CellCalls>(child.stdio[3] as Duplex, calls, {
    maxFrameBytes: settings.inspect ? FRAME_BYTES.inspected : FRAME_BYTES.toHost,
    onClose: ({ violation }) => kill(new BulkheadError('CELL_LOST', 'the cell that ran this is gone'), violation),
  })
  child.on('error', (error) => {
    stderr += error.message
    kill(new BulkheadError('CELL_LOST', 'the cell did not start'))
    if (child.pid === undefined) resolve({ ...(end as CellEnd), stderr })
  })
  child.on('exit', () => {
    kill(new BulkheadError('CELL_LOST', 'the cell that ran this is gone'))
    resolve({ ...(end as CellEnd), stderr })
  })

  const late = setTimeout(() => kill(new BulkheadError('CELL_LOST', `the cell did not start within ${BOOT_MS} ms`)), BOOT_MS)
  try {
    await wire.call('boot', settings, programs.bridge)
  } catch (thrown) {
    const why = stderr.trim().split('\n').at(-1) || (thrown instanceof Error ? thrown.message : 'it ended')
    kill(new BulkheadError('CELL_LOST', 'the cell did not start'))
    throw new BulkheadError('CELL_LOST', `cannot start a cell, ${why}`, undefined, thrown)
  } finally {
    clearTimeout(late)
  }
  return { pid: child.pid as number, wire, ended, kill }
}
