import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { didYouMean } from '../../runtime/nearest.ts'
import type { Schema } from './declaration.ts'
import { isTextList } from './flags.ts'
import type { Io } from './io.ts'
import { UsageError } from './usage.ts'

/**
 * The value that a text on the command line stands for, by what the operation's schema accepts. Objects and whatever
 * has no plain type are JSON, `@` and a file, or `-` for standard input. What else the schema says, the server checks.
 *
 * @param where how the message of an error names the value, such as `--limit`
 * @throws UsageError for what cannot be such a value
 * @example await readValue('5', { type: 'integer' }, '--limit', io) // 5
 */
export async function readValue(text: string, schema: Schema, where: string, io: Io): Promise<unknown> {
  const types = typesOf(schema)
  if (text === 'null' && types.includes('null')) return null
  if (schema.enum) return wordOf(text, schema.enum, where)
  if (types.includes('boolean') && /^(true|false)$/.test(text)) return text === 'true'
  if (types.includes('integer') || types.includes('number')) {
    const number = text.trim() === '' ? NaN : Number(text)
    if (Number.isFinite(number) && (types.includes('number') || Number.isInteger(number))) return number
    if (!types.includes('string')) throw new UsageError(`${where} must be a ${types.includes('number') ? '' : 'whole '}number, not "${shown(text)}"`)
  }
  if (types.includes('string')) return text
  if (isTextList(schema)) return readList(text, schema, where)
  if (types.includes('boolean') && !types.includes('object')) throw new UsageError(`${where} must be ${types.includes('null') ? 'true, false or null' : 'true or false'}, not "${shown(text)}"`)
  return readJson(text, where, io)
}

/** JSON; or YAML where it comes from a file that ends so. */
export async function readJson(text: string, where: string, io: Io): Promise<unknown> {
  const fromFile = text.startsWith('@')
  const content = fromFile ? (await readInput(text.slice(1), where, io)).toString('utf8') : text === '-' ? (await readInput('-', where, io)).toString('utf8') : text
  if (fromFile && /\.ya?ml$/i.test(text)) {
    const { parse } = await import('yaml')
    return parsed(() => parse(content) as unknown, where)
  }
  return parsed(() => JSON.parse(content) as unknown, where, fromFile || text === '-' ? '' : ', @FILE or - for standard input')
}

function parsed(parse: () => unknown, where: string, otherwise = ''): unknown {
  try {
    return parse()
  } catch (thrown) {
    // The message of JSON.parse quotes what it read, which may be a secret.
    const [reason] = (thrown as Error).message.split(/, | in JSON|\n/)
    throw new UsageError(`${where} must be JSON${otherwise}: ${/^Unexpected (token|end)|^Expected/.test(reason ?? '') ? 'it ends or goes on where it must not' : reason}`)
  }
}

/** What a file holds, or standard input for `-`. */
export async function readInput(file: string, where: string, io: Io): Promise<Buffer> {
  if (file === '-') {
    const chunks: Buffer[] = []
    for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk as Uint8Array))
    return Buffer.concat(chunks)
  }
  return readFile(resolve(io.cwd, file)).catch((thrown: NodeJS.ErrnoException) => {
    throw new UsageError(`${where}: cannot read ${file}, ${thrown.code === 'ENOENT' ? 'there is no such file' : thrown.code === 'EISDIR' ? 'it is a folder' : String(thrown.code)}`)
  })
}

/** `a,b`, or a list as JSON where an item has a comma in it. */
function readList(text: string, { items }: Schema, where: string): unknown[] {
  const words = text.startsWith('[') ? parsed(() => JSON.parse(text) as unknown, where) : text.split(',').map((word) => word.trim()).filter(Boolean)
  if (!Array.isArray(words)) throw new UsageError(`${where} must be words with commas between, or a list as JSON`)
  const allowed = items?.enum
  return allowed ? words.map((word) => wordOf(String(word), allowed, where, items?.noun)) : words
}

function wordOf(text: string, allowed: readonly unknown[], where: string, noun = 'value'): unknown {
  const found = allowed.find((one) => String(one) === text)
  if (found !== undefined) return found
  const words = allowed.map(String)
  throw new UsageError(`${where}: unknown ${noun} "${shown(text)}"${didYouMean(text, words)}; there are ${words.join(', ')}`)
}

export function typesOf({ type, anyOf }: Schema): string[] {
  return [...[type ?? []].flat(), ...(anyOf ?? []).flatMap(typesOf)]
}

function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
