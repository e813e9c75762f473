import { defineProperty, text } from './primordials.guest.ts'
import { lazily } from './web/globals.guest.ts'

// Console Standard, as Deno prints it. What is more than lines of text is formatted by a chunk.

type Level = 'debug' | 'info' | 'warn' | 'error'
interface Formatting {
  formatLine(args: readonly unknown[], options?: object): string
  formatTable(data: unknown, columns?: readonly string[]): string | undefined
  inspect(value: unknown, options?: object): string
}

const INDENT = 2

/** The `console` of an isolate: each call is one record at a level of the module's log. */
export function openConsole(write: (level: Level, line: string) => void, now: () => number): object {
  let indentation = 0
  const counts = new Map<string, number>()
  const timers = new Map<string, number>()
  const formatting = () => lazily('web/console-format') as unknown as Formatting

  const print = (level: Level, line: string): void => {
    const margin = ' '.repeat(indentation)
    write(level, indentation === 0 ? line : margin + line.replaceAll('\n', '\n' + margin))
  }
  const format = (args: unknown[]): string => {
    const [first] = args
    if (args.length === 1 && typeof first === 'string') return first
    try {
      return formatting().formatLine(args, { breakLength: 80, indentation: 0 })
    } catch (thrown) {
      return unreadable(thrown)
    }
  }
  const at = (level: Level) => (...args: unknown[]) => print(level, format(args))
  const count = (label: unknown, next: (label: string, count: number | undefined) => void) => next(text(label), counts.get(text(label)))
  const elapsed = (label: string): number | undefined => {
    const since = timers.get(label)
    if (since === undefined) print('warn', `Timer '${label}' does not exist`)
    return since === undefined ? undefined : Math.trunc(now() - since)
  }

  const methods = {
    log: at('info'),
    debug: at('debug'),
    info: at('info'),
    dir(value?: unknown, options: object = {}) {
      print('info', formatting().inspect(value, options))
    },
    dirxml: at('info'),
    warn: at('warn'),
    error: at('error'),
    assert(condition: unknown = false, ...args: unknown[]) {
      if (condition) return
      const [first, ...rest] = args
      if (args.length === 0) print('error', 'Assertion failed')
      else if (typeof first === 'string') print('error', format([`Assertion failed: ${first}`, ...rest]))
      else print('error', format(['Assertion failed:', ...args]))
    },
    count(label: unknown = 'default') {
      count(label, (name, before = 0) => {
        counts.set(name, before + 1)
        print('info', `${name}: ${before + 1}`)
      })
    },
    countReset(label: unknown = 'default') {
      count(label, (name, before) => {
        if (before === undefined) print('warn', `Count for '${name}' does not exist`)
        else counts.set(name, 0)
      })
    },
    table(data?: unknown, columns?: readonly string[]) {
      const table = formatting().formatTable(data, columns)
      print('info', table ?? format([data]))
    },
    time(label: unknown = 'default') {
      const name = text(label)
      if (timers.has(name)) print('warn', `Timer '${name}' already exists`)
      else timers.set(name, now())
    },
    timeLog(label: unknown = 'default', ...args: unknown[]) {
      const ms = elapsed(text(label))
      if (ms !== undefined) print('info', [`${text(label)}: ${ms}ms`, ...(args.length > 0 ? [format(args)] : [])].join(' '))
    },
    timeEnd(label: unknown = 'default') {
      const ms = elapsed(text(label))
      if (ms !== undefined) print('info', `${text(label)}: ${ms}ms`)
      timers.delete(text(label))
    },
    group(...label: unknown[]) {
      if (label.length > 0) print('info', format(label))
      indent(indentation + INDENT)
    },
    groupCollapsed(...label: unknown[]) {
      methods.group(...label)
    },
    groupEnd() {
      indent(indentation > 0 ? indentation - INDENT : 0)
    },
    clear() {
      indent(0)
    },
    trace(...args: unknown[]) {
      const holder = new Error(format(args))
      holder.name = 'Trace'
      const { captureStackTrace } = Error as unknown as { captureStackTrace?: (target: object, from: unknown) => void }
      captureStackTrace?.(holder, methods.trace)
      print('error', text(holder.stack))
    },
    profile() {},
    profileEnd() {},
    timeStamp() {},
  }
  const console: { indentLevel?: number } = {}
  const indent = (to: number) => defineProperty(console, 'indentLevel', { value: (indentation = to), writable: true, enumerable: true, configurable: true })
  for (const [name, method] of Object.entries(methods)) {
    defineProperty(method, 'length', { value: 0, configurable: true })
    defineProperty(method, 'name', { value: name, configurable: true })
    defineProperty(console, name, { value: method, writable: true, enumerable: true, configurable: true })
  }
  indent(0)
  defineProperty(console, Symbol.toStringTag, { value: 'console', configurable: true })
  return console
}

/** What could not be shown, because its own code threw. */
function unreadable(thrown: unknown): string {
  try {
    return `[unreadable: ${text((thrown as Error)?.message ?? thrown)}]`
  } catch {
    return '[unreadable]'
  }
}
