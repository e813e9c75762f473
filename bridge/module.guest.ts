import type { HookContext } from '../sdk/context.ts'
import type { GuestSettings, Handlers, Invocation } from './contract.ts'
import { freezeDeep } from './context.guest.ts'
import { registry } from './deno/registry.guest.ts'
import { refusal } from './errors.guest.ts'
import type { Powers } from './powers.guest.ts'
import { apply, getPrototypeOf, hasOwn, isArray, mapForEach, MapOf, mapSet, ObjectPrototype, ownNames, tryDefineProperty } from './primordials.guest.ts'

export type Handler = (...args: unknown[]) => unknown

/** The module's functions as the bridge reaches them: methods of the default export, called with it as `this`. */
export interface GuestModule {
  /** Takes the configuration, calls `onLoad` and `getService`. @throws where a hook of the manifest has no handler */
  load(): Promise<Handlers>
  handlerOf(hook: string): ((ctx: HookContext) => unknown) | undefined
  /** What answers its requests: that of `Deno.serve`, or the default export's `fetch`. */
  fetcher(): Handler | undefined
  invoke(invocation: Invocation, powers: Powers): unknown
}

const LIFECYCLE = ['onUnload', 'start', 'stop', 'isRunning', 'healthCheck', 'onConfig', 'getState', 'restoreState']

/** What has no sense where nothing lasts from one execution to the next, and why. */
const LASTING: ReadonlyArray<{ name: string; why: string }> = [
  { name: 'start', why: 'what it would start ends with the context it is called in' },
  { name: 'stop', why: 'there is nothing left that it could stop' },
  { name: 'isRunning', why: 'nothing runs between executions' },
  { name: 'onUnload', why: 'there is nothing left that it could give back' },
  { name: 'onConfig', why: 'the next execution has the new configuration from its beginning' },
  { name: 'getState', why: 'there is no state that a reload could carry over' },
  { name: 'restoreState', why: 'there is no state that a reload could carry over' },
]

/** As many functions of an object are offered, with names as long as that. */
const MAX_METHODS = 200
const MAX_NAME = 100

