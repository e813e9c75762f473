import type { Capabilities } from './capabilities.ts'
import { connCapabilities } from './conn.host.ts'
import { dnsCapabilities } from './dns.host.ts'
import { fetchCapabilities } from './fetch.host.ts'
import { type NetOptions, openNetwork } from './net-shared.host.ts'
import { socketCapabilities } from './socket.host.ts'

export interface NetCapabilities extends AsyncDisposable {
  readonly capabilities: Capabilities
}

/** Everything that modules do on the network, under the permissions `net:`. */
export function netCapabilities(options: NetOptions = {}): NetCapabilities {
  const network = openNetwork(options)
  const fetch = fetchCapabilities(network)
  return {
    capabilities: { ...fetch.capabilities, ...socketCapabilities(network), ...connCapabilities(network), ...dnsCapabilities(network) },
    async [Symbol.asyncDispose]() {
      network.holds.closeAll()
      fetch.close()
    },
  }
}
