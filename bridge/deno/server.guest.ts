import { denoErrors, notSupported } from './errors.guest.ts'
import { lazily } from '../web/globals.guest.ts'
import { hostSettings } from '../web/host.guest.ts'
import { type FetchHandler, type ListenOptions, registry } from './registry.guest.ts'

interface ServeOptions extends Partial<Omit<ListenOptions, 'told'>> {
  onListen?: (address: object) => void
  handler?: FetchHandler
  signal?: { aborted: boolean; addEventListener(type: 'abort', listener: () => void): void }
  cert?: string
  key?: string
}

/**
 * `Deno.serve`: the handler becomes the module's, which the host calls for requests under `/api/modules/<name>/`, or
 * under the port where a script is run. A module has one server.
 */
export function serve(first: ServeOptions | FetchHandler, second?: FetchHandler | ServeOptions): object {
  const options = (typeof first === 'object' && first !== null ? first : typeof second === 'object' && second !== null ? second : {}) as ServeOptions
  const handler = [first, second, options.handler].find((value) => typeof value === 'function') as FetchHandler | undefined
  if (!handler) throw new TypeError('A handler function must be provided.')
  if (options.cert !== undefined || options.key !== undefined) throw notSupported('Deno.serve with cert and key', 'TLS is ended in front of the host')
  if (registry.handler) throw new denoErrors.AddrInUse('cannot serve, the module has a server already')
  const { port = 8000, hostname = '0.0.0.0', onListen, onError, signal } = options
  const { promise: finished, resolve } = Promise.withResolvers<void>()

  registry.handler = handler
  registry.listen = { port, hostname, told: onListen !== undefined, ...(onError && { onError }) }
  registry.stopServing = () => {
    registry.handler = undefined
    registry.stopServing = undefined
    resolve()
  }
  const addr = { hostname, port, transport: 'tcp' as const }
  // Requests come only once the module has loaded, later than this.
  if (onListen) queueMicrotask(() => onListen(addr))
  const shutdown = async () => {
    registry.stopServing?.()
    await finished
  }
  if (signal?.aborted) void shutdown()
  signal?.addEventListener('abort', () => void shutdown())
  return {
    addr,
    finished,
    shutdown,
    ref() {},
    unref() {},
    [Symbol.asyncDispose]: shutdown,
  }
}

declare const queueMicrotask: (callback: () => void) => void

/** `Deno.upgradeWebSocket`; what makes sockets is evaluated with the first. */
export function upgradeWebSocket(request: unknown, options?: unknown): object {
  if (hostSettings().fresh) throw notSupported('Deno.upgradeWebSocket', 'the manifest says context: fresh, and the socket would end with the context it is opened in')
  const { upgradeWebSocket: upgrade } = lazily('deno/upgrade') as { upgradeWebSocket(...args: unknown[]): object }
  return upgrade(request, options)
}
