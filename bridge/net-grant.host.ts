import { isPublic } from './net-address.host.ts'

/** What `net:` in a manifest names: a host, every host below a name, or every host; and one port, or any. */
interface NetGrant {
  host: string
  /** Any port where there is none, as for `deno run --allow-net=HOST`. */
  port: number | undefined
}

/** A host as grants and requests are compared by: in lower case, without the dot of the root, IPv6 in brackets. */
export interface Target {
  host: string
  port: number
}

const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[^:[\]/@?#\\%]+)(?::(\d{1,5}))?$/

/**
 * What is wrong with the argument of a `net:` permission; undefined where nothing is. Each host has one spelling, so
 * that a grant is one string for whoever grants, revokes or counts it.
 *
 * @example netGrantProblem('API.example.org') // 'is written "net:api.example.org"'
 */
export function netGrantProblem(argument: string): string | undefined {
  const match = HOST_PORT.exec(argument)
  const [, host = '', port] = match ?? []
  if (!match) return 'names no host, as in "net:api.example.org", "net:*.example.org" or "net:[2001:db8::1]:8080"'
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return 'has a port that is not from 1 to 65535'
  const isBelow = host.startsWith('*.')
  const canonical = host === '*' ? '*' : canonicalHost(isBelow ? host.slice(2) : host)
  if (canonical === undefined) return 'names no host, as in "net:api.example.org"'
  if (isBelow && (isAddress(canonical) || !canonical.includes('.'))) return 'has a wildcard above a name that is too short, as in "net:*.example.org"'
  const written = `${isBelow ? '*.' : ''}${canonical}${port === undefined ? '' : `:${Number(port)}`}`
  return written === argument ? undefined : `is written "net:${written}"`
}

/** A host in the one spelling that grants have; undefined where it is none. Octal, hexadecimal and short addresses are read as a URL's. */
export function canonicalHost(host: string): string | undefined {
  const parsed = URL.parse(`http://${host}/`)
  if (!parsed || parsed.port !== '' || parsed.username !== '' || parsed.pathname !== '/') return undefined
  return withoutRoot(parsed.hostname) || undefined
}

/** Where a URL leads. */
export function targetOf(url: URL): Target {
  const standard = url.protocol === 'https:' || url.protocol === 'wss:' ? 443 : 80
  return { host: withoutRoot(url.hostname), port: url.port === '' ? standard : Number(url.port) }
}

/**
 * How a target was granted: by its own name, which is then also the word on its address, by a wildcard, or not. Without a
 * port, whether any port of it was.
 */
export function grantOf(permissions: Iterable<string>, target: { host: string; port?: number }): 'named' | 'wildcard' | undefined {
  let found: 'wildcard' | undefined
  for (const permission of permissions) {
    if (!permission.startsWith('net:')) continue
    const { host, port } = readGrant(permission.slice('net:'.length))
    if (port !== undefined && target.port !== undefined && port !== target.port) continue
    if (host === target.host) return 'named'
    if (host === '*' || (host.startsWith('*.') && target.host.endsWith(host.slice(1)))) found = 'wildcard'
  }
  return found
}

/** Whether a permission opens what is not the public network: only an operator may say so, never a manifest by itself. */
export function reachesInside(permission: string): boolean {
  if (!permission.startsWith('net:')) return false
  const { host } = readGrant(permission.slice('net:'.length))
  return host === 'localhost' || (isAddress(host) && !isPublic(host.replace(/^\[|\]$/g, '')))
}

function readGrant(argument: string): NetGrant {
  const [, host = '', port] = HOST_PORT.exec(argument) ?? []
  return { host, port: port === undefined ? undefined : Number(port) }
}

function withoutRoot(hostname: string): string {
  return hostname.endsWith('.') ? hostname.slice(0, -1) : hostname
}

/** Whether a canonical host is an address and no name. */
export function isAddress(host: string): boolean {
  return host.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(host)
}
