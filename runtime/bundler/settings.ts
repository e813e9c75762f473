import { posix } from 'node:path'
import { parseTree, findNodeAtLocation, getNodeValue, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser'
import type { BuildOptions } from 'esbuild'
import { type ImportMap, parseImportMap } from '../../bridge/import-map.ts'
import { didYouMean } from '../nearest.ts'
import { PlacedError, placeAt } from './faults.ts'
import { parsePackageSpecifier } from './specifiers.ts'

/** How a module's folder wants its files to be read. */
export interface Settings {
  map: ImportMap
  /** What package.json lets be imported by a bare name: the specifier that each name means. */
  dependencies: Record<string, string>
  hasPackageJson: boolean
  /** Whether endings of paths may be left out, as with `"unstable": ["sloppy-imports"]`. */
  sloppy: boolean
  /** esbuild's. */
  compiler: Pick<BuildOptions, 'jsx' | 'jsxDev' | 'jsxFactory' | 'jsxFragment' | 'jsxImportSource' | 'tsconfigRaw'>
  /** Where the lock is; undefined where the author does not want one. */
  lock: string | undefined
  /** Whether nothing may be fetched that the lock does not have. */
  frozen: boolean
}

/** Files, relative to the module's folder. */
export interface NamedSettings {
  /** In the place of deno.json. */
  config?: string
  /** In the place of the imports that deno.json has. */
  importMap?: string
}

/** What a file of settings is read with; undefined where there is no such file. */
export type ReadText = (path: string) => Promise<string | undefined>

type Json = Record<string, unknown>

const CONFIGS = ['deno.json', 'deno.jsonc']
/** Keys of deno.json that decide how files are read. */
const HEEDED = ['imports', 'scopes', 'importMap', 'compilerOptions', 'unstable', 'lock']
/** Those that are for other tools. */
const OTHERS = [
  '$schema', 'name', 'version', 'exports', 'license', 'tasks', 'fmt', 'lint', 'test', 'bench', 'publish', 'exclude', 'include', 'nodeModulesDir',
  'vendor', 'workspace', 'workspaces', 'links', 'patch', 'deploy', 'compile', 'permissions', 'allowScripts', 'minimumDependencyAge', 'catalog', 'catalogs', 'description', 'author',
]

/**
 * Reads deno.json or deno.jsonc, the import map that it names, and the dependencies of package.json.
 *
 * @param root the address of the folder, with `/` at the end
 * @param named what somebody wants to be read in the place of what lies there
 * @throws PlacedError at what cannot be meant
 */
export async function readSettings(read: ReadText, root: string, named: NamedSettings = {}): Promise<Settings> {
  const candidates = named.config === undefined ? CONFIGS : [posix.normalize(named.config)]
  const [config = EMPTY] = (await Promise.all(candidates.map((path) => readJson(read, path)))).filter((file) => file !== undefined)
  if (named.config !== undefined && config === EMPTY) throw new PlacedError({ text: `there is no "${candidates[0]}" in the folder` })
  for (const key of Object.keys(config.value)) {
    const meant = HEEDED.includes(key) || OTHERS.includes(key) ? '' : didYouMean(key, HEEDED)
    if (meant) throw config.fault([key], `"${key}" is not known${meant}`)
  }
  const { unstable, lock } = config.value as { unstable?: unknown; lock?: unknown }
  const lockObject = (isObject(lock) ? lock : {}) as { path?: unknown; frozen?: unknown }
  const lockPath = typeof lock === 'string' ? lock : typeof lockObject.path === 'string' ? lockObject.path : 'deno.lock'
  const packageJson = await readJson(read, 'package.json')
  return {
    map: await readMap(read, config, root, named.importMap),
    dependencies: packageJson ? dependenciesOf(packageJson.value) : {},
    hasPackageJson: packageJson !== undefined,
    sloppy: Array.isArray(unstable) && unstable.includes('sloppy-imports'),
    compiler: compilerOf(config),
    lock: lock === false ? undefined : posix.normalize(lockPath),
    frozen: lockObject.frozen === true,
  }
}

interface JsonFile {
  path: string
  value: Json
  fault(keys: readonly string[], text: string): PlacedError
}

const EMPTY: JsonFile = { path: 'deno.json', value: {}, fault: (_, text) => new PlacedError({ text }) }

async function readJson(read: ReadText, path: string): Promise<JsonFile | undefined> {
  const text = (await read(path))?.replace(/^\uFEFF/, '')
  if (text === undefined) return undefined
  const errors: ParseError[] = []
  const tree = parseTree(text, errors, { allowTrailingComma: true })
  const [error] = errors
  if (error) throw new PlacedError({ text: `it is no JSON: ${printParseErrorCode(error.error)}`, ...placeAt(path, text, error.offset) })
  const fault: JsonFile['fault'] = (keys, message) => {
    const node = tree && findNodeAtLocation(tree, [...keys])
    return new PlacedError({ text: message, ...placeAt(path, text, (node?.parent ?? node ?? tree)?.offset ?? 0) })
  }
  if (tree?.type !== 'object') throw fault([], 'it is no JSON object')
  return { path, value: getNodeValue(tree as Node) as Json, fault }
}

async function readMap(read: ReadText, config: JsonFile, root: string, named: string | undefined): Promise<ImportMap> {
  const { imports, scopes, importMap = named } = named === undefined ? config.value : {}
  const isOwn = imports !== undefined || scopes !== undefined
  if (isOwn || importMap === undefined) return mapOf(config, root, expanded)
  if (typeof importMap !== 'string' || /^\w+:/.test(importMap)) throw config.fault(['importMap'], '"importMap" is not the path of a file in the folder')
  const path = posix.normalize(importMap)
  const file = path.startsWith('..') ? undefined : await readJson(read, path)
  if (!file) throw config.fault(['importMap'], `there is no import map at "${path}"`)
  return mapOf(file, root, (entries) => entries)
}

function mapOf(file: JsonFile, root: string, expand: (entries: Json) => Json): ImportMap {
  const { imports = {}, scopes = {} } = file.value
  if (!isObject(imports)) throw file.fault(['imports'], '"imports" is no object of specifiers and what they stand for')
  if (!isObject(scopes)) throw file.fault(['scopes'], '"scopes" is no object of paths and their imports')
  for (const [scope, entries] of Object.entries(scopes)) {
    if (!isObject(entries)) throw file.fault(['scopes', scope], `the scope "${scope}" is no object of specifiers and what they stand for`)
  }
  const scoped = Object.entries(scopes).map(([scope, entries]) => [scope, expand(entries as Json)])
  return parseImportMap({ imports: expand(imports), scopes: Object.fromEntries(scoped) }, new URL(file.path, root).href)
}

/** With each package, what is in it: `"preact": "npm:preact@10"` is for `preact/hooks` too. */
function expanded(entries: Json): Json {
  const more = Object.entries(entries).flatMap(([key, value]) => {
    const request = typeof value === 'string' && !key.endsWith('/') ? parsePackageSpecifier(value) : undefined
    if (!request || `${key}/` in entries || request.subpath !== '.') return []
    return [[`${key}/`, `${request.kind}:/${request.name}${request.range === '*' ? '' : `@${request.range}`}/`]]
  })
  return { ...entries, ...Object.fromEntries(more) }
}

function compilerOf(config: JsonFile): Settings['compiler'] {
  const { compilerOptions = {} } = config.value
  if (!isObject(compilerOptions)) throw config.fault(['compilerOptions'], '"compilerOptions" is no object')
  const { jsx = 'react', jsxFactory, jsxFragmentFactory, jsxImportSource, experimentalDecorators, emitDecoratorMetadata } = compilerOptions
  const refuse = (key: string, why: string) => config.fault(['compilerOptions', key], `"${key}" ${why}`)
  const text = (key: string) => {
    const value = compilerOptions[key]
    if (value !== undefined && typeof value !== 'string') throw refuse(key, 'is no text')
  }
  for (const key of ['jsxFactory', 'jsxFragmentFactory', 'jsxImportSource']) text(key)
  if (typeof jsx !== 'string' || !(jsx in JSX)) throw refuse('jsx', `is none of ${Object.keys(JSX).join(', ')}`)
  if (emitDecoratorMetadata === true) throw refuse('emitDecoratorMetadata', 'is not supported, as types are not looked at')
  return {
    ...JSX[jsx as keyof typeof JSX],
    ...(jsxFactory !== undefined && { jsxFactory: jsxFactory as string }),
    ...(jsxFragmentFactory !== undefined && { jsxFragment: jsxFragmentFactory as string }),
    ...(jsxImportSource !== undefined && { jsxImportSource: jsxImportSource as string }),
    tsconfigRaw: JSON.stringify({ compilerOptions: { experimentalDecorators: experimentalDecorators === true } }),
  }
}

const JSX = {
  react: { jsx: 'transform' },
  'react-jsx': { jsx: 'automatic' },
  'react-jsxdev': { jsx: 'automatic', jsxDev: true },
  precompile: { jsx: 'automatic' }, // which says the same faster
} as const

/** Of package.json, what can be imported: what a version range, an alias or a tag names. */
function dependenciesOf({ dependencies, devDependencies }: Json): Record<string, string> {
  const all = Object.entries({ ...(isObject(devDependencies) ? devDependencies : {}), ...(isObject(dependencies) ? dependencies : {}) })
  return Object.fromEntries(
    all.flatMap(([name, value]) => {
      if (typeof value !== 'string') return []
      return [[name, /^(npm|jsr):/.test(value) ? value : `npm:${name}@${encodeURIComponent(value)}`]]
    }),
  )
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
