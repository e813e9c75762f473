import type { HookContext } from '../sdk/context.ts'
import type { Messages } from '../sdk/messages.ts'
import { DateOf, freeze, indexOf, isArray, keys, parse, slice, table } from './primordials.guest.ts'

/** The context a handler receives: the call's data with its dates revived, deep-frozen, and what `powers` adds. */
export function openContext(contextText: string, powers: Pick<HookContext, 'emit' | 'log' | 'kv' | 'db' | 'env' | 'config' | keyof Messages>): HookContext {
  // A configuration of the call's own follows the context after a NUL, which JSON has none of.
  const end = indexOf(contextText, '\0')
  const context = parse(end < 0 ? contextText : slice(contextText, 0, end)) as HookContext
  reviveDates(context)
  const names = keys(context)
  for (let i = 0; i < names.length; i++) freezeDeep(context[names[i] as keyof HookContext])
  context.config = powers.config
  if (end >= 0) context.config = readConfig(slice(contextText, end + 1))
  context.env = powers.env
  context.emit = powers.emit
  context.log = powers.log
  context.kv = powers.kv
  context.db = powers.db
  context.call = powers.call
  context.getService = powers.getService
  context.publish = powers.publish
  return freeze(context) as HookContext
}

// The configurations of places that came of late, so that what a module derives of one can be kept by its identity.
const MAX_KEPT = 32
const LONGEST_KEPT = 16_384
let kept = table<string, HookContext['config']>()
let keptCount = 0

function readConfig(configText: string): HookContext['config'] {
  const known = kept.get(configText)
  if (known) return known
  const config = parse(configText) as HookContext['config']
  freezeDeep(config)
  if (configText.length > LONGEST_KEPT) return config
  if (keptCount++ >= MAX_KEPT) {
    kept = table()
    keptCount = 1
  }
  kept.set(configText, config)
  return config
}

function reviveDates(context: HookContext): void {
  revive(context, 'timestamp')
  revive(context.session, 'startedAt')
  revive(context.run, 'createdAt')
  if (isArray(context.messages)) {
    for (let i = 0; i < context.messages.length; i++) revive(context.messages[i], 'createdAt')
  }
}

function revive<Key extends string>(holder: Partial<Record<Key, Date>> | undefined, key: Key): void {
  const value = holder?.[key] as unknown
  if (holder && typeof value === 'string') holder[key] = new DateOf(value)
}

export function freezeDeep(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  const names = keys(value)
  for (let i = 0; i < names.length; i++) freezeDeep((value as Record<string, unknown>)[names[i] as string])
  freeze(value)
}
