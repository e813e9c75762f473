import { decodeMappings, findOriginal, type Mappings } from './source-map.ts'

const MAX_CHARACTERS = 8 * 1024
const MAX_LINES = 50
const FRAME = /^\s{1,20}at /
// A guest's scripts are named after its module, and the bridge's by names of its own: its snapshot and its chunks.
const GUEST_POSITION = /bulkhead:\/\/\/[^\s:()]{1,100}:(\d{1,9}):(\d{1,9})/g
const BRIDGE = /bulkhead:(?:bridge|[a-z]+\/)/

/**
 * A guest's stack text in its author's terms: `bulkhead:///name:12:5` becomes `lib/file.ts:3:1`, relative to the
 * module's folder, and frames of code that the author did not write are left out. The text is the guest's own and may
 * say anything; of it 8 K characters and 50 lines are kept.
 *
 * @param map the source map of the artifact that ran, as JSON
 * @example mapStack('Error: no\n    at f (bulkhead:///a:9:3)', artifact.map) // 'Error: no\n    at f (index.ts:2:9)'
 */
export function mapStack(stack: string, map: string): string {
  const lines = stack.slice(0, MAX_CHARACTERS).split('\n', MAX_LINES)
  if (!lines.some((line) => FRAME.test(line) && line.includes('bulkhead:'))) return lines.join('\n')
  const mappings = decoded(map)
  return lines.flatMap((line) => (FRAME.test(line) ? frameOf(line, mappings) : [line])).join('\n')
}

/** A frame as the author knows it; none where it is not of the author's code. */
function frameOf(frame: string, mappings: Mappings): string[] {
  if (BRIDGE.test(frame)) return []
  let isForeign = false
  const mapped = frame.replace(GUEST_POSITION, (position, line: string, column: string) => {
    const original = findOriginal(mappings, Number(line), Number(column))
    isForeign ||= original === undefined || original.source.startsWith('bulkhead:')
    return original ? `${original.source}:${original.line}:${original.column}` : position
  })
  return isForeign ? [] : [mapped]
}

// A module that throws again and again must not have its map decoded each time; the least recently used go first.
const MAX_KEPT_BYTES = 64 * 1024 * 1024
const kept = new Map<string, Mappings>()

function decoded(map: string): Mappings {
  const mappings = kept.get(map) ?? decodeMappings(map)
  kept.delete(map)
  kept.set(map, mappings)
  let bytes = 0
  for (const { rows } of kept.values()) bytes += rows.byteLength
  for (const [key, { rows }] of kept) {
    if (bytes <= MAX_KEPT_BYTES || key === map) break
    kept.delete(key)
    bytes -= rows.byteLength
  }
  return mappings
}
