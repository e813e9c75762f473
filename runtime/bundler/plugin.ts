import { posix } from 'node:path'
import type { Loader, OnLoadResult, OnResolveArgs, OnResolveResult, PartialMessage, Plugin } from 'esbuild'
import { sha256 } from '../artifacts.ts'
import { decodeText, SourceError } from '../sources.ts'
import { type Harness, HARNESSES } from './harnesses.ts'
import { META, metaSource } from './import-meta.ts'
import { mediaOfData } from './media.ts'
import type { Media, Pins } from './pins.ts'
import { type Places, type Realm, splitInput, splitPackagePath } from './places.ts'
import { type Ask, NeedError, type Target } from './resolve.ts'
import type { Settings } from './settings.ts'
import { wasmSource } from './wasm-import.ts'

export const ENTRY = 'bulkhead:entry'
export const HARNESS = 'bulkhead:harness'
const IMPORT_MAP = 'bulkhead:import-map'
const META_PREFIX = 'bulkhead:meta/'
/** Globals of Node that a bundle gets where it names them: each a file of `bridge/node/` that exports them. */
export const GLOBALS: Readonly<Record<string, string>> = { process: 'process', Buffer: 'buffer', setImmediate: 'immediate', clearImmediate: 'immediate' }
const GLOBAL_PREFIX = 'bulkhead:global/'
const NAMED_GLOBAL = /\b(process|Buffer|setImmediate|clearImmediate)\b/g
const NOT_LITERAL = 'import() needs a path that is written out, so that the file can be bundled'
// An override of the author's source maps, which could say anything.
const NO_MAP = '//# sourceMappingURL=none'

export const LOADERS: Readonly<Record<string, Loader>> = {
  '.ts': 'ts', '.mts': 'ts', '.cts': 'ts', '.tsx': 'tsx',
  '.js': 'js', '.mjs': 'js', '.cjs': 'js', '.jsx': 'jsx',
  '.json': 'json',
}
const OF_MEDIA: Readonly<Record<Media, string>> = { ts: '.ts', tsx: '.tsx', js: '.js', jsx: '.jsx', json: '.json', wasm: '.wasm', other: '' }

/** What one pass has read and found out. */
export interface Reading {
  /** The text as it was written, by realm and path. */
  texts: Map<string, string>
  /** The SHA-256 of what was read of the folders that can change. */
  digests: Record<string, string>
  /** Who was the first to import each file, and how it named it. */
  importers: Map<string, { importer: string; specifier: string }>
  /** Names of Node's globals that stand in some file. */
  globals: Set<string>
}

export interface PluginOptions {
  entry: string
  root: string
  harness: Harness | undefined
  settings: Settings
  pins: Pins
  places: Places
  resolve: (ask: Ask) => Promise<Target>
  reading: Reading
}

/**
 * Resolves and reads everything in esbuild's place, so that esbuild itself never touches the disk: there is no
 * node_modules, package.json or tsconfig.json for it to find, and no path of the host for it to tell.
 */
export function modulePlugin(options: PluginOptions): Plugin {
  const { entry, harness, reading } = options
  return {
    name: 'bulkhead',
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /.*/ }, (args) =>
        told(async () => {
          const { path, namespace } = args
          if (path === ENTRY) return { namespace: 'module', path: entry }
          if (path === HARNESS && harness) return { namespace: 'bridge', path: HARNESSES[harness] }
          if (path === IMPORT_MAP) return { namespace: 'bridge', path: 'import-map.ts' }
          if (path.startsWith(META_PREFIX)) return { namespace: 'meta', path: path.slice(META_PREFIX.length) }
          if (path.startsWith(GLOBAL_PREFIX)) return { namespace: 'bridge', path: `node/global-${path.slice(GLOBAL_PREFIX.length)}.guest.ts`, sideEffects: false }
          // The wrapper of a CommonJS file names that file.
          if (namespace === 'cjs') return targetOf(...splitInput(path))
          return importOf(args, options)
        }),
      )
      onLoad({ filter: /.*/, namespace: 'meta' }, ({ path: input }) => ({ contents: metaOf(input, options) }))
      onLoad({ filter: /.*/, namespace: 'cjs' }, ({ path: input }) => ({ contents: interopSource(input) }))
      onLoad({ filter: /.*/, namespace: 'absent' }, ({ path }) => ({ contents: absentSource(path) }))
      onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {}' }))
      onLoad({ filter: /.*/ }, ({ path, namespace, with: { type } }) =>
        told(async () => {
          // In another is what esbuild found on the disk by itself. It cannot; if it could, nobody would learn of it.
          if (!isRealm(namespace)) throw new SourceError(NOT_LITERAL)
          const content = await options.places.read(namespace, path)
          reading.digests[`${namespace}:${path}`] = sha256(content)
          return contentOf(namespace, path, content, type, options)
        }),
      )
    },
  }
}

