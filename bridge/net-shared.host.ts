import { type Caller, type Capability, readArgs } from './capabilities.ts'
import { NET_CAPS } from './net-caps.ts'
import { type Holds, openHolds } from './net-held.host.ts'
import { openPlaces, type Places } from './net-places.host.ts'
import { type Resolve, systemResolver } from './net-route.host.ts'
import type { AgentsOptions } from './net-tunnel.host.ts'

export interface NetOptions extends AgentsOptions {
  /** Who is asked for the addresses of a name: the name servers unless given. */
  resolve?: Resolve
  /** Name servers, `127.0.0.1:53`, instead of those of the system. */
  nameServers?: readonly string[]
}

/** What all that modules do on the network has in common, so that a limit is one limit, whichever way a module goes. */
export interface Network {
  readonly options: NetOptions
  readonly resolve: Resolve
  readonly places: Places
  readonly holds: Holds
}

export function openNetwork(options: NetOptions): Network {
  return { options, resolve: options.resolve ?? systemResolver(options.nameServers), places: openPlaces(NET_CAPS.open), holds: openHolds() }
}

/** A capability whose permission depends on its arguments, which it checks by itself. */
export function netCapability(name: string, argsLength: number, perExecution: number, run: (caller: Caller, args: Record<string, unknown>) => Promise<string>): Capability {
  return { argsLength, perExecution, run: (caller, args) => run(caller, readArgs(name, args)) }
}
