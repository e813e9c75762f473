import { BulkheadError } from './errors.ts'
import type { HttpExchange } from './http.host.ts'
import { parseBounded } from './json.ts'
import type { ServedSockets } from './websocket.host.ts'

/** Who asks: the host's own knowledge of an open execution. Nothing in it comes from the cell. */
export interface Caller {
  readonly module: string
  readonly version: string
  readonly execution: string
  readonly hook: string
  /** What it asks for and was granted. */
  readonly permissions: ReadonlySet<string>
  /** Takes what the operator lent the module out of a value that it says. */
  hide(value: unknown): unknown
  /** It asked for what it was not granted, which is noted. */
  violated(permission: string): void
  /** The modules that wait for this execution, the first one first; none for a hook. */
  readonly chain: readonly string[]
  /** When it has to have ended, by `performance.now()`. */
  readonly deadline: number
  readonly session?: string
  readonly user?: string
  readonly run?: string
  readonly class?: string
  /** The request that it answers. */
  readonly http?: HttpExchange
  /** Those that clients have open to the instance that it runs in. */
  readonly sockets?: ServedSockets
  /** How often each capability was asked in this execution; counted here, whatever the cell says. */
  readonly asked: Map<string, number>
  /** The records kept so far, in order. */
  readonly extractions: Array<{ type: string; data: Record<string, unknown> }>
  /** Called once when the execution has ended, for whatever reason: what a capability holds for it is given back then. */
  readonly atEnd: Array<() => void>
  /** Numbers this execution's records and log lines, so that one kept twice is noticed. */
  nextSeq(): number
}

/** Something the host does for a module, behind a permission. Arguments and result are JSON text. */
export interface Capability {
  /** One permission, or several any of which will do; none for what everybody may. */
  readonly permission?: string | readonly string[]
  /** Times one execution may ask. */
  readonly perExecution: number
  /** Largest argument text, in characters. */
  readonly argsLength: number
  run(caller: Caller, args: string): Promise<string>
}

export type Capabilities = Readonly<Record<string, Capability>>

/**
 * Serves one ask: whether there is such a capability, whether the module may, how often and how much.
 *
 * @throws CAPABILITY_DENIED, CALL_LIMIT, SIZE_LIMIT, and what the capability throws
 */
export function serveAsk(capabilities: Capabilities, caller: Caller, name: string, args: string): Promise<string> {
  const capability = Object.hasOwn(capabilities, name) ? capabilities[name] : undefined
  if (!capability) throw new BulkheadError('CAPABILITY_DENIED', `cannot call ${JSON.stringify(name.slice(0, 64))}, there is no such capability`)
  const permissions = [capability.permission ?? []].flat()
  const [first] = permissions
  if (first !== undefined && !permissions.some((permission) => caller.permissions.has(permission))) {
    caller.violated(first)
    const wanted = permissions.map((permission) => `"${permission}"`).join(' or ')
    throw new BulkheadError('CAPABILITY_DENIED', `cannot call ${name}, the module has not been granted ${wanted}`)
  }
  const asked = (caller.asked.get(name) ?? 0) + 1
  caller.asked.set(name, asked)
  if (asked > capability.perExecution) {
    throw new BulkheadError('CALL_LIMIT', `cannot call ${name}, an execution may do so ${capability.perExecution} times`, {
      limit: 'perExecution',
      value: capability.perExecution,
      used: asked,
    })
  }
  if (args.length > capability.argsLength) {
    throw new BulkheadError('SIZE_LIMIT', `cannot call ${name}, its arguments have ${args.length} characters and ${capability.argsLength} may be sent`, {
      limit: 'askBytes',
      value: capability.argsLength,
      used: args.length,
    })
  }
  return capability.run(caller, args)
}

/** The arguments of a capability as a plain object. @throws INVALID */
export function readArgs(name: string, args: string): Record<string, unknown> {
  let value: unknown
  try {
    value = parseBounded(args)
  } catch (thrown) {
    if (thrown instanceof RangeError) throw new BulkheadError('INVALID', `cannot call ${name}, its arguments are ${thrown.message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BulkheadError('INVALID', `cannot call ${name}, its arguments are no JSON object`)
  }
  return value as Record<string, unknown>
}
