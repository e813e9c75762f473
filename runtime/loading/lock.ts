/** What a module's imports from elsewhere were found to be: the fifth form of deno.lock, as far as it says that. */
export interface Lock {
  version: '5'
  /** The version of each request, such as `npm:zod@^3` → `3.25.0`. */
  specifiers: Record<string, string>
  jsr: Record<string, { integrity: string }>
  npm: Record<string, LockedPackage>
  redirects: Record<string, string>
  /** SHA-256 in hexadecimal, by address. */
  remote: Record<string, string>
}

export interface LockedPackage {
  integrity?: string
  /** `name`, `name@version` or `alias@npm:name@version`. */
  dependencies?: string[]
}

export function emptyLock(): Lock {
  return { version: '5', specifiers: {}, jsr: {}, npm: {}, redirects: {}, remote: {} }
}

/** What the first says, and of the second what the first does not. */
export function mergeLocks(first: Lock, second: Lock = emptyLock()): Lock {
  return {
    version: '5',
    specifiers: { ...second.specifiers, ...first.specifiers },
    jsr: { ...second.jsr, ...first.jsr },
    npm: { ...second.npm, ...first.npm },
    redirects: { ...second.redirects, ...first.redirects },
    remote: { ...second.remote, ...first.remote },
  }
}

/** How many entries one part of a lock, or one list in it, may have: it is searched again and again. */
export const MAX_LOCK_ENTRIES = 5000

/**
 * Reads deno.lock of the forms 4 and 5.
 *
 * @throws Error for what is none
 */
export function parseLock(text: string): Lock {
  const json = JSON.parse(text) as Record<string, unknown>
  const { version } = json
  if (version !== '4' && version !== '5') throw new Error(`it has the form ${JSON.stringify(version)}, and 4 and 5 are known`)
  const part = <Value>(key: string, isValue: (value: unknown) => boolean): Record<string, Value> => {
    const found = json[key] ?? {}
    if (typeof found !== 'object' || found === null) throw new Error(`"${key}" is no object`)
    if (Object.keys(found).length > MAX_LOCK_ENTRIES) throw new Error(`"${key}" has more than ${MAX_LOCK_ENTRIES} entries`)
    for (const [name, value] of Object.entries(found)) if (!isValue(value)) throw new Error(`"${key}" of ${JSON.stringify(name)} makes no sense`)
    return Object.assign(Object.create(null), found) as Record<string, Value>
  }
  const isText = (value: unknown) => typeof value === 'string'
  const isPackage = (value: unknown) => {
    const { integrity = '', dependencies = [] } = (value ?? {}) as LockedPackage
    return typeof value === 'object' && isText(integrity) && Array.isArray(dependencies) && dependencies.length <= MAX_LOCK_ENTRIES && dependencies.every(isText)
  }
  return {
    version: '5',
    specifiers: part('specifiers', isText),
    jsr: part('jsr', isPackage),
    npm: part('npm', isPackage),
    redirects: part('redirects', isText),
    remote: part('remote', isText),
  }
}

/** @example splitId('react-dom@18.2.0_react@18.2.0') // ['react-dom', '18.2.0'] */
export function splitId(id: string): [name: string, version: string] {
  const at = id.indexOf('@', 1)
  return at < 0 ? [id, ''] : [id.slice(0, at), id.slice(at + 1).replace(/_.*$/, '')]
}

/** The version that a lock gives a package for one of its dependencies. */
export function lockedDependency(lock: Lock, id: string, dependency: string): string | undefined {
  const entry = entryOf(lock, id)
  for (const written of entry?.dependencies ?? []) {
    const [name, version] = splitId(written)
    if (name !== dependency) continue
    if (version.startsWith('npm:')) return splitId(version.slice('npm:'.length))[1]
    if (version !== '') return version
    const only = Object.keys(lock.npm).find((key) => splitId(key)[0] === name)
    return only && splitId(only)[1]
  }
  return undefined
}

/** What a lock says of a package, whatever peers it has there. */
export function entryOf(lock: Lock, id: string): LockedPackage | undefined {
  if (lock.npm[id]) return lock.npm[id]
  const key = Object.keys(lock.npm).find((candidate) => candidate.startsWith(`${id}_`))
  return key === undefined ? undefined : lock.npm[key]
}
