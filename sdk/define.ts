import type { Data, HookContext, HookData, HookResult } from './context.ts'
import type { HookContexts, HookName } from './hooks.ts'

type Awaitable<T> = T | Promise<T>

/**
 * What a module may do with the host: all of a HookContext but the call's data. Functions that no hook called get it
 * as their last argument.
 *
 * @example defineModule({ jobs: { tidy: (powers) => powers.log.info('tidied') } })
 */
export type Powers<Config extends object = object> = Omit<HookContext, keyof HookData> & { config: Config }

/**
 * What `healthCheck` answers. A module that is not healthy is taken down and started anew.
 *
 * @example const health: Health = { healthy: false, message: 'the index is not built' }
 */
export interface Health {
  healthy: boolean
  message?: string
}

/**
 * What was published to a topic: by which module, as the host knows it, and what it said.
 *
 * @example defineModule({ topics: { 'orders.*': ({ topic, from, data }, { log }) => log.info(topic, { from, data }) } })
 */
export interface Envelope<Payload = unknown> {
  /** Of this form. */
  v: 1
  id: string
  topic: string
  from: string
  /** When, as ISO 8601 text. */
  at: string
  data: Payload
}

/**
 * The functions of the hooks a module answers. Each gets the context of its hook; one that returns nothing lets the
 * call go on unchanged.
 *
 * @example const hooks: HookHandlers = { 'session:end': (ctx) => void ctx.emit('ended', { id: ctx.session.id }) }
 */
export type HookHandlers<Config extends object = Data> = {
  [Name in HookName]?: (ctx: HookContexts[Name] & { config: Config }) => Awaitable<HookResult | void>
}

/**
 * What an author writes; all of it is optional. Each function runs under a budget of its own, and `this` in it is the
 * module, with `config` and `state`.
 *
 * @example const definition: ModuleDefinition = { handle: (hook, ctx) => ctx.log.info(hook) }
 */
export interface ModuleDefinition<Config extends object = Data, Value = unknown> {
  /** The values that hold where no host supplies others, by which the configuration has its type. */
  config?: Config
  /**
   * What is remembered for as long as the isolate lives, and over a reload. A Map of the author's gives its values a type.
   * With `context: fresh` in the manifest nothing is remembered: such a module has none of `state`, `start`, `stop`,
   * `isRunning`, `onConfig`, `getState`, `restoreState` and `onUnload`, and is refused where it does.
   */
  state?: Map<string, Value>

  /** Before anything else, once; with `context: fresh` once in each execution, on its budget. */
  onLoad?(config: Config): Awaitable<void>
  /** After the last execution. */
  onUnload?(powers: Powers<Config>): Awaitable<void>
  /** When everything that the module depends on is ready; a daemon begins its work here. */
  start?(powers: Powers<Config>): Awaitable<void>
  stop?(powers: Powers<Config>): Awaitable<void>
  /** Of a daemon: whether it is at work. `false` restarts it. */
  isRunning?(powers: Powers<Config>): Awaitable<boolean>
  /** Asked after a start, and from time to time; nothing returned means healthy. */
  healthCheck?(powers: Powers<Config>): Awaitable<Health | void>
  /** Somebody changed the configuration; `this.config` is the new one already. */
  onConfig?(config: Config, powers: Powers<Config>): Awaitable<void>
  /** What the next version is handed at a reload, as JSON. Without it, the entries of `state`. */
  getState?(powers: Powers<Config>): Awaitable<unknown>
  /** What `getState` of the version `from` returned. */
  restoreState?(state: unknown, version: { from: string }, powers: Powers<Config>): Awaitable<void>

