import type { BuildFailure, BuildResult, Message } from 'esbuild'
import type { Need } from './build.ts'
import { type BundleFault, cut, LONGEST_TEXT, placeAt, placeOfSpecifier } from './faults.ts'
import { splitInput } from './places.ts'
import type { Reading } from './plugin.ts'

const NOT_LITERAL = 'import() needs a path that is written out, so that the file can be bundled'
const LONGEST_CHAIN = 8

/**
 * What esbuild says, in the author's terms: what has to be fetched, and the faults, each at a line of the module's own
 * files, with the chain of imports that leads from there to where it is.
 */
export function blame({ errors, warnings }: Pick<BuildResult | BuildFailure, 'errors' | 'warnings'>, reading: Reading): { faults: BundleFault[]; needs: Need[] } {
  const needs = new Map<string, Need>()
  const faults: BundleFault[] = []
  const unwritten = warnings.filter(({ id, location }) => id === 'unsupported-dynamic-import' && location?.file.startsWith('module:'))
  for (const message of [...errors, ...unwritten]) {
    const { text, ...place } = faultOf(message, reading)
    const { need } = (message.detail ?? {}) as { need?: string }
    if (need === undefined) faults.push({ text, ...place })
    else if (!needs.has(need)) needs.set(need, { what: need, place })
  }
  // What has no place only says again what another has one for.
  const placed = faults.filter(({ file }) => file !== undefined)
  return { faults: placed.length > 0 ? placed : faults, needs: [...needs.values()] }
}

function faultOf({ id, text, location }: Message, reading: Reading): BundleFault {
  const isPattern = /^(Could not resolve (import|require)\(|Cannot read directory )/.test(text)
  const message = (isPattern || id === 'unsupported-dynamic-import' ? NOT_LITERAL : text).slice(0, LONGEST_TEXT)
  const written = location ? reading.texts.get(location.file) : undefined
  if (!location) return { text: message }
  const [realm, file] = splitInput(location.file)
  if (realm !== 'module') return fromAfar(message, location.file, location.line, reading)
  if (written === undefined) return { text: message, file }
  const lines = written.split(/\r\n|[\n\r\u2028\u2029]/)
  if (location.line > lines.length) {
    // It stumbled over what was appended: something was left open.
    return { text: isOpen(message) ? 'Unexpected end of file' : message, ...placeAt(file, written, written.length) }
  }
  const column = Buffer.from(location.lineText).toString('utf8', 0, location.column).length + 1
  return { text: message, file, line: location.line, column, lineText: cut(location.lineText) }
}

function isOpen(message: string): boolean {
  return !message.includes('__bulkhead')
}

/** A fault in what the module imports from elsewhere: at the import of the module that leads there. */
function fromAfar(text: string, input: string, line: number, { importers, texts }: Reading): BundleFault {
  const chain = [`${shown(input)}:${line}`]
  let current = input.replace(/^cjs:/, '')
  for (let step = importers.get(current); step; step = importers.get(current)) {
    const [realm, path] = splitInput(step.importer)
    const written = texts.get(step.importer) ?? ''
    const place = placeOfSpecifier(path, written, step.specifier)
    if (realm === 'module') {
      const shortened = chain.length > LONGEST_CHAIN ? [...chain.slice(0, LONGEST_CHAIN - 1), '…', chain.at(-1)] : chain
      return { text: `${text} (in ${shortened.join(', imported by ')})`, ...place }
    }
    chain.push(`${shown(step.importer)}${place.line === undefined ? '' : `:${place.line}`}`)
    if (step.importer === current) break
    current = step.importer
  }
  return { text: input.startsWith('bulkhead:') ? text : `${text} (in ${chain.join(', imported by ')})` }
}

function shown(input: string): string {
  const [realm, path] = splitInput(input)
  return realm === 'remote' ? path : input.slice(0, 200)
}
