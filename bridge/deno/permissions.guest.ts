import { web } from './streams.guest.ts'

type State = 'granted' | 'prompt' | 'denied'
interface Descriptor {
  name: string
  path?: unknown
  variable?: string
  host?: string
}

interface Source {
  permissions: () => readonly string[]
  /** Whether a path may be read, and written. */
  files: { mayRead(path: unknown): boolean; mayWrite(path: unknown): boolean }
  /** Gives a permission up, in this isolate. */
  give(permission: string): void
}

const NAMES = ['run', 'read', 'write', 'net', 'env', 'sys', 'ffi', 'import']

/**
 * `Deno.permissions`: what the operator granted, in Deno's words. There is nobody to ask: what is not granted is `prompt`
 * until it is requested, and `denied` from then on.
 */
export function openPermissions({ permissions, files, give }: Source): { permissions: object; Permissions: object; PermissionStatus: object } {
  const states = new WeakMap<object, State>()
  const denied = new Set<string>()
  const given = new Set<string>()
  const PROOF = Symbol('made here')

  class PermissionStatus extends web.EventTarget {
    onchange: unknown = null
    constructor(proof?: unknown, state: State = 'prompt') {
      super()
      if (proof !== PROOF) throw new TypeError('Illegal constructor')
      states.set(this, state)
      // Deno shows state and onchange, and state is its prototype's.
      Object.defineProperty(this, 'onchange', { value: null, writable: true, enumerable: true, configurable: true })
    }
    get state(): State {
      return states.get(this) as State
    }
    get partial(): boolean {
      return false
    }
  }

  function isGranted({ name, path, variable, host }: Descriptor): boolean {
    if (name === 'env' && variable !== undefined) return permissions().includes(`env:${variable}`) || permissions().includes('env:*')
    if (name === 'env') return permissions().includes('env:*')
    if (name === 'net' && host !== undefined) {
      const [bare = ''] = host.split(':')
      return [`net:${host}`, `net:${bare}`, 'net:*'].some((permission) => permissions().includes(permission))
    }
    if (name === 'net') return permissions().includes('net:*')
    if (path === undefined || path === null) return false
    return name === 'read' ? files.mayRead(path) : name === 'write' && files.mayWrite(path)
  }

  const keyOf = ({ name, path, variable, host }: Descriptor) => JSON.stringify([name, path === undefined ? null : String(path), variable ?? null, host ?? null])
  const checked = (method: string, descriptor: unknown): Descriptor => {
    if (typeof descriptor !== 'object' || descriptor === null) {
      throw new TypeError(`Failed to execute '${method}' on 'Permissions': parameter 1 is not of type 'Object'`)
    }
    const { name } = descriptor as Descriptor
    if (NAMES.includes(name)) return descriptor as Descriptor
    throw new TypeError(`The provided value ${JSON.stringify(name)} is not a valid permission name`)
  }
  const status = (descriptor: Descriptor): PermissionStatus => {
    const key = keyOf(descriptor)
    const state = given.has(key) ? 'prompt' : isGranted(descriptor) ? 'granted' : denied.has(key) ? 'denied' : 'prompt'
    return new PermissionStatus(PROOF, state)
  }

  const querySync = (descriptor: Descriptor) => status(checked('query', descriptor))
  const requestSync = (descriptor: Descriptor) => {
    const wanted = checked('request', descriptor)
    if (status(wanted).state !== 'granted') denied.add(keyOf(wanted))
    return denied.has(keyOf(wanted)) ? new PermissionStatus(PROOF, 'denied') : status(wanted)
  }
  const revokeSync = (descriptor: Descriptor) => {
    const wanted = checked('revoke', descriptor)
    const { name, variable, host } = wanted
    if (name === 'env' && variable !== undefined) give(`env:${variable}`)
    if (name === 'net' && host !== undefined) give(`net:${host}`)
    given.add(keyOf(wanted))
    return status(wanted)
  }

  class Permissions {
    constructor(proof?: unknown) {
      if (proof !== PROOF) throw new TypeError('Illegal constructor')
    }
    async query(descriptor: Descriptor) {
      return querySync(descriptor)
    }
    querySync(descriptor: Descriptor) {
      return querySync(descriptor)
    }
    async revoke(descriptor: Descriptor) {
      return revokeSync(descriptor)
    }
    revokeSync(descriptor: Descriptor) {
      return revokeSync(descriptor)
    }
    async request(descriptor: Descriptor) {
      return requestSync(descriptor)
    }
    requestSync(descriptor: Descriptor) {
      return requestSync(descriptor)
    }
  }
  return { permissions: new Permissions(PROOF), Permissions, PermissionStatus }
}