const REALMS: readonly string[] = ['module', 'npm', 'remote', 'data', 'sdk', 'bridge', 'lib'] satisfies Realm[]

function isRealm(namespace: string): namespace is Realm {
  return REALMS.includes(namespace)
}

function targetOf(namespace: string, path: string, pure = false): OnResolveResult {
  return { namespace, path, ...(pure && { sideEffects: false }) }
}

async function importOf({ path: specifier, importer, namespace, kind, with: attributes }: OnResolveArgs, options: PluginOptions): Promise<OnResolveResult> {
  const from = { realm: isRealm(namespace) ? namespace : ('module' as const), path: importer }
  const isRequire = kind === 'require-call' || kind === 'require-resolve'
  const mayRequire = from.realm === 'npm' || from.realm === 'lib' || /\.c[jt]s$/.test(importer)
  if (isRequire && !mayRequire) throw new SourceError('require() is not available in a module, use import')
  if (kind === 'require-resolve') return { external: true }
  if (!isRequire && kind !== 'import-statement' && kind !== 'dynamic-import') throw new SourceError('it is no import of a module')
  const isLate = (isRequire || kind === 'dynamic-import') && (from.realm === 'npm' || from.realm === 'lib')
  const target = await options.resolve({ specifier, from, isRequire, isLate, type: attributes['type'], isTest: options.harness === 'test' })
  const input = `${target.realm}:${target.path}`
  if (!options.reading.importers.has(input)) options.reading.importers.set(input, { importer: `${from.realm}:${importer}`, specifier })
  // As in Node, a module that imports CommonJS gets all of `module.exports` as the default.
  const isWrapped = !isRequire && attributes['type'] === undefined && (await isCommonJs(target, options))
  return isWrapped ? targetOf('cjs', input, target.pure) : targetOf(target.realm, target.path, target.pure)
}

async function isCommonJs({ realm, path }: Target, { places }: PluginOptions): Promise<boolean> {
  if (realm === 'module') return /\.c[jt]s$/.test(path)
  if (realm !== 'npm' && realm !== 'lib') return false
  const [id, file] = splitPackagePath(path)
  return (await places.package(realm, id)).isCommonJs(file)
}

function interopSource(input: string): string {
  const file = JSON.stringify(input)
  return `export * from ${file}\nexport default require(${file})`
}

function absentSource(why: string): string {
  return `throw Object.assign(new Error(${JSON.stringify(`cannot load ${why}`)}), { code: 'MODULE_NOT_FOUND' })\nmodule.exports = {}`
}

async function contentOf(realm: Realm, path: string, content: Buffer, type: string | undefined, options: PluginOptions): Promise<OnLoadResult> {
  if (type === 'bytes') return { contents: content, loader: 'binary' }
  const input = `${realm}:${path}`
  if (type === 'text') return { contents: decodeText(path, content), loader: 'text' }
  const ending = endingOf(realm, path, options)
  if (ending === '.wasm') return { contents: wasmSource(path, new Uint8Array(content)), loader: 'js' }
  const loader = LOADERS[ending]
  if (!loader) throw new SourceError(`"${path}" cannot be imported, it is none of ${Object.keys(LOADERS).join(', ')}, .wasm; with { type: "text" } or "bytes" it can`)
  const text = decodeText(path, content)
  options.reading.texts.set(input, text)
  if (type === 'json' && loader !== 'json') throw new SourceError(`"${path}" is no JSON`)
  if (loader === 'json') return { contents: text, loader }
  for (const [name] of realm === 'sdk' ? [] : text.matchAll(NAMED_GLOBAL)) options.reading.globals.add(name)
  return { contents: await sourceOf(realm, path, text, options), loader }
}

