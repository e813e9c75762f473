import type { Declaration, Schema } from './declaration.ts'
import { EXIT_MEANINGS } from './exit.ts'
import { COMMON, type CommonFlag, type Input, isSwitch, isTextList, servedBy, shapeOf } from './flags.ts'
import { sourceUsage } from './install-source.ts'
import type { Io } from './io.ts'
import { typesOf } from './values.ts'

/** How a command is written. @example usageOf(grant) // bulkhead permissions:grant <name> [<permissions>...] [options] */
export function usageOf(declaration: Declaration): string {
  const { positional, rest, body } = shapeOf(declaration)
  const words = [
    sourceUsage(declaration.name) ?? [],
    ...positional.map(({ flag, place, schema }) => (place === 'upload' ? (schema.contentMediaType === 'application/gzip' ? '<FOLDER|FILE|->' : '<FILE|->') : `<${flag}>`)),
    ...(rest ? [rest.required ? `<${rest.flag}>...` : `[<${rest.flag}>...]`] : []),
    ...(body?.positional ? [body.required ? '<JSON|@FILE|->' : '[<JSON|@FILE|->]'] : []),
  ]
  return ['bulkhead', declaration.name, ...words.flat(), '[options]'].join(' ')
}

/** The help of one command: what it does, takes and answers, with the examples of its operation. */
export function helpOf(declaration: Declaration, { stdout }: Pick<Io, 'stdout'>): string {
  const width = Math.min(stdout.isTTY ? (stdout.columns ?? 80) : 100, 100)
  const own = optionsOf(declaration)
  const common = commonOf(declaration)
  const column = Math.max(...[...own, ...common].map(([flag]) => flag.length)) + 4
  const lines = (options: typeof own) => options.map(([flag, about]) => `  ${flag.padEnd(column - 2)}${wrapped(about, width, column)}\n`).join('')
  return [
    `${wrapped(`bulkhead ${declaration.name}: ${declaration.summary}`, width, 0)}\n`,
    `Usage: ${usageOf(declaration)}\n`,
    ...(declaration.description === undefined ? [] : [`${wrapped(declaration.description, width, 0)}\n`]),
    ...(own.length === 0 ? [] : [`Options:\n${lines(own)}`]),
    `Common options:\n${lines(common)}`,
    `Examples:\n${examplesOf(declaration).map(({ summary, line }) => `${summary === undefined ? '' : `  # ${summary}\n`}  ${line}\n`).join('')}`,
    `${wrapped(`Exit codes: ${EXIT_MEANINGS.map(([code, meaning]) => `${code} ${meaning.split(/[:,]/)[0]}`).join(', ')}`, width, 0)}\n`,
  ].join('\n')
}

/** The flags of a command's own inputs, each with what it takes and means. */
export function optionsOf(declaration: Declaration): Array<readonly [flag: string, about: string]> {
  const { inputs } = shapeOf(declaration)
  return inputs
    .filter(({ place, flag }) => place !== 'path' && !(flag in COMMON && servedBy(declaration).has(flag as CommonFlag) && flag === 'confirm'))
    .map((one) => [`--${one.flag}${isSwitch(one.schema) ? '' : ` ${one.key === 'filter' ? COMMON.filter.value : one.place === 'upload' ? 'FILE|-' : valueOf(one.schema)}`}`, aboutOf(one)])
}

function commonOf(declaration: Declaration): Array<readonly [flag: string, about: string]> {
  const own = new Set(optionsOf(declaration).map(([flag]) => flag.split(' ')[0]))
  return [...servedBy(declaration)]
    .filter((flag) => !own.has(`--${flag}`))
    .toSorted((a, b) => Object.keys(COMMON).indexOf(a) - Object.keys(COMMON).indexOf(b))
    .map((flag) => {
      const { about, ...how } = COMMON[flag] as { about: string; value?: string; short?: string }
      return [`${how.short === undefined ? '' : `-${how.short}, `}--${flag}${how.value === undefined ? '' : ` ${how.value}`}`, about]
    })
}

