import { SourceError } from '../sources.ts'

/** One fault of a build. Line and column count from 1; the file is relative to the module's folder. */
export interface BundleFault {
  text: string
  file?: string
  line?: number
  column?: number
  /** The line as it stands in the file, cut to 200 characters. */
  lineText?: string
}

export const MAX_FAULTS = 20
export const LONGEST_LINE = 200
export const LONGEST_TEXT = 1000

/** A refusal that knows by itself where in the author's files its cause stands. */
export class PlacedError extends SourceError {
  readonly fault: BundleFault
  constructor(fault: BundleFault) {
    super(fault.text)
    this.fault = fault
  }
}

export function cut(line: string): string {
  return line.slice(0, LONGEST_LINE)
}

/** The place in a file that an offset of its text means. */
export function placeAt(file: string, text: string, offset: number): Omit<BundleFault, 'text'> {
  const lines = text.slice(0, offset).split(/\r\n|[\n\r\u2028\u2029]/)
  const last = lines.at(-1) ?? ''
  const rest = text.slice(offset).split(/[\n\r\u2028\u2029]/, 1)[0] ?? ''
  return { file, line: lines.length, column: last.length + 1, lineText: cut(last + rest) }
}

/** The place of a specifier in the text of the file that imports it, as well as it can be found without its syntax. */
export function placeOfSpecifier(file: string, text: string, specifier: string): Omit<BundleFault, 'text'> {
  const offsets = [`'`, `"`, '`'].map((quote) => text.indexOf(quote + specifier + quote)).filter((offset) => offset >= 0)
  return offsets.length === 0 ? { file } : placeAt(file, text, Math.min(...offsets))
}
