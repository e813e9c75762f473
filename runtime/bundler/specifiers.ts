/** A package that is asked for by an `npm:` or `jsr:` specifier. */
export interface PackageRequest {
  kind: 'npm' | 'jsr'
  name: string
  /** A version, range or tag; `*` where none is written. */
  range: string
  /** What of it is meant: `.` or `./…`. */
  subpath: string
}

const FORM = /^(npm|jsr):\/?((?:@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*)(?:@([^/]*))?(\/.*)?$/i

/**
 * @returns undefined for what is no such specifier
 * @example parsePackageSpecifier('npm:preact@^10/hooks') // { kind: 'npm', name: 'preact', range: '^10', subpath: './hooks' }
 */
export function parsePackageSpecifier(specifier: string): PackageRequest | undefined {
  const [, kind, name, range, path = ''] = FORM.exec(specifier) ?? []
  if (kind === undefined || name === undefined || (kind === 'jsr' && !name.startsWith('@'))) return undefined
  return { kind: kind as 'npm' | 'jsr', name, range: decoded(range) || '*', subpath: path.length > 1 ? `.${path}` : '.' }
}

/** A request without its subpath, as a lock has it. @example 'npm:preact@^10' */
export function requestKey({ kind, name, range }: Omit<PackageRequest, 'subpath'>): string {
  return `${kind}:${name}@${range}`
}

/** @example splitBare('@a/b/c.js') // ['@a/b', './c.js'] */
export function splitBare(specifier: string): [name: string, subpath: string] {
  const parts = specifier.split('/')
  const count = specifier.startsWith('@') ? 2 : 1
  const rest = parts.slice(count).join('/')
  return [parts.slice(0, count).join('/'), rest === '' ? '.' : `./${rest}`]
}

function decoded(range = ''): string {
  try {
    return decodeURIComponent(range).trim()
  } catch {
    return range
  }
}
