import { parseBounded } from '../bridge/json.ts'
import type { Data } from '../sdk/context.ts'
import type { Path } from './yaml.ts'

// A value that is nothing but `$NAME` stands for what the operator lends under that name; `$$NAME` is the text "$NAME".
const REFERENCE = /^\$([A-Z_][A-Z0-9_]{0,99})$/
const ESCAPED = /^\$(\$[A-Z_][A-Z0-9_]{0,99})$/
const NAME = /^[A-Z_][A-Z0-9_]{0,99}$/

/** Shorter values are left in what modules say: to hide "eu" would tear words apart, and it is no secret. */
const SHORTEST_HIDDEN = 8
const HIDDEN = '[hidden]'

/** The value behind a name, or why there is none. */
export type Lend = (name: string) => { value: string } | { refused: string }

/** For whoever has nothing to lend. */
export const lendNothing: Lend = () => ({ refused: 'no host lends it a value' })

export function isEnvName(name: string): boolean {
  return NAME.test(name)
}

export function isReference(value: unknown): boolean {
  return typeof value === 'string' && REFERENCE.test(value)
}

/** The names that a configuration refers to. */
export function namesIn(value: unknown): Set<string> {
  const names = new Set<string>()
  walk(value, (text) => {
    const name = REFERENCE.exec(text)?.[1]
    if (name !== undefined) names.add(name)
    return text
  })
  return names
}

/**
 * A copy of a configuration with the values that it refers to, and the places whose reference is refused. Made where
 * it is handed on, and never kept where it could be shown.
 */
export function reveal(config: Data, lend: Lend): { config: Data; refused: Array<{ path: Path; message: string }> } {
  const refused: Array<{ path: Path; message: string }> = []
  const revealed = walk(config, (text, path) => {
    const name = REFERENCE.exec(text)?.[1]
    if (name === undefined) return ESCAPED.exec(text)?.[1] ?? text
    const lent = lend(name)
    if ('value' in lent) return lent.value
    refused.push({ path, message: `cannot take the value of ${name}, ${lent.refused}; text that begins with "$" is written "$${text}"` })
    return text
  })
  return { config: revealed as Data, refused }
}

/**
 * Takes secrets out of what a module says, wherever they stand in it: as they are, as JSON and consoles print them, and
 * as addresses have them. It is for those who tell by mistake: a module that wants to can write them backwards, keep
 * them in its store, or tell another module.
 */
export interface Hider {
  /** Out of a message. */
  text(text: string): string
  /** Out of every text and name within a JSON value. */
  value(value: unknown): unknown
  /** Out of a JSON text; one that has none of them, or is no JSON, is left as it is. */
  json(text: string): string
}

export function hiderOf(secrets: Iterable<string>): Hider {
  const hidden = [...new Set([...secrets].filter((secret) => secret.length >= SHORTEST_HIDDEN).flatMap(formsOf))]
  // The longest first, as one may hold another.
  hidden.sort((a, b) => b.length - a.length)
  const printed = hidden.map(printedIn)
  const text = (given: string) => hidden.reduce((left, secret) => left.replaceAll(secret, HIDDEN), given)
  const value = (given: unknown) => (hidden.length === 0 ? given : walk(given, text, text))
  return {
    text,
    value,
    json(given) {
      if (!printed.some((secret) => given.includes(secret))) return given
      try {
        // Too deep to be looked at, it is refused by whoever reads it.
        return JSON.stringify(value(parseBounded(given)))
      } catch {
        return given
      }
    },
  }
}

function formsOf(secret: string): string[] {
  const address = secret.isWellFormed() ? [encodeURIComponent(secret)] : []
  return [secret, printedIn(secret), printedIn(printedIn(secret)), shownIn(secret), shownIn(secret).replaceAll("'", "\\'"), ...address]
}

/** A text as JSON has it between its quotes. */
function printedIn(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/** A text as consoles show it, in whichever quotes it has none of. */
function shownIn(text: string): string {
  return Array.from(text, (sign) => (sign === '"' ? sign : printedIn(sign).replace(/^\\u00(..)$/, (_, hex: string) => `\\x${hex.toUpperCase()}`))).join('')
}

/** A copy with every text, and every name where asked, as the callers would have it. */
function walk(value: unknown, onText: (text: string, path: Path) => string, onName = (name: string) => name, path: Path = []): unknown {
  if (typeof value === 'string') return onText(value, path)
  if (Array.isArray(value)) return value.map((item, index) => walk(item, onText, onName, [...path, index]))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [onName(name), walk(child, onText, onName, [...path, name])]))
}
