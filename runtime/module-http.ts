import { BulkheadError } from '../bridge/errors.ts'
import { SOCKET_LIMITS } from '../bridge/websocket-limits.ts'
import type { Module } from './modules.ts'
import { type ModuleRequest, type ModuleResponse, serveModule } from './serve-module.ts'

/** Whom a module's routes are for: whoever has a key of the host's, or anybody. */
export type RoutesAuth = 'key' | 'public'

/** The permission without which nobody reaches a module's routes but with a key, whatever its manifest says. */
const PUBLIC = 'routes:public'

/** Requests that modules answer. */
export interface ModuleHttp {
  /** Whom the routes are for, as the manifest asks and the operator grants. @throws NOT_FOUND with the nearest name */
  authOf(name: string): RoutesAuth
  /**
   * Has a module answer a request.
   *
   * @throws NOT_FOUND where it answers none, UNAVAILABLE, BUSY, also where it has as many sockets open as it may, BODY_TOO_LARGE, and what the execution ends with
   */
  fetch(name: string, request: ModuleRequest): Promise<ModuleResponse>
}

interface Options {
  /** @throws NOT_FOUND with the nearest name */
  status(name: string): unknown
  find(name: string): Module | undefined
  isStopping(): boolean
  /** Lets what runs end before the host does. */
  track<Result>(work: Promise<Result>): Promise<Result>
}

export function openModuleHttp({ status, find, isStopping, track }: Options): ModuleHttp {
  const moduleOf = (name: string): Module => {
    const module = find(name)
    if (module) return module
    status(name)
    throw new BulkheadError('NOT_FOUND', `no module named "${name}"`)
  }
  const sockets = new Map<string, number>()
  const countSocket = (name: string, by: number) => sockets.set(name, (sockets.get(name) ?? 0) + by)

  /** A request for a socket holds one of the module's places, and the socket after it. @throws BUSY */
  const counted = (name: string, request: ModuleRequest): { request: ModuleRequest; settle(): void } => {
    const { upgrade } = request
    if (!upgrade) return { request, settle() {} }
    const { open } = SOCKET_LIMITS
    const used = sockets.get(name) ?? 0
    if (used >= open) throw new BulkheadError('BUSY', `cannot open a socket to ${name}, it has ${used} open and may have ${open}`, { limit: 'sockets', value: open, used: used + 1 })
    countSocket(name, 1)
    let isOpen = false
    const counting = async (protocol: string) => {
      const socket = await upgrade(protocol)
      isOpen = true
      socket.once('close', () => countSocket(name, -1))
      return socket
    }
    return { request: { ...request, upgrade: counting }, settle: () => void (isOpen || countSocket(name, -1)) }
  }
  return {
    authOf(name) {
      const { manifest, supervisor } = moduleOf(name)
      if (manifest?.routes?.auth !== 'public') return 'key'
      const terms = supervisor.instance?.terms ?? supervisor.version?.terms()
      return terms?.permissions.has(PUBLIC) ? 'public' : 'key'
    },
    async fetch(name, given) {
      const { supervisor } = moduleOf(name)
      if (isStopping()) throw new BulkheadError('UNAVAILABLE', `cannot call ${name}, the host is stopping`)
      if (supervisor.instance?.handlers.fetch === false) throw new BulkheadError('NOT_FOUND', `${name} answers no requests`)
      const { request, settle } = counted(name, given)
      return serveModule(request, (invocation, subject) => track(supervisor.invoke(invocation, undefined, subject))).finally(settle)
    },
  }
}
