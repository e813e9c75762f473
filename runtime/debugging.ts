import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Artifact } from './bundle.ts'
import type { Version } from './instance.ts'
import { decodeMappings, FIELDS } from './source-map.ts'

/** Nobody is hurried who looks at a pause, ms. */
const UNHURRIED_MS = 24 * 60 * 60 * 1000

/** A debugger for one script, as the script's side sees it. */
export interface Debugging {
  /** Whether the script waits until the debugger says `Runtime.runIfWaitingForDebugger`. */
  waits: boolean
  /** Called once, when V8 can be told something: a message of the Chrome DevTools protocol, and whether it lets the script begin. */
  begin(tell: (message: string, run: boolean) => void): void
  /** Called with each message that V8 sends. */
  heard(message: string): void
}

/**
 * A version as it is debugged: it names its source map, with the files as they lie on this disk, and its limits of time
 * are those of a day, since a pause takes as long as it takes.
 *
 * @param folder where its files lie
 * @param breaks whether it is to pause before its first statement, what it imports having run
 */
export function debuggable(version: Version, folder: string, breaks: boolean): Version {
  const { artifact, manifest } = version
  const limits = { ...manifest.limits, maxExecutionMs: UNHURRIED_MS, maxCpuMs: UNHURRIED_MS }
  const map = Buffer.from(onDisk(artifact, folder)).toString('base64')
  const code = `${breaks ? pausing(artifact) : artifact.code}\n//# sourceMappingURL=data:application/json;base64,${map}\n`
  return { ...version, manifest: { ...manifest, limits }, artifact: { ...artifact, code } }
}

function onDisk({ map, inputs }: Artifact, folder: string): string {
  const { sources, ...rest } = JSON.parse(map) as { sources: string[] }
  return JSON.stringify({ ...rest, sources: sources.map((source) => (inputs.includes(source) ? pathToFileURL(join(folder, source)).href : source)) })
}

/** On the line of the first statement of the entry, which is the last file in a bundle, so that no other line moves. */
function pausing({ code, map, inputs }: Artifact): string {
  const { sources, rows } = decodeMappings(map)
  const sourceLines = new Map<number, number>()
  for (let at = 0; at < rows.length; at += FIELDS) {
    const [line, , source] = rows.subarray(at, at + FIELDS)
    const isOwn = source !== undefined && inputs.includes(sources[source] ?? '')
    if (isOwn && line !== undefined && !sourceLines.has(source)) sourceLines.set(source, line)
  }
  const first = Math.max(...sourceLines.values())
  return code.split('\n').map((text, line) => (line === first ? `debugger;${text}` : text)).join('\n')
}
