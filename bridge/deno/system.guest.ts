import { notSupported } from './errors.guest.ts'

/** The Deno whose namespace this is, and what else a module may ask of the machine: constants that tell nothing of it. */
export const VERSION = { deno: '2.9.5', v8: '14.6.202.10', typescript: '6.0.3', bulkhead: '0.1.0' }
export const BUILD = { target: 'x86_64-unknown-linux-gnu', arch: 'x86_64', os: 'linux', vendor: 'unknown', env: 'gnu', standalone: false }

const MB = 1024 * 1024
const SIGNALS = /^SIG[A-Z0-9]{2,9}$/

/** @param memoryMB what the module may take, which is the whole of its machine */
export function openSystem(memoryMB: number): Record<string, unknown> {
  const checkSignal = (signal: unknown) => {
    if (typeof signal !== 'string' || !SIGNALS.test(signal)) throw new TypeError(`Invalid signal: ${String(signal)}`)
  }
  return {
    version: VERSION,
    build: BUILD,
    pid: 1,
    ppid: 0,
    noColor: true,
    hostname: () => 'bulkhead',
    osRelease: () => '0.0.0',
    osUptime: () => 0,
    loadavg: () => [0, 0, 0],
    networkInterfaces: () => [],
    uid: () => 0,
    gid: () => 0,
    umask: (_mask?: number) => 0o22,
    execPath: () => '/usr/bin/bulkhead',
    memoryUsage: () => ({ rss: memoryMB * MB, heapTotal: memoryMB * MB, heapUsed: 0, external: 0 }),
    cpuUsage: () => ({ user: 0, system: 0 }),
    systemMemoryInfo: () => ({ total: memoryMB * MB, free: 0, available: memoryMB * MB, buffers: 0, cached: 0, swapTotal: 0, swapFree: 0 }),
    isatty: (_rid: number) => false,
    consoleSize() {
      throw notSupported('Deno.consoleSize', 'a module has no terminal')
    },
    // No signal ever reaches a module; what it would do then is never done.
    addSignalListener(signal: string, _handler: () => void) {
      checkSignal(signal)
    },
    removeSignalListener(signal: string, _handler: () => void) {
      checkSignal(signal)
    },
    refTimer(_id: number) {},
    unrefTimer(_id: number) {},
  }
}
