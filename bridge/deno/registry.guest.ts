import { defineProperty, ErrorOf, weakGet, weakSet } from '../primordials.guest.ts'

/** A handler of requests as authors write it; what it takes and returns are the classes of the isolate. */
export type FetchHandler = (request: unknown, info: unknown) => unknown

/** Where `Deno.serve` was asked to listen, for those who run a script; elsewhere the host decides. */
export interface ListenOptions {
  port: number
  hostname: string
  /** Whether the module has an `onListen` of its own, which was told. */
  told: boolean
  onError?: (error: unknown) => unknown
}

/** A request that asks for a socket, and what `Deno.upgradeWebSocket` has made of it. */
export interface Upgrade {
  /** The one by which the handler agrees. */
  response?: object
  /** Has the host open the socket. @param ask in the name of the request's execution */
  open?(ask: (capability: string, args: string) => Promise<string>): Promise<void>
  fail?(thrown: unknown): void
}

/** What the module's code has told the bridge through `Deno`. Whatever is in it the module could do by itself. */
interface Registry {
  handler: FetchHandler | undefined
  listen: ListenOptions | undefined
  /** Resolves `finished` of the server. */
  stopServing: (() => void) | undefined
  exitCode: number
  /** Jobs of `Deno.cron`. */
  crons: Array<{ name: string; schedule: string }>
  cronHandlerOf(name: string): (() => unknown) | undefined
  /** By the Request that the handler is given. */
  upgrades: WeakMap<object, Upgrade>
  /** The module has loaded: what its top level alone may do is over. */
  sealed: boolean
  /** A part of the output, where it goes; set by the bridge. */
  write(level: 'info' | 'error', text: string): void
  /** Called by `Deno.exit` before it throws; set by the bridge. */
  onExit(code: number): void
}

export const registry: Registry = {
  handler: undefined,
  listen: undefined,
  stopServing: undefined,
  exitCode: 0,
  crons: [],
  cronHandlerOf: () => undefined,
  upgrades: new WeakMap(),
  sealed: false,
  write() {},
  onExit() {},
}

const exits = new WeakMap<object, number>() as WeakMap<WeakKey, unknown>

/** Ends the execution that calls it, by an error that carries the code. Several may be under way, and each has its own promise to reject. */
export function exit(code: number): never {
  registry.onExit(code)
  const error = new ErrorOf(`Deno.exit(${code})`)
  defineProperty(error, 'name', { value: 'Exit', configurable: true, writable: true })
  weakSet(exits, error, code)
  throw error
}

/** The code of an exit; undefined for whatever else was thrown. */
export function exitCodeOf(thrown: unknown): number | undefined {
  return typeof thrown === 'object' && thrown !== null ? (weakGet(exits, thrown) as number | undefined) : undefined
}
