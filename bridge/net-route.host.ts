import { Resolver } from 'node:dns/promises'
import type { Caller } from './capabilities.ts'
import { BulkheadError } from './errors.ts'
import { isPublic } from './net-address.host.ts'
import { grantOf, isAddress, type Target } from './net-grant.host.ts'

/** The addresses of a name. @throws anything where it has none */
export type Resolve = (name: string) => Promise<string[]>

/**
 * The addresses that a module may connect to for a target: those of the answer that are public, or, where the target was
 * granted by its own name, the address that is its name, and for `localhost` those of this machine. Whoever connects must
 * connect to one of these and ask no resolver again.
 *
 * @throws CAPABILITY_DENIED, noted as a violation; UNAVAILABLE where the name has no address
 */
export async function routeTo(caller: Caller, target: Target, what: string, resolve: Resolve): Promise<string[]> {
  const deny = (why: string): BulkheadError => {
    const permission = `net:${target.host}:${target.port}`.slice(0, 300)
    caller.violated(permission)
    return new BulkheadError('CAPABILITY_DENIED', `cannot ${what}, ${why}`)
  }
  const grant = grantOf(caller.permissions, target)
  if (!grant) throw deny(`the module has not been granted "net:${target.host}:${target.port}"`)
  if (isAddress(target.host)) {
    const address = target.host.replace(/^\[|\]$/g, '')
    if (grant === 'named' || isPublic(address)) return [address]
    throw deny('its address is reserved and has to be granted by itself')
  }
  if (target.host === 'localhost') {
    if (grant === 'named') return ['127.0.0.1', '::1']
    throw deny('"net:localhost" has to be granted by itself')
  }
  const addresses = await resolve(target.host).catch(() => [])
  if (addresses.length === 0) throw new BulkheadError('UNAVAILABLE', `cannot ${what}, the name has no address`)
  const reachable = addresses.filter(isPublic)
  if (reachable.length > 0) return reachable
  throw deny('its name leads to a reserved address, which has to be granted by itself')
}

const RESOLVE_MS = 3_000

/** Asks each name server twice, for three seconds at first. */
export function openResolver(nameServers?: readonly string[]): Resolver {
  const resolver = new Resolver({ timeout: RESOLVE_MS, tries: 2 })
  if (nameServers) resolver.setServers(nameServers)
  return resolver
}

/** Name servers, those of the system unless others are given, asked without the threads that files and hashes share. */
export function systemResolver(nameServers?: readonly string[]): Resolve {
  const resolver = openResolver(nameServers)
  return async (name) => {
    const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    return found.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  }
}
