import { globals } from './host.guest.ts'

// What the module was granted, and what it sets itself. A package may look for any variable; none of them is there
// then, instead of a refusal, which would count against the module.
const values = (): Record<string, string> => globals.Deno?.env?.toObject() ?? {}
export const env: Record<string, string> = new Proxy<Record<string, string>>({}, {
  get: (_, name) => (typeof name === 'string' ? values()[name] : undefined),
  has: (_, name) => typeof name === 'string' && Object.hasOwn(values(), name),
  set(_, name, value) {
    globals.Deno?.env?.set(String(name), String(value))
    return true
  },
  deleteProperty(_, name) {
    globals.Deno?.env?.delete(String(name))
    return true
  },
  ownKeys: () => Object.keys(values()),
  getOwnPropertyDescriptor: (_, name) => {
    const value = typeof name === 'string' ? values()[name] : undefined
    return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true }
  },
})

type Callback = (...args: unknown[]) => void

const writer = (name: 'stdout' | 'stderr') => ({
  isTTY: false,
  fd: name === 'stdout' ? 1 : 2,
  columns: undefined,
  write(text: unknown, ...more: unknown[]): boolean {
    const stream = globals.Deno?.[name]
    if (stream) stream.writeSync(typeof text === 'string' ? new globals.TextEncoder().encode(text) : (text as Uint8Array))
    else globals.console[name === 'stdout' ? 'log' : 'error'](String(text).replace(/\n$/, ''))
    const done = more.findLast((one) => typeof one === 'function') as (() => void) | undefined
    if (done) globals.queueMicrotask(done)
    return true
  },
  on: () => process,
  once: () => process,
  emit: () => false,
  end: () => undefined,
})

export const stdout = writer('stdout')
export const stderr = writer('stderr')
export const stdin = { isTTY: false, fd: 0, on: () => process }
export const platform = 'linux'
export const arch = 'x64'
export const pid = 1
export const ppid = 0
export const title = 'bulkhead'
export const execPath = '/usr/bin/bulkhead'
export const execArgv: string[] = []
export const exitCode = undefined
export const browser = false
export const version = 'v24.0.0'
// Without `node`: who finds it there reads files and starts processes.
export const versions: Record<string, string> = { bulkhead: '0.1.0' }
export const release = { name: 'bulkhead' }
export const config = {}
export const features = {}
export const argv: string[] = ['/usr/bin/bulkhead', '/index.ts', ...(globals.Deno?.args ?? [])]
export const nextTick = (callback: Callback, ...args: unknown[]): void => globals.queueMicrotask(() => callback(...args))
export const cwd = (): string => {
  try {
    return globals.Deno?.cwd?.() ?? '/'
  } catch {
    return '/'
  }
}
export const exit = (code?: number): never => {
  globals.Deno?.exit?.(code)
  throw new Error('cannot exit')
}
export const uptime = (): number => globals.performance.now() / 1000
export const umask = (): number => 0o22
export const getuid = (): number => 0
export const memoryUsage = (): Record<string, number> => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 })
export const cpuUsage = (): Record<string, number> => ({ user: 0, system: 0 })
export const emitWarning = (warning: unknown): void => globals.console.warn(`Warning: ${warning instanceof Error ? warning.message : String(warning)}`)

const now = () => globals.performance.now()
const bigint = () => BigInt(Math.round(now() * 1e6))
export const hrtime = Object.assign(
  (since: readonly [number, number] = [0, 0]): [number, number] => {
    const nanoseconds = Number(bigint()) - (since[0] * 1e9 + since[1])
    return [Math.floor(nanoseconds / 1e9), nanoseconds % 1e9]
  },
  { bigint },
)

// No signal or event of a process ever reaches a module.
const ignored = (): object => process
const emitter = { on: ignored, once: ignored, off: ignored, addListener: ignored, removeListener: ignored, removeAllListeners: ignored, prependListener: ignored, setMaxListeners: ignored, emit: () => false, listeners: () => [], listenerCount: () => 0 }
export const { on, once, off, addListener, removeListener, removeAllListeners, prependListener, setMaxListeners, emit, listeners, listenerCount } = emitter

const process = {
  env, stdout, stderr, stdin, platform, arch, pid, ppid, title, execPath, execArgv, exitCode, browser, version, versions, release, config, features, argv,
  nextTick, cwd, exit, uptime, umask, getuid, memoryUsage, cpuUsage, emitWarning, hrtime, ...emitter,
}
Object.defineProperty(process, Symbol.toStringTag, { value: 'process', configurable: true })

export default process
