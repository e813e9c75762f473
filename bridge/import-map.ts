/** One specifier or its beginning, ending in "/", and the address that stands for it; null where that is no address. */
type Entries = readonly (readonly [specifier: string, address: string | null])[]

/** An import map, its keys in the order in which they are tried. JSON, so that it can be given to module code. */
export interface ImportMap {
  readonly imports: Entries
  readonly scopes: readonly (readonly [scope: string, entries: Entries])[]
}

/** What an import map says in JSON. */
export interface ImportMapText {
  imports?: Record<string, unknown>
  scopes?: Record<string, Record<string, unknown>>
}

/**
 * Reads an import map as the HTML standard has it (§ 8.1.6.3).
 *
 * @param base the address of the file that it stands in
 * @example parseImportMap({ imports: { a: './a.ts' } }, 'file:///m/deno.json').imports // [['a', 'file:///m/a.ts']]
 */
export function parseImportMap({ imports = {}, scopes = {} }: ImportMapText, base: string): ImportMap {
  return {
    imports: parseEntries(imports, base),
    scopes: Object.entries(scopes)
      .map(([scope, entries]) => [new URL(scope, base).href, parseEntries(entries, base)] as const)
      .toSorted(longestFirst),
  }
}

/**
 * The address that a specifier means in a file, by the same standard.
 *
 * @param importer the address of the file
 * @throws TypeError for a bare specifier that the map does not have, and where the map forbids it
 * @example resolveSpecifier('./b.ts', 'file:///m/a.ts', { imports: [], scopes: [] }) // 'file:///m/b.ts'
 */
export function resolveSpecifier(specifier: string, importer: string, { imports, scopes }: ImportMap): string {
  const url = addressOf(specifier, importer)
  const normal = url ?? specifier
  const near = scopes.filter(([scope]) => scope === importer || (scope.endsWith('/') && importer.startsWith(scope)))
  for (const entries of [...near.map(([, entries]) => entries), imports]) {
    const found = lookUp(normal, entries)
    if (found !== undefined) return found
  }
  if (url !== undefined) return url
  const isMapped = imports.length + scopes.length > 0
  throw new TypeError(`Import "${specifier}" not a dependency${isMapped ? ' and not in import map' : ''} from "${importer}"`)
}

function lookUp(specifier: string, entries: Entries): string | undefined {
  for (const [key, address] of entries) {
    const isWhole = key === specifier
    if (!isWhole && !(key.endsWith('/') && specifier.startsWith(key))) continue
    if (address === null) throw new TypeError(`"${specifier}" is mapped to what is no address`)
    if (isWhole) return address
    const found = new URL(specifier.slice(key.length), address).href
    if (!found.startsWith(address)) throw new TypeError(`"${specifier}" leads out of what "${key}" is mapped to`)
    return found
  }
  return undefined
}

function parseEntries(entries: Record<string, unknown>, base: string): Entries {
  return Object.entries(entries)
    .filter(([key]) => key !== '')
    .map(([key, value]) => [addressOf(key, base) ?? key, parseAddress(key, value, base)] as const)
    .toSorted(longestFirst)
}

function parseAddress(key: string, value: unknown, base: string): string | null {
  const address = typeof value === 'string' ? addressOf(value, base) : undefined
  return address === undefined || (key.endsWith('/') && !address.endsWith('/')) ? null : address
}

/** The address of a specifier that is one, or a path; undefined for a bare one. */
function addressOf(specifier: string, base: string): string | undefined {
  try {
    return /^\.{0,2}\//.test(specifier) ? new URL(specifier, base).href : new URL(specifier).href
  } catch {
    return undefined
  }
}

/** By code units downwards, so that of two keys of which one begins with the other the longer is tried first. */
function longestFirst([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? 1 : a > b ? -1 : 0
}