  /** Answers every hook of the manifest that has no function of its own in `hooks`. */
  handle?(hook: string, ctx: HookContext & { config: Config }): Awaitable<HookResult | void>
  hooks?: HookHandlers<Config>
  /**
   * The functions that other modules may call, once loaded. Arguments and results are JSON; after the arguments each
   * function gets its Powers.
   */
  getService?(): Awaitable<object>
  /** The functions that `intervals` and `schedules` of the manifest name. */
  jobs?: Record<string, (powers: Powers<Config>) => Awaitable<void>>
  /** A function for each pattern in `subscribe` of the manifest. */
  topics?: Record<string, (message: Envelope, powers: Powers<Config>) => Awaitable<unknown>>
  /**
   * Answers the requests under `/api/modules/<name>/`, with the web's Request and Response; what is behind the name is
   * the path.
   */
  fetch?(request: Untyped, info: Untyped): Awaitable<object>
  /** Messages of patterns that have no function of their own. */
  onMessage?(message: Envelope, powers: Powers<Config>): Awaitable<unknown>
}

/**
 * What the runtime holds: the definition with its configuration and its state.
 *
 * @example const loaded: LoadedModule<{ word: string }> = defineModule({ config: { word: 'please' } })
 */
export interface LoadedModule<Config extends object = Data, Value = unknown> {
  config: Config
  state: Map<string, Value>
}

// What nobody gave a type may be anything: modules read lists and counters out of their state without a cast. One
// whose state is a Map of the author's is checked.
// oxlint-disable-next-line typescript/no-explicit-any
type Untyped = any

/** Where the names of all hooks are known, another one is a slip of the pen. */
type NoOtherHooks<Own> = Own extends { hooks: infer Hooks }
  ? { hooks: { [Name in Exclude<keyof Hooks, HookName>]: never } }
  : unknown

/**
 * A module as its author wrote it. Where functions that use `this` do not say what they return, the compiler may have to
 * go on without the type of another: one of the definition then has the type it has there, and any other none.
 */
type Defined<Own, Definition, Loaded> = {
  [Name in keyof Own]: unknown extends Own[Name]
    ? Name extends keyof Definition ? NonNullable<Definition[Name]> : Untyped
    : Own[Name]
} & Omit<Definition, keyof Own> &
  Loaded

/**
 * Declares a module. Every function is bound, so that `this` is the module with `config` and `state`.
 *
 * @example
 * export default defineModule({
 *   config: { word: 'please' },
 *   state: new Map<string, number>(),
 *   hooks: {
 *     'chat:before_ai'(ctx) {
 *       if (ctx.message.content.includes(this.config.word)) return { action: 'continue' }
 *       this.state.set(ctx.user.id, (this.state.get(ctx.user.id) ?? 0) + 1)
 *       return { action: 'block', reason: 'rude', directResponse: 'Say please' }
 *     },
 *   },
 * })
 */
export function defineModule<Config extends object = Data, Value = Untyped, Own extends object = object>(
  // Config and Value are inferred from these two alone, and Own by its properties: to look at the functions' results the
  // compiler would have to know `this`, and then would know nothing of Own.
  definition: { config?: Config; state?: Map<string, Value> } & NoInfer<ModuleDefinition<Config, Value>> & {
      [Name in keyof Own]: Own[Name]
    } & NoOtherHooks<Own> &
    ThisType<Defined<Own, ModuleDefinition<Config, Value>, LoadedModule<Config, Value>>>,
): Defined<Own, ModuleDefinition<Config, Value>, LoadedModule<Config, Value>> {
  const module = {
    ...definition,
    config: definition.config ?? ({} as Config),
    state: definition.state ?? new Map<string, Value>(),
  }
  bindMethods(module, module)
  for (const group of ['hooks', 'jobs', 'topics'] as const) {
    if (!definition[group]) continue
    const methods = { ...definition[group] }
    bindMethods(methods, module)
    Object.assign(module, { [group]: methods })
  }
  return module as unknown as Defined<Own, ModuleDefinition<Config, Value>, LoadedModule<Config, Value>>
}

function bindMethods(methods: object, self: object): void {
  for (const [name, value] of Object.entries(methods)) {
    if (typeof value === 'function') Object.assign(methods, { [name]: value.bind(self) })
  }
}
