import { printable } from './table.ts'

const TONES: Readonly<Record<string, string>> = { error: '31', warn: '33', info: '32', debug: '2' }

/**
 * An event or a log line as one line to read: when, what, of which module, and what it says.
 *
 * @example lineOf('log', { createdAt: '2026-01-31T09:30:00.000Z', level: 'warn', module: 'a', message: 'hot' }, false)
 * // 2026-01-31T09:30:00Z warn a: hot
 */
export function lineOf(event: string | undefined, data: unknown, colours: boolean): string {
  if (typeof data !== 'object' || data === null) return `${printable([event, String(data)].filter(Boolean).join(' ').replaceAll('\n', ' '))}\n`
  const { createdAt, at, time, level, module, message, id: _id, seq: _seq, version: _version, execution: _execution, host: _host, data: more, ...rest } = data as Record<string, unknown>
  const when = [createdAt, at, time].find((one) => typeof one === 'string') as string | undefined
  const what = typeof level === 'string' ? level : (event ?? (typeof rest['type'] === 'string' ? rest['type'] : ''))
  if (what === rest['type']) delete rest['type']
  const tail = [typeof message === 'string' ? message : '', ...Object.entries(rest).map(([name, value]) => (value === null ? '' : `${name}=${textOf(value)}`)), more === null || more === undefined ? '' : textOf(more)]
  const words = [
    when?.replace(/(\.\d+)?Z$/, 'Z'),
    colours && TONES[what] ? `\u0000${what}\u0001` : what,
    typeof module === 'string' ? `${module}:` : undefined,
    ...tail,
  ]
  const line = printable(words.filter(Boolean).join(' ').replaceAll('\n', ' '))
  return `${line.replace('\\u0000', `\u001b[${TONES[what]}m`).replace('\\u0001', '\u001b[0m')}\n`
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
