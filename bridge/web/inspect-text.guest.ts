import type { InspectContext } from './inspect.guest.ts'

// How Deno writes primitive values and names.

const STYLES: Readonly<Record<string, [number, number]>> = {
  number: [33, 39], bigint: [33, 39], boolean: [33, 39], undefined: [90, 39], null: [1, 22], string: [32, 39],
  symbol: [32, 39], date: [35, 39], regexp: [31, 39], special: [36, 39],
}

export function stylize(context: InspectContext, text: string, style: string): string {
  const [on, off] = (context.colors && STYLES[style]) || []
  return on === undefined ? text : `\u001b[${on}m${text}\u001b[${off}m`
}

/** @example removeColors('\u001b[33m1\u001b[39m') // '1' */
export const removeColors = (text: string) => text.replace(/\u001b\[\d+m/g, '')

const ESCAPES: Readonly<Record<string, string>> = { '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '\\': '\\\\' }

/** With the first of the quotes that is not in it. */
export function quote(text: string, context: Pick<InspectContext, 'escapeSequences'>): string {
  const mark = ['"', "'", '`'].find((one) => !text.includes(one)) ?? '"'
  if (!context.escapeSequences) return mark + text + mark
  const escaped = text
    .replace(mark === '"' ? /["\\\b\f\n\r\t\v]/g : /[\\\b\f\n\r\t\v]/g, (one) => ESCAPES[one] ?? `\\${one}`)
    .replace(/[\x00-\x1f\x7f-\x9f]/g, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, (one) => `\\u${one.charCodeAt(0).toString(16)}`)
  return mark + escaped + mark
}

export function nameOfSymbol(symbol: symbol, context: InspectContext): string {
  const { description } = symbol
  if (description === undefined) return 'Symbol()'
  return /^[a-zA-Z_][a-zA-Z_.0-9]*$/.test(description) ? `Symbol(${description})` : `Symbol(${quote(description, context)})`
}

export function nameOfKey(key: PropertyKey, context: InspectContext): string {
  if (typeof key === 'symbol') return stylize(context, nameOfSymbol(key, context), 'symbol')
  const text = String(key)
  if (text === '__proto__') return "['__proto__']"
  return /^[a-zA-Z_][a-zA-Z_0-9]*$/.test(text) ? text : stylize(context, quote(text, context), 'string')
}

const SHORTEST_WRAPPED = 16

export function formatPrimitive(value: unknown, context: InspectContext): string {
  if (typeof value === 'string') return formatString(value, context)
  if (typeof value === 'number') return stylize(context, Object.is(value, -0) ? '-0' : `${value}`, 'number')
  if (typeof value === 'bigint') return stylize(context, `${value}n`, 'bigint')
  if (typeof value === 'symbol') return stylize(context, nameOfSymbol(value, context), 'symbol')
  return stylize(context, `${value}`, value === null ? 'null' : typeof value)
}

function formatString(value: string, context: InspectContext): string {
  const excess = value.length - context.strAbbreviateSize
  const text = excess > 0 ? value.slice(0, context.strAbbreviateSize) : value
  const trailer = excess > 0 ? `... ${excess} more character${excess > 1 ? 's' : ''}` : ''
  const style = (part: string) => stylize(context, quote(part, context), 'string')
  if (context.compact !== true && text.length > SHORTEST_WRAPPED && text.length > context.breakLength - context.indentation - 4) {
    const lines = text.split(/(?<=\n)/)
    return lines.map(style).join(` +\n${' '.repeat(context.indentation + 2)}`) + trailer
  }
  return style(text) + trailer
}
