import { posix } from 'node:path'
import { init, parse } from 'es-module-lexer'
import { exports as exportsOf, imports as importsOf } from 'resolve.exports'
import { type Allowance, decodeText, openKeptFiles, SourceError, type Sources } from '../sources.ts'

/** One package's files, read as Node does. Its package.json and its files were written by strangers. */
export interface PackageFiles {
  readonly name: string
  /** Whether none of its files does anything but define what it exports. */
  isPure(path: string): boolean
  /** The file that a subpath means, `.` or `./…`. @throws SourceError where it has none */
  entry(subpath: string, isRequire: boolean): Promise<string>
  /** What `#name` stands for: a path in the package, `./…`, or another specifier. @throws SourceError */
  ownImport(specifier: string, isRequire: boolean): string
  /** The file that a path within the package means; endings and `index.js` may be left out. @throws SourceError */
  file(path: string): Promise<string>
  read(path: string): Promise<Buffer>
  /** Whether a file is CommonJS. */
  isCommonJs(path: string): Promise<boolean>
  /** Whether a file of JavaScript is a module even where its text does not show it. */
  isModule(path: string): boolean
  /** What package.json puts in the place of a module that browsers lack: another specifier, or nothing. */
  browserStandIn(specifier: string): string | false | undefined
}

interface PackageJson {
  name?: unknown
  main?: unknown
  type?: unknown
  exports?: unknown
  imports?: unknown
  browser?: unknown
  sideEffects?: unknown
}

// Of what a package has for several platforms, that for Deno; else that for what is without Node: most of what is
// written for it alone could not work here. That is what is asked for last.
const FOR_DENO = ['deno', 'worker', 'production']
const FOR_PAGES = ['worker', 'browser', 'production']
const FOR_NODE = ['deno', 'worker', 'node', 'production']
const ENDINGS = ['', '.js', '.mjs', '.cjs', '.json', '.ts']

await init()

export async function openPackageFiles(id: string, folder: string, allowance: Allowance): Promise<PackageFiles> {
  const sources = await openKeptFiles(folder, allowance)
  const json = await readPackageJson(id, sources)
  const name = typeof json.name === 'string' ? json.name : id
  const formats = new Map<string, Promise<boolean>>()

  async function probe(path: string): Promise<string | undefined> {
    for (const ending of ENDINGS) {
      if (await sources.hasFile(path + ending)) return path + ending
    }
    if (!(await sources.has(path))) return undefined
    const inner = (await sources.hasFile(posix.join(path, 'package.json'))) ? await readPackageJson(id, sources, path) : {}
    if (typeof inner.main === 'string' && path !== '.') {
      const main = posix.join(path, inner.main)
      if (main !== path && (await sources.hasFile(main))) return main
    }
    for (const index of ['index.js', 'index.mjs', 'index.cjs', 'index.json']) {
      if (await sources.hasFile(posix.join(path, index))) return posix.join(path, index)
    }
    return undefined
  }

  async function file(path: string): Promise<string> {
    const normal = posix.normalize(path)
    if (normal.startsWith('..')) throw new SourceError(`"${path}" leads out of ${id}`)
    const found = await probe(normal.replace(/\/$/, '') || '.')
    if (found === undefined) throw new SourceError(`${id} has no file "${normal}"`)
    return found
  }

  function conditional<Found>(from: unknown, ask: (conditions: string[]) => Found, isRequire: boolean): Found | undefined {
    const sets = JSON.stringify(from ?? null).includes('"deno":') ? [FOR_DENO, FOR_PAGES, FOR_NODE] : [FOR_PAGES, FOR_NODE]
    for (const conditions of sets) {
      try {
        const found = ask([...conditions, isRequire ? 'require' : 'import'])
        if (found !== undefined) return found
      } catch {}
    }
    return undefined
  }

  async function entry(subpath: string, isRequire: boolean): Promise<string> {
    if (json.exports !== undefined && json.exports !== null) {
      const found = conditional(partOf(json.exports, subpath), (conditions) => exportsOf(json as Parameters<typeof exportsOf>[0], subpath, { conditions, unsafe: true }), isRequire)
      const [first] = [...(found ?? [])]
      if (first === undefined) throw new SourceError(`${id} does not export "${subpath}"${listed(json.exports)}`)
      return file(first)
    }
    if (subpath !== '.') return file(subpath)
    if (typeof json.main === 'string') {
      const main = await probe(posix.normalize(json.main).replace(/\/$/, ''))
      if (main !== undefined && !posix.normalize(main).startsWith('..')) return main
    }
    const index = await probe('.')
    if (index === undefined) throw new SourceError(`${id} has no code to import, its package.json names none`)
    return index
  }

  async function detectCommonJs(path: string): Promise<boolean> {
    const ending = posix.extname(path)
    if (ending === '.cjs') return true
    if (ending !== '.js' || isModule(path)) return false
    try {
      const [, , , hasModuleSyntax] = parse(decodeText(path, await sources.read(path)))
      return !hasModuleSyntax
    } catch {
      return true // esbuild will say what is wrong with it
    }
  }

  const isModule = (path: string) => /\.m[jt]s$/.test(path) || (json.type === 'module' && /\.[jt]sx?$/.test(path))

  return {
    name,
    entry,
    file,
    isModule,
    isPure: (path) => isPure(json.sideEffects, path),
    ownImport(specifier, isRequire) {
      const found = conditional(json.imports, (conditions) => importsOf(json as Parameters<typeof importsOf>[0], specifier, { conditions, unsafe: true }), isRequire)
      const [first] = [...(found ?? [])]
      if (first === undefined) throw new SourceError(`${id} has no import "${specifier}"`)
      return first
    },
    read: (path) => sources.read(path),
    isCommonJs(path) {
      const known = formats.get(path) ?? detectCommonJs(path)
      formats.set(path, known)
      return known
    },
    browserStandIn(specifier) {
      const { browser } = json
      if (typeof browser !== 'object' || browser === null) return undefined
      const found = (browser as Record<string, unknown>)[specifier]
      return typeof found === 'string' || found === false ? found : undefined
    },
  }
}

async function readPackageJson(id: string, sources: Sources, folder = '.'): Promise<PackageJson> {
  const path = posix.join(folder, 'package.json')
  const text = decodeText(path, await sources.read(path))
  try {
    const json: unknown = JSON.parse(text.replace(/^\uFEFF/, ''))
    if (typeof json === 'object' && json !== null) return json
  } catch {}
  throw new SourceError(`the ${path} of ${id} is no JSON object`)
}

/** By `sideEffects` of package.json: a boolean, or patterns of the files that have some. */
function isPure(sideEffects: unknown, path: string): boolean {
  if (sideEffects === false) return true
  if (!Array.isArray(sideEffects) || sideEffects.length > 100) return false
  return !sideEffects.some((pattern) => {
    if (typeof pattern !== 'string') return true
    const normal = pattern.replace(/^\.\//, '')
    return posix.matchesGlob(path, normal.includes('/') ? normal : `**/${normal}`)
  })
}

/** What concerns a subpath, where it has a key of its own. */
function partOf(exports: unknown, subpath: string): unknown {
  const all = typeof exports === 'object' && exports !== null ? (exports as Record<string, unknown>) : {}
  return Object.hasOwn(all, subpath) ? all[subpath] : exports
}

function listed(exports: unknown): string {
  const keys = typeof exports === 'object' && exports !== null ? Object.keys(exports).filter((key) => key.startsWith('.')) : []
  return keys.length === 0 ? '' : `, it exports ${keys.slice(0, 8).join(', ')}${keys.length > 8 ? ', …' : ''}`
}
