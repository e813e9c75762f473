import type { ImportMap } from '../../bridge/import-map.ts'

/** What `import.meta` is replaced by. */
export const META = '__bulkhead_meta'

/** The text of a module that exports what one file's `import.meta` is. */
export function metaSource(url: string, { isMain, usesResolve, map }: { isMain: boolean; usesResolve: boolean; map: ImportMap }): string {
  const path = url.startsWith('file:') ? decodeURIComponent(new URL(url).pathname) : undefined
  const local = path === undefined ? '' : `, filename: ${JSON.stringify(path)}, dirname: ${JSON.stringify(path.replace(/\/[^/]*$/, '') || '/')}`
  const meta = `{ __proto__: null, url: ${JSON.stringify(url)}, main: ${isMain}${local} }`
  if (!usesResolve) return `export const ${META} = ${meta}`
  return `
    import { resolveSpecifier } from "bulkhead:import-map"
    const map = ${JSON.stringify(map)}
    export const ${META} = ${meta}
    ${META}.resolve = (specifier) => resolveSpecifier(String(specifier), ${META}.url, map)`
}