function endingOf(realm: Realm, path: string, { pins }: PluginOptions): string {
  if (realm === 'data') return OF_MEDIA[mediaOfData(path)]
  const pin = realm === 'remote' ? pins.remote[path] : undefined
  return pin && 'media' in pin ? OF_MEDIA[pin.media] : posix.extname(path)
}

// A path that is put together when it is needed: esbuild would look for files that it might mean, on the disk.
const MADE_UP = /\b(require|import)(\s*\(\s*)(?=`[^`]*\$\{|(?:'[^'\n]*'|"[^"\n]*")\s*\+)/g
const LATER = '(async (path) => { throw new TypeError(`cannot import ${path}, it was not named when the module was installed`) })'

/** A package's text in which such a path fails when it is reached, and not before. */
function withoutMadeUpPaths(text: string): string {
  return text.replace(MADE_UP, (_, word: string, open: string) => (word === 'require' ? `(0, require)${open}` : LATER + open))
}

/** The text with what its surroundings give it. Added lines stand at the end, so that no position moves. */
async function sourceOf(realm: Realm, path: string, written: string, { places }: PluginOptions): Promise<string> {
  const text = realm === 'npm' ? withoutMadeUpPaths(written) : written
  if (realm === 'npm' || realm === 'lib') {
    const [id, file] = splitPackagePath(path)
    const files = await places.package(realm, id)
    if (await files.isCommonJs(file)) return placedNames(id, file, realm === 'lib' ? unlowered(text) : text)
    if (!files.isModule(file)) return `${text}\n${metaImport(realm, path, text)}${NO_MAP}`
  } else if (/\.c[jt]s$/.test(path)) return `${text}\n${NO_MAP}`
  // As in Deno, who names where JSX comes from means the runtime that imports it.
  const jsx = /@jsxImportSource\s/.test(text) && !/@jsxRuntime\s/.test(text) ? '/** @jsxRuntime automatic */\n' : ''
  // Every file is a module, as in Deno. Imports are hoisted: at the end they serve the whole file.
  return `${text}\n${metaImport(realm, path, text)}export {}\n${jsx}${NO_MAP}`
}

/** Keeps functions of ours by which their kind is told from being lowered to another one: see lower-awaits.ts. */
function unlowered(text: string): string {
  return text.replace(/\(\(?async function\*?\(\)\{\}\)?\)/g, (kind) => `((0, eval)(${JSON.stringify(kind)}))`)
}

function metaImport(realm: Realm, path: string, text: string): string {
  if (realm === 'sdk' || realm === 'bridge' || !/\bmeta\b/.test(text)) return ''
  return `import { ${META} } from ${JSON.stringify(`${META_PREFIX}${realm}:${path}`)}\n`
}

/** `__filename` and `__dirname`, where a file uses them and does not define them itself. */
function placedNames(id: string, file: string, text: string): string {
  const isDefined = /\b(const|let|class|function)\s+__(file|dir)name\b/.test(text)
  if (isDefined || !/\b__(file|dir)name\b/.test(text)) return `${text}\n${NO_MAP}`
  const path = packagePath(id, file)
  const names = `var __filename = ${JSON.stringify(path)}, __dirname = ${JSON.stringify(posix.dirname(path))};`
  return `${names} ${text.replace(/^#!.*/, '')}\n${NO_MAP}`
}

function packagePath(id: string, file: string): string {
  return `/node_modules/${id.replace(/(?<=.)@[^/]*$/, '')}/${file}`
}

function metaOf(input: string, { root, entry, settings, reading }: PluginOptions): string {
  const [realm, path] = splitInput(input)
  const url =
    realm === 'module' ? root + path.split('/').map(encodeURIComponent).join('/')
    : realm === 'npm' || realm === 'lib' ? `file://${packagePath(...splitPackagePath(path))}`
    : path
  const usesResolve = /\bresolve\b/.test(reading.texts.get(input) ?? '')
  return metaSource(url, { isMain: realm === 'module' && path === entry, usesResolve, map: settings.map })
}

/** The refusals of a callback, as a plugin tells them. */
async function told<Result extends object>(callback: () => Promise<Result>): Promise<Result | { errors: PartialMessage[] }> {
  try {
    return await callback()
  } catch (thrown) {
    if (thrown instanceof NeedError) return { errors: [{ text: thrown.message, detail: { need: thrown.need } }] }
    return { errors: [{ text: thrown instanceof SourceError ? thrown.message : 'the file cannot be read' }] }
  }
}
