import { netGrantProblem } from '../bridge/net-grant.host.ts'
import { show } from './faults.ts'
import { didYouMean } from './nearest.ts'
import { isEnvName } from './secrets.ts'
import { isNotYet } from './unsupported.ts'

/** Every capability a module may ask for, and whether it is asked for with an argument, as in `net:example.org`. */
export const PERMISSIONS = {
  emit: { argument: false, about: 'keep typed records' },
  log: { argument: false, about: 'write lines to the log' },
  kv: { argument: false, about: 'keep values under keys of its own' },
  db: { argument: false, about: 'keep rows in tables of its own' },
  'extractions:read': { argument: false, about: 'read records of other modules about the same session or user' },
  'routes:public': { argument: false, about: 'answer requests of those who have no key' },
  module: { argument: true, about: "call another module's service" },
  topic: { argument: true, about: 'publish messages on the topics of a pattern' },
  env: { argument: true, about: 'read a value that the operator lends' },
  net: { argument: true, about: 'reach a host, or one port of it' },
} as const satisfies Record<string, { argument: boolean; about: string }>

export type PermissionName = keyof typeof PERMISSIONS

/** Names in use elsewhere for what has another name here. */
const RENAMED: Record<string, PermissionName> = {
  'extractions:write': 'emit',
  'extractions:emit': 'emit',
  'events:emit': 'emit',
  'logs:write': 'log',
  'log:write': 'log',
}

/**
 * What is wrong with a capability string, `name` or `name:argument`; undefined where it can be granted.
 *
 * @example permissionProblem('events:emit') // '"events:emit" is called "emit" here'
 */
export function permissionProblem(permission: string): string | undefined {
  const shown = show(permission)
  const renamed = Object.hasOwn(RENAMED, permission) ? RENAMED[permission] : undefined
  if (renamed) return `${shown} is called "${renamed}" here`
  const match = /^([a-z][a-z0-9-]{0,62})(?::([\x21-\x7e]{1,200}))?$/.exec(permission)
  if (!match) return `must be a capability such as "emit" or "name:argument", not ${shown}`
  const [, name = '', argument] = match
  if (isNotYet('permissions', name) || isNotYet('permissions', permission)) return `${shown} is not supported yet`
  // Some names have a colon of their own.
  if (isPermission(permission) && !PERMISSIONS[permission].argument) return undefined
  if (!isPermission(name)) return `unknown permission ${shown}${didYouMean(permission, Object.keys(PERMISSIONS))}`
  const takesArgument: boolean = PERMISSIONS[name].argument
  if (takesArgument && argument === undefined) return `${shown} needs an argument, as in "${name}:…"`
  if (!takesArgument && argument !== undefined) return `"${name}" takes no argument, not ${shown}`
  if (name === 'env' && !isEnvName(argument ?? '')) return `${shown} names no variable, as in "env:API_KEY"`
  const wrong = name === 'net' ? netGrantProblem(argument ?? '') : undefined
  return wrong && `${shown} ${wrong}`
}

function isPermission(name: string): name is PermissionName {
  return Object.hasOwn(PERMISSIONS, name)
}