function valueOf(schema: Schema): string {
  if (schema.enum && schema.enum.length <= 6) return schema.enum.join('|')
  if (isTextList(schema)) return schema.items?.enum && schema.items.enum.length <= 6 ? `${schema.items.enum.join('|')},…` : 'A,B,…'
  const types = typesOf(schema)
  if (schema.format === 'date-time') return 'TIME'
  if (types.includes('boolean')) return types.filter((type) => type !== 'boolean').reduce((text, type) => `${text}|${type === 'null' ? 'null' : type.toUpperCase()}`, 'true|false')
  if (types.includes('integer') || types.includes('number')) return 'N'
  return types.includes('string') || schema.enum ? 'TEXT' : 'JSON|@FILE|-'
}

function aboutOf({ schema, required, key, inside }: Input): string {
  const { minimum, maximum, expects, description } = schema
  const range = minimum !== undefined && maximum !== undefined ? `from ${minimum} to ${maximum}` : minimum !== undefined && minimum > 0 ? `at least ${minimum}` : maximum !== undefined ? `at most ${maximum}` : ''
  const common: Readonly<Record<string, string>> = { ...Object.fromEntries(Object.entries(COMMON).map(([flag, { about }]) => [flag, about])), dryRun: COMMON['dry-run'].about, cursor: 'the nextCursor of the page before', module: 'of this module', since: 'not before this time' }
  const said = description ?? common[key] ?? (expects !== undefined && !/^(an object|text without NUL)/.test(expects) ? expects : '')
  const words = schema.enum && schema.enum.length > 6 ? `one of ${schema.enum.join(', ')}` : ''
  const notes = [said, words, range, inside !== undefined ? 'one of these' : required ? 'required' : ''].filter(Boolean).join('; ')
  return schema.default === undefined || schema.default === false ? notes : `${notes}${notes === '' ? '' : ' '}(${String(schema.default)})`
}

/** The examples of an operation, as one would type them. */
export function examplesOf(declaration: Declaration): Array<{ summary?: string; line: string }> {
  const fromHere = sourceUsage(declaration.name) === undefined ? [] : [{ summary: 'From a folder on this machine', line: `bulkhead ${declaration.name} ./greeter` }]
  return [...fromHere, ...declaration.examples.map(({ summary, input }) => ({ ...(summary !== undefined && { summary }), line: lineOf(declaration, input) }))]
}

function lineOf(declaration: Declaration, input: Readonly<Record<string, unknown>>): string {
  const { inputs, positional, rest, body } = shapeOf(declaration)
  const members = declaration.body === undefined ? {} : ((input[declaration.body] ?? {}) as Record<string, unknown>)
  const valueAt = ({ place, key, inside, schema }: Input) => {
    if (place === 'upload') return schema.contentMediaType === 'application/gzip' ? './greeter' : `${declaration.name.replace(':', '-')}.ndjson`
    const value = (place === 'body' ? members : input)[key]
    return inside === undefined ? value : (value as Record<string, unknown> | undefined)?.[inside]
  }
  const word = (value: unknown) => quoted(typeof value === 'string' ? value : JSON.stringify(value))
  const byPosition = [...positional, ...(rest ? [rest] : [])]
  const words = byPosition.flatMap((one) => [valueAt(one)].flat().filter((value) => value !== undefined).map(word))
  const flags = inputs
    .filter((one) => !byPosition.includes(one) && valueAt(one) !== undefined)
    .flatMap((one) => {
      const value = valueAt(one)
      if (isSwitch(one.schema)) return value === true ? [`--${one.flag}`] : []
      if (one.key === 'filter' && Array.isArray(value)) return value.map((text) => `--filter ${word(text)}`)
      return [`--${one.flag} ${isTextList(one.schema) && Array.isArray(value) ? word(value.join(',')) : word(value)}`]
    })
  const whole = body?.positional && declaration.body !== undefined && Object.keys(members).length > 0 ? [word(members)] : []
  return ['bulkhead', declaration.name, ...words, ...whole, ...flags].join(' ')
}

/** As a shell reads it back. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** Lines of words, those after the first indented. */
export function wrapped(text: string, width: number, indent: number): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && indent + line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`)
}
