import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type ParsedNode } from 'yaml'

/** The way to a value: field names and list positions. */
export type Path = ReadonlyArray<string | number>

/** Something wrong with a file that people write. */
export interface Fault {
  path: Path
  message: string
  value?: unknown
  /** Whether the name of the field is at fault, not its value. */
  onKey?: boolean
  /** Where it is, for what has no path of its own. */
  offset?: number
}

export interface YamlFile {
  value: unknown
  faults: Fault[]
  /** Where a fault is, counted from 1; the nearest enclosing value for what is not in the file. */
  locate(fault: Fault): { line: number; column: number }
}

export const MAX_YAML_BYTES = 64 * 1024
export const MAX_YAML_DEPTH = 32
const MAX_SYNTAX_FAULTS = 50
// Names that mean something to every JavaScript object; harmless only as long as nobody merges them carelessly.
export const RESERVED_KEYS: readonly string[] = ['__proto__', 'constructor', 'prototype']

/**
 * Reads the part of YAML that is JSON with comments: one document of mappings with text keys, lists, text, finite
 * numbers, booleans and null. Aliases, anchors, tags, merge keys and directives are faults, as are duplicate keys,
 * more than 64 KB and more than 32 levels. Never throws.
 */
export function parseYaml(text: string): YamlFile {
  const faults: Fault[] = []
  const lines = new LineCounter()
  if (Buffer.byteLength(text) > MAX_YAML_BYTES) {
    return unreadable(`the file is too large, the limit is ${MAX_YAML_BYTES} bytes`)
  }
  let root: ParsedNode | null
  try {
    const document = parseDocument(text.replace(/^\uFEFF/, ''), {
      version: '1.2',
      schema: 'core',
      merge: false,
      resolveKnownTags: false,
      uniqueKeys: false, // the library compares each key with each; checked below
      prettyErrors: false,
      logLevel: 'error', // silent would not report a second document
      lineCounter: lines,
    })
    for (const { code, message, pos } of document.errors.slice(0, MAX_SYNTAX_FAULTS)) {
      faults.push({ path: [], message: YAML_MESSAGES[code] ?? message.slice(0, 200), offset: pos[0] })
    }
    const unknown = document.warnings.some(({ code }) => code === 'BAD_DIRECTIVE')
    if (unknown || document.directives.yaml.explicit || Object.keys(document.directives.tags).length > 1) {
      faults.push({ path: [], message: 'directives (%) are not supported', offset: 0 })
    }
    root = document.contents
  } catch {
    return unreadable('the file is not readable as YAML')
  }

  const locate = ({ path, onKey, offset }: Fault) => {
    const { line, col } = lines.linePos(offset ?? offsetOf(root, path, onKey ?? false))
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const value = faults.length === 0 && root ? plain(root, [], faults) : undefined
  if (!root && faults.length === 0) faults.push({ path: [], message: 'the file is empty', offset: 0 })
  return { value, faults, locate }
}

const YAML_MESSAGES: Record<string, string> = {
  MULTIPLE_DOCS: 'the file must hold one document, there is a second one here',
  TAG_RESOLVE_FAILED: 'tags (!) are not supported',
  BAD_DQ_ESCAPE: 'there is no such escape sequence in double quotes',
  RESOURCE_EXHAUSTION: `values are nested too deeply, the limit is ${MAX_YAML_DEPTH} levels`,
}

function unreadable(message: string): YamlFile {
  return { value: undefined, faults: [{ path: [], message }], locate: () => ({ line: 1, column: 1 }) }
}

/** A node as plain data, with what makes it more than that added to the faults. */
function plain(node: ParsedNode, path: Path, faults: Fault[]): unknown {
  const refuse = (message: string, value?: unknown) => {
    faults.push({ path, message, offset: node.range[0], ...(value === undefined ? {} : { value }) })
    return null
  }
  if (path.length > MAX_YAML_DEPTH) return refuse(`nested too deeply, the limit is ${MAX_YAML_DEPTH} levels`)
  if (isAlias(node)) return refuse('aliases (*) are not supported, write the value out', `*${node.source}`)
  if (node.anchor !== undefined) return refuse('anchors (&) are not supported', `&${node.anchor}`)
  if (node.tag !== undefined) return refuse('tags (!) are not supported', node.tag)
  if (isSeq(node)) return node.items.map((item, index) => plain(item, [...path, index], faults))
  if (isMap(node)) {
    const object: Record<string, unknown> = {}
    for (const { key, value } of node.items) {
      const name = keyOf(key)
      const problem = name === undefined ? 'a field name must be text, without tag or anchor' : keyProblem(name, object)
      if (name === undefined || problem !== undefined) {
        const at = name === undefined ? path : [...path, name]
        faults.push({ path: at, message: problem ?? '', offset: key?.range?.[0] ?? node.range[0] })
      } else {
        object[name] = value ? plain(value, [...path, name], faults) : null
      }
    }
    return object
  }
  if (typeof node.value === 'number' && !Number.isFinite(node.value)) {
    return refuse('must be a finite number', node.source)
  }
  return node.value
}

function keyOf(key: ParsedNode | null): string | undefined {
  const isText = isScalar(key) && typeof key.value === 'string' && key.tag === undefined && key.anchor === undefined
  return isText ? (key.value as string) : undefined
}

function keyProblem(name: string, object: object): string | undefined {
  if (name === '<<') return 'merge keys (<<) are not supported, write the fields out'
  if (RESERVED_KEYS.includes(name)) return 'a field cannot have this name'
  return Object.hasOwn(object, name) ? 'the field is given twice' : undefined
}

/** The position of a value, or of its key; of the nearest value around it where the path leads nowhere. */
function offsetOf(root: ParsedNode | null, path: Path, onKey: boolean): number {
  let node: ParsedNode | null = root
  let offset = root?.range[0] ?? 0
  for (const [depth, segment] of path.entries()) {
    if (isSeq(node)) {
      node = (node.items[Number(segment)] as ParsedNode | undefined) ?? null
    } else if (isMap(node)) {
      const pair = node.items.find(({ key }) => keyOf(key as ParsedNode | null) === String(segment))
      if (!pair) return offset
      const key = pair.key as ParsedNode
      node = pair.value as ParsedNode | null
      if (!node || (onKey && depth === path.length - 1)) return key.range[0]
    }
    if (!node) return offset
    offset = node.range[0]
  }
  return offset
}
