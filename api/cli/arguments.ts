import { parseArgs } from 'node:util'
import type { Declaration } from './declaration.ts'
import { COMMON, type CommonFlag, type Input, isSwitch, isTextList, kebab, servedBy, shapeOf, unserved } from './flags.ts'
import type { Io } from './io.ts'
import { hint, UsageError } from './usage.ts'
import { readJson, readValue } from './values.ts'

/** What a command line says: the values of inputs as texts, not yet read, and the common flags. */
export interface Given {
  /** By flag; a list may be given several times. */
  texts: ReadonlyMap<string, readonly string[]>
  /** `--config.word secret`: the path within an input, and its text. */
  within: ReadonlyArray<{ flag: string; path: readonly string[]; text: string }>
  common: Readonly<Partial<Record<CommonFlag, string | true>>>
}

/**
 * Reads the arguments of an operation's command. Nothing is opened and nobody asked yet.
 *
 * @throws UsageError for what is unknown, repeated, without its value, too many, or not served by this command
 */
export function readArguments(declaration: Declaration, args: readonly string[]): Given {
  const shape = shapeOf(declaration)
  const served = servedBy(declaration)
  const own = new Map(shape.inputs.flatMap((input) => [input.flag, ...(input.flag === input.key ? [] : [input.key])].map((flag) => [flag, input] as const)))
  const texts = new Map<string, string[]>()
  const within: Array<Given['within'][number]> = []
  const common: Partial<Record<CommonFlag, string | true>> = {}
  const positionals: string[] = []

  for (const token of tokensOf(declaration, args, own)) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName } = token
    const value = valueOf(token)
    const [head = '', ...path] = name.split('.')
    const input = own.get(head)
    if (input && path.length > 0) {
      if (value === undefined) throw new UsageError(`${rawName} needs a value`)
      within.push({ flag: input.flag, path, text: value })
    } else if (input && !(isCommon(name) && !served.has(name))) {
      const text = value ?? (isSwitch(input.schema) ? 'true' : undefined)
      if (text === undefined) throw new UsageError(`${rawName} needs a value`)
      const before = texts.get(input.flag)
      if (before && !isTextList(input.schema)) throw new UsageError(`${rawName} is given more than once`)
      texts.set(input.flag, [...(before ?? []), text])
      if (isCommon(name)) common[name] = text
    } else if (name === kebab(declaration.body ?? '') && value !== undefined) {
      // What the API calls the body.
      common.data = value
    } else if (isCommon(name)) {
      if (!served.has(name)) throw new UsageError(unserved(name, declaration))
      const takes = 'value' in COMMON[name]
      if (takes && value === undefined) throw new UsageError(`${rawName} needs a value, ${(COMMON[name] as { value: string }).value}`)
      if (!takes && token.inlineValue) throw new UsageError(`${rawName} takes no value`)
      if (takes && common[name] !== undefined) throw new UsageError(`${rawName} is given more than once`)
      common[name] = value ?? true
    } else {
      const known = [...shape.inputs.filter(({ place }) => place !== 'path').map(({ flag }) => `--${flag}`), ...[...served].map((flag) => `--${flag}`)]
      throw new UsageError(`${declaration.name} has no ${rawName}${hint(rawName, known)}`)
    }
  }
  place(declaration, positionals, texts, common)
  return { texts, within, common }
}

type Token = ReturnType<typeof tokensOf>[number]

function tokensOf({ body }: Declaration, args: readonly string[], own: ReadonlyMap<string, Input>) {
  const whole = body === undefined ? [] : [[kebab(body), { type: 'string' as const }]]
  const dotted = args.filter((arg) => /^--[\w-]+\./.test(arg)).map((arg) => [arg.slice(2).split('=')[0] as string, { type: 'string' as const }])
  const inputs = [...own].map(([flag, { schema }]) => [flag, { type: isSwitch(schema) ? ('boolean' as const) : ('string' as const) }])
  const common = Object.entries(COMMON).filter(([flag]) => !own.has(flag)).map(([flag, of]) => [flag, { type: 'value' in of ? ('string' as const) : ('boolean' as const), ...('short' in of && { short: of.short }) }])
  const options = Object.fromEntries([...dotted, ...whole, ...common, ...inputs])
  return parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true }).tokens
}

/** The value that an option was given; a switch has one only with `=`, or as `--no-NAME`. */
function valueOf(token: Token & { kind: 'option' }): string | undefined {
  const { value, inlineValue, rawName } = token
  if (value === undefined) return undefined
  if (!inlineValue && value.length > 1 && value.startsWith('-')) throw new UsageError(`${rawName} needs a value; one that begins with a dash is written ${rawName}=${value}`)
  return value
}

function isCommon(name: string): name is CommonFlag {
  return Object.hasOwn(COMMON, name)
}

