import { type Capabilities, type Caller, type Capability, readArgs } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { type Exchange, openExchange, readRequest } from './fetch-exchange.host.ts'
import { NET_CAPS } from './net-caps.ts'
import { BACKGROUND, openHolds } from './net-held.host.ts'
import { type Gate, openGate } from './net-http.host.ts'
import { openPlaces } from './net-places.host.ts'
import { type Resolve, systemResolver } from './net-route.host.ts'
import type { AgentsOptions } from './net-tunnel.host.ts'

export interface NetOptions extends AgentsOptions {
  /** Who is asked for the addresses of a name: the system's name servers unless given. */
  resolve?: Resolve
}

export interface FetchCapabilities extends AsyncDisposable {
  readonly capabilities: Capabilities
}

/** A background that waits for longer is answered with nothing, so that its next execution can go on waiting, ms. */
export const PATIENCE_MS = 800
/** Gates that are kept for modules which might fetch again. */
const MAX_GATES = 256

/**
 * `fetch` for modules: an exchange is begun by `fetch`, its bodies are passed on piece by piece by `fetch.write` and
 * `fetch.read`, and it ends with its body, by `fetch.close`, or with its execution. The guest numbers its exchanges.
 */
export function fetchCapabilities(options: NetOptions = {}): FetchCapabilities {
  const resolve = options.resolve ?? systemResolver()
  const places = openPlaces(NET_CAPS.open)
  const gates = new Map<string, Gate>()
  const holds = openHolds<Exchange>('exchange')

  function gateOf(module: string): Gate {
    const gate = gates.get(module) ?? openGate(options)
    gates.delete(module)
    gates.set(module, gate)
    const [oldest] = gates.keys()
    if (gates.size > MAX_GATES && oldest !== undefined) {
      gates.get(oldest)?.close()
      gates.delete(oldest)
    }
    return gate
  }

  const capability = (name: string, argsLength: number, run: (caller: Caller, args: Record<string, unknown>) => Promise<string>, perExecution = EXECUTION_CAPS.calls): Capability => ({
    perExecution,
    argsLength,
    run: (caller, args) => run(caller, readArgs(name, args)),
  })

  return {
    capabilities: {
      fetch: capability('fetch', EXECUTION_CAPS.largeAskBytes, async (caller, args) => {
        const hold = holds.of(caller)
        const request = readRequest(args)
        const open = () => openExchange({ caller, request, resolve, gate: gateOf(caller.module), place: places.of(caller.module), count: hold.count })
        return hold.add(args['id'], open).head
      }),
      'fetch.read': capability('fetch.read', 100, async (caller, { id }) => holds.of(caller).find(id).read(caller.hook === BACKGROUND ? PATIENCE_MS : undefined), EXECUTION_CAPS.chunks),
      'fetch.write': capability('fetch.write', EXECUTION_CAPS.largeAskBytes, async (caller, { id, bytes }) => {
        await holds.of(caller).find(id).write(typeof bytes === 'string' ? Buffer.from(bytes, 'base64') : undefined)
        return ''
      }, EXECUTION_CAPS.chunks),
      'fetch.close': capability('fetch.close', 100, async (caller, { id }) => {
        holds.of(caller).get(id)?.close()
        return ''
      }),
    },
    async [Symbol.asyncDispose]() {
      holds.closeAll()
      for (const gate of gates.values()) gate.close()
    },
  }
}