export function openModule(exported: unknown, settings: GuestSettings): GuestModule {
  const definition = (isObject(exported) ? exported : {}) as Record<string, unknown>
  let service: Record<string, unknown> = {}

  const handlerOf: GuestModule['handlerOf'] = (hook) => {
    const named = methodOf(definition['hooks'], hook)
    if (named) return (ctx) => apply(named, definition, [ctx])
    const handle = methodOf(definition, 'handle')
    return handle && ((ctx) => apply(handle, definition, [hook, ctx]))
  }

  const targetOf = ({ target, name }: Invocation): Handler | undefined => {
    if (target === 'service') return methodOf(service, name)
    if (target === 'cron') return registry.cronHandlerOf(name)
    if (target === 'job') return methodOf(definition['jobs'], name)
    if (target === 'message') return methodOf(definition['topics'], name) ?? methodOf(definition, 'onMessage')
    for (let i = 0; i < LIFECYCLE.length; i++) if (LIFECYCLE[i] === name) return methodOf(definition, name)
    return
  }

  const takeConfig = (config: unknown): void => {
    if (config === null) return
    freezeDeep(config)
    definition['config'] = config
  }

  const takeTerms = (terms: Partial<GuestSettings>, powers: Powers): unknown => {
    settings.permissions = terms.permissions ?? settings.permissions
    settings.env = terms.env ?? settings.env
    if (terms.config === undefined) return
    settings.config = terms.config
    takeConfig(terms.config)
    const onConfig = methodOf(definition, 'onConfig')
    return onConfig && apply(onConfig, definition, [terms.config, powers])
  }

  const fetcher = (): Handler | undefined => {
    if (registry.handler) return registry.handler
    const fetch = methodOf(definition, 'fetch')
    return fetch && ((...args) => apply(fetch, definition, args))
  }

  const refuseLasting = (): void => {
    const refuse = (what: string, why: string) => refusal('LOAD_FAILED', `cannot load, the manifest says context: fresh and the default export has ${what}, but ${why}`)
    for (let i = 0; i < LASTING.length; i++) {
      const { name, why } = LASTING[i] as (typeof LASTING)[number]
      if (methodOf(definition, name)) throw refuse(`${name}()`, why)
    }
    const entries = entriesOf(definition['state'])
    if (entries) throw refuse('entries in its state', 'they would be the same in every execution; keep what is to last in ctx.kv or ctx.db')
    // defineModule gives every module an empty one: whoever uses it is told.
    const told = (): never => {
      throw refusal('INVALID', 'cannot use state, the manifest says context: fresh and it would be empty in every execution; keep what is to last in ctx.kv or ctx.db')
    }
    if (isMap(definition['state'])) tryDefineProperty(definition, 'state', { __proto__: null, get: told, set: told, configurable: true } as PropertyDescriptor)
  }

  return {
    handlerOf,
    fetcher,
    async load() {
      if (settings.fresh) refuseLasting()
      for (let i = 0; i < settings.hooks.length; i++) {
        const hook = settings.hooks[i] as string
        if (handlerOf(hook)) continue
        throw refusal('LOAD_FAILED', `cannot load, the manifest names the hook "${hook}" and the default export handles it neither in hooks nor by handle()`)
      }
      takeConfig(settings.config)
      const onLoad = methodOf(definition, 'onLoad')
      if (onLoad) await apply(onLoad, definition, [definition['config']])
      const getService = methodOf(definition, 'getService')
      if (getService) service = (await apply(getService, definition, [])) as Record<string, unknown>
      const lifecycle: string[] = []
      for (let i = 0; i < LIFECYCLE.length; i++) {
        if (methodOf(definition, LIFECYCLE[i] as string)) lifecycle[lifecycle.length] = LIFECYCLE[i] as string
      }
      registry.sealed = true
      return {
        hooks: settings.hooks,
        lifecycle,
        service: methodsOf(service),
        jobs: methodsOf(definition['jobs']),
        messages: methodOf(definition, 'onMessage') !== undefined || methodsOf(definition['topics']).length > 0,
        fetch: fetcher() !== undefined,
        ...(registry.listen && { listen: { port: registry.listen.port, hostname: registry.listen.hostname, told: registry.listen.told } }),
        crons: registry.crons,
        exit: registry.exitCode,
      }
    },
    invoke(invocation, powers) {
      // Of the bridge's own: the terms on which the module runs have changed.
      if (invocation.target === 'terms') return takeTerms(invocation.args[0] as Partial<GuestSettings>, powers)
      const target = targetOf(invocation)
      if (!target && invocation.name === 'getState') return entriesOf(definition['state'])
      if (!target && invocation.name === 'restoreState') return restore(definition['state'], invocation.args[0])
      if (!target) throw refusal('NOT_FOUND', `cannot call ${invocation.target} "${invocation.name}", the module has no such function`)
      const args = invocation.args
      args[args.length] = powers
      return apply(target, invocation.target === 'service' ? service : definition, args)
    },
  }
}

/** What a module without `getState` hands on: the entries of its `state` Map, null where there is nothing. */
function entriesOf(state: unknown): unknown {
  if (!isMap(state)) return null
  const entries: unknown[] = []
  mapForEach(state, (value, key) => (entries[entries.length] = [key, value]))
  return entries.length > 0 ? { map: entries } : null
}

function restore(state: unknown, handed: unknown): void {
  const entries = (handed as { map?: unknown } | null)?.map
  if (!isMap(state) || !isArray(entries)) return
  for (let i = 0; i < entries.length; i++) mapSet(state, entries[i][0], entries[i][1])
}

function isMap(value: unknown): value is Map<unknown, unknown> {
  return value instanceof MapOf
}

/** A method of an object or of its classes; nothing that every object has. */
function methodOf(holder: unknown, name: string): Handler | undefined {
  if (name === 'constructor') return
  for (let from = holder; isObject(from) && from !== ObjectPrototype; from = getPrototypeOf(from)) {
    if (!hasOwn(from, name)) continue
    const value = (holder as Record<string, unknown>)[name]
    return typeof value === 'function' ? (value as Handler) : undefined
  }
  return
}

function methodsOf(holder: unknown): string[] {
  const names: string[] = []
  for (let from = holder; isObject(from) && from !== ObjectPrototype; from = getPrototypeOf(from)) {
    const own = ownNames(from)
    for (let i = 0; i < own.length && names.length < MAX_METHODS; i++) {
      const name = own[i] as string
      if (name.length <= MAX_NAME && methodOf(holder, name)) names[names.length] = name
    }
  }
  return names
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
