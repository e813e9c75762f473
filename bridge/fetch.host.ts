import type { Capabilities } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { type Exchange, openExchange, readRequest } from './fetch-exchange.host.ts'
import { patienceOf } from './net-held.host.ts'
import { type Gate, openGate } from './net-http.host.ts'
import { netCapability, type Network } from './net-shared.host.ts'

/** Gates that are kept for modules which might fetch again. */
const MAX_GATES = 256

/**
 * `fetch` for modules: an exchange is begun by `fetch`, its bodies are passed on piece by piece by `fetch.write` and
 * `fetch.read`, and it ends with its body, by `fetch.close`, or with its execution. The guest numbers its exchanges.
 */
export function fetchCapabilities({ options, resolve, places, holds }: Network): { capabilities: Capabilities; close(): void } {
  const gates = new Map<string, Gate>()
  const held = holds.of<Exchange>('exchange')

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

  return {
    capabilities: {
      fetch: netCapability('fetch', EXECUTION_CAPS.largeAskBytes, EXECUTION_CAPS.calls, async (caller, args) => {
        const hold = held(caller)
        const request = readRequest(args)
        const open = () => openExchange({ caller, request, resolve, gate: gateOf(caller.module), place: places.of(caller.module), count: hold.count })
        return hold.add(args['id'], open).head
      }),
      'fetch.read': netCapability('fetch.read', 100, EXECUTION_CAPS.chunks, async (caller, { id }) => held(caller).find(id).read(patienceOf(caller))),
      'fetch.write': netCapability('fetch.write', EXECUTION_CAPS.largeAskBytes, EXECUTION_CAPS.chunks, async (caller, { id, bytes }) => {
        await held(caller).find(id).write(typeof bytes === 'string' ? Buffer.from(bytes, 'base64') : undefined)
        return ''
      }),
      'fetch.close': netCapability('fetch.close', 100, EXECUTION_CAPS.calls, async (caller, { id }) => {
        held(caller).get(id)?.close()
        return ''
      }),
    },
    close() {
      for (const gate of gates.values()) gate.close()
    },
  }
}
