import type { InspectContext } from './inspect.guest.ts'

/** An error's stack under the name of its class; without frames in brackets. */
export function formatError(error: Error, constructor: string | null, keys: PropertyKey[], context: InspectContext): string {
  const name = error.name === null || error.name === undefined ? 'Error' : String(error.name)
  let stack = typeof error.stack === 'string' && error.stack !== '' ? error.stack : headOf(error, name)
  for (const key of ['name', 'message', 'stack'] as const) {
    const at = keys.indexOf(key)
    if (at >= 0 && (typeof error[key] !== 'string' || stack.includes(error[key]))) keys.splice(at, 1)
  }
  for (const key of ['cause', 'errors']) {
    if (Object.hasOwn(error, key) && !keys.includes(key) && (key === 'cause' || Array.isArray((error as { errors?: unknown }).errors))) keys.push(key)
  }
  stack = withClass(stack, name, constructor)
  const at = error.message === '' ? -1 : stack.indexOf(error.message)
  if (!stack.includes('\n    at', at < 0 ? 0 : at + error.message.length)) stack = `[${stack}]`
  return context.indentation === 0 ? stack : stack.replaceAll('\n', `\n${' '.repeat(context.indentation)}`)
}

function headOf(error: Error, name: string): string {
  const message = String(error.message)
  return name === '' ? message : message === '' ? name : `${name}: ${message}`
}

function withClass(stack: string, name: string, constructor: string | null): string {
  const { length } = name
  const next = stack[length]
  if (constructor !== null && !(name.endsWith('Error') && stack.startsWith(name) && (next === undefined || next === ':' || next === '\n'))) return stack
  if (constructor === null) return stack.startsWith(name) ? `[${name}: null prototype]${stack.slice(length)}` : stack
  if (constructor === name) return stack
  return constructor.includes(name) ? constructor + stack.slice(length) : `${constructor} [${name}]${stack.slice(length)}`
}