function place(declaration: Declaration, positionals: readonly string[], texts: Map<string, string[]>, common: Partial<Record<CommonFlag, string | true>>): void {
  const { positional, rest, body } = shapeOf(declaration)
  const open = positional.filter(({ flag }) => !texts.has(flag))
  const more = positionals.slice(open.length)
  for (const [index, text] of positionals.slice(0, open.length).entries()) texts.set((open[index] as Input).flag, [text])
  if (more.length === 0) return
  if (rest) texts.set(rest.flag, [...(texts.get(rest.flag) ?? []), ...more])
  else if (body?.positional && common.data === undefined && more.length === 1) common.data = more[0] as string
  else throw new UsageError(`${declaration.name} takes ${positional.length === 0 ? 'no arguments' : positional.map(({ flag }) => `<${flag}>`).join(' ')}, "${(more[0] as string).slice(0, 100)}" is too many${asFlag(declaration, more[0] as string)}`)
}

/** `word=secret`, as some write it, in the form that is taken here. */
function asFlag(declaration: Declaration, text: string): string {
  const [, name, value] = /^([\w.-]{1,60})=(.{0,60})$/.exec(text) ?? []
  if (name === undefined) return ''
  const { inputs } = shapeOf(declaration)
  const known = inputs.find(({ flag, key }) => flag === name || key === name)?.flag
  const within = inputs.find(({ place, schema }) => place === 'body' && schema.type === 'object')?.flag
  if (known === undefined && within === undefined) return ''
  return `; write --${known ?? `${within}.${name}`} ${value === '' ? "''" : value}`
}

/** What is asked for: the input of the operation, and of an upload where its bytes are. */
export interface Asked {
  input: Record<string, unknown>
  upload: string | undefined
}

/** Reads what was given into the operation's input. */
export async function readInputs(declaration: Declaration, { texts, within, common }: Given, io: Io): Promise<Asked> {
  const { inputs, body } = shapeOf(declaration)
  refuseTwoKinds(inputs.filter(({ flag, inside }) => inside !== undefined && texts.has(flag)))
  const input: Record<string, unknown> = {}
  let upload: string | undefined
  const whole = common.data === undefined ? undefined : await readJson(String(common.data), body?.positional ? 'the body' : '--data', io)
  if (whole !== undefined && body?.schema.type === 'object' && !isPlainObject(whole)) throw new UsageError(`the body must be ${body.schema.expects ?? 'an object'}`)
  const members: Record<string, unknown> = isPlainObject(whole) ? { ...whole } : {}
  for (const one of inputs) {
    const given = texts.get(one.flag)
    if (!given) continue
    if (one.place === 'upload') {
      upload = given[0]
      continue
    }
    // A filter's value may have a comma in it.
    const values: unknown[] = one.key === 'filter' ? [...given] : await Promise.all(given.map((text) => readValue(text, one.schema, one.place === 'path' ? `<${one.flag}>` : `--${one.flag}`, io)))
    const value = isTextList(one.schema) ? values.flat() : values[0]
    const into = one.place === 'body' ? members : input
    into[one.key] = one.inside === undefined ? value : { [one.inside]: value }
  }
  for (const { flag, path, text } of within) {
    const { key, place: at } = inputs.find((one) => one.flag === flag) as Input
    put(at === 'body' ? members : input, [key, ...path], looseValue(text))
  }
  if (declaration.body !== undefined) input[declaration.body] = isPlainObject(whole) || whole === undefined ? members : whole
  return { input, upload }
}

function refuseTwoKinds(given: readonly Input[]): void {
  const [one, other] = given
  if (one && other && one.key === other.key) throw new UsageError(`--${one.flag} and --${other.flag} do not go together`)
}

/** JSON where it is some, and text where it is not. */
function looseValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

function put(into: Record<string, unknown>, [key = '', ...path]: readonly string[], value: unknown): void {
  if (path.length === 0) {
    Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true })
    return
  }
  const inner = Object.hasOwn(into, key) ? into[key] : undefined
  const next: Record<string, unknown> = isPlainObject(inner) ? { ...inner } : {}
  Object.defineProperty(into, key, { value: next, enumerable: true, configurable: true, writable: true })
  put(next, path, value)
}

/** What is required and was not given; of an input that is one of several things, each of them. */
export function missing(declaration: Declaration, { texts, within, common }: Given): { inputs: Input[]; body: boolean } {
  const { inputs, body } = shapeOf(declaration)
  const isGiven = ({ flag }: Input) => texts.has(flag) || within.some((one) => one.flag === flag)
  const given = (one: Input) => (one.place === 'body' && common.data !== undefined) || inputs.some((other) => other.key === one.key && other.place === one.place && isGiven(other))
  return { inputs: inputs.filter((one) => one.required && !given(one)), body: (body?.positional && body.required && common.data === undefined) ?? false }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

