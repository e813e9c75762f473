import { type Caller, serveAsk } from '../bridge/capabilities.ts'
import { emitCapability, type KeepRecords } from '../bridge/emit.host.ts'
import type { Catalogue } from './catalogue.ts'
import type { Configs } from './configs.ts'
import type { Subject } from './instance.ts'
import { hookSettings, type Manifest } from './manifest.ts'
import type { Module } from './modules.ts'
import type { Context, Step } from './pipeline.ts'
import type { Usage } from './protocol.ts'
import type { Place } from './scopes.ts'
import { readVerdict, type Verdict } from './verdict.ts'

/** Who answers hooks, and with what. */
export interface Answering {
  modules: Iterable<Module>
  catalogue: Catalogue
  /** Where each has a say, and how it is configured there. */
  configs: Pick<Configs, 'isOn' | 'textIn'>
  keep: KeepRecords
  /** Names of modules, each after those it depends on: what decides between equal priorities. */
  order?: readonly string[]
}

/** A module that a hook is for. */
export interface Subscriber {
  module: Module
  manifest: Manifest
}

/** What one module said, and what saying it took. */
export interface Said {
  verdict: Verdict
  extractions: Caller['extractions']
  usage: Usage
  execution: string
}

/**
 * The modules that a hook is for. One that an operator has disabled is not; one that is down because it failed is all
 * the same, so that its failure policy is followed and its events wait for it.
 *
 * @param isOn whether a module has a say where the hook is called
 */
export function subscribersOf(modules: Iterable<Module>, hook: string, isOn: (manifest: Manifest) => boolean = () => true): Subscriber[] {
  const found: Subscriber[] = []
  for (const module of modules) {
    const manifest = module.supervisor.version?.manifest ?? module.manifest
    if (manifest?.hooks.includes(hook) && !module.supervisor.dismissed && isOn(manifest)) found.push({ module, manifest })
  }
  return found
}

/**
 * The steps of a hook's pipeline: by priority, then as the modules depend on each other, then by name.
 *
 * @param place where the hook is called; without it, those of modules that have a say anywhere
 */
export function stepsOf({ modules, catalogue, configs, keep, order = [] }: Answering, hook: string, place?: Place): Step[] {
  const isOn = (manifest: Manifest) => place === undefined || configs.isOn(manifest, place)
  const ranked = subscribersOf(modules, hook, isOn).map(({ module, manifest }) => {
    const { name, version } = manifest
    return { ...hookSettings(manifest, hook, catalogue), module, manifest, name, version }
  })
  const rank = (name: string) => order.indexOf(name)
  const textOf = remembering((context: Context) => JSON.stringify(context))
  ranked.sort((a, b) => a.priority - b.priority || rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1))
  return ranked.map(({ module, manifest, name, version, blocking, failure, timeoutMs }) => ({
    module: name,
    version,
    blocking,
    failure,
    run: async (context) => say(module, context, withConfig(textOf(context), configs.textIn(manifest, context)), timeoutMs, keep),
  }))
}

/**
 * Tells a module of an event. What it answers but for records has no effect; one that is no longer subscribed is not told.
 *
 * @param text the context as it is given to the module
 * @throws as `say`
 */
export async function tellOf({ catalogue, configs, keep }: Answering, module: Module, context: Context, text: string): Promise<void> {
  const manifest = module.supervisor.version?.manifest ?? module.manifest
  if (!manifest?.hooks.includes(context.hook)) return
  await say(module, context, withConfig(text, configs.textIn(manifest, context)), hookSettings(manifest, context.hook, catalogue).timeoutMs, keep)
}

/**
 * Calls a module on a hook, and keeps the records that came with its verdict.
 *
 * @param text the context as it is given to the module
 * @throws what the execution ends with, MODULE_FAILED for what is no verdict, STORE_FAILED
 */
export async function say({ supervisor }: Module, context: Context, text: string, timeoutMs: number, keep: KeepRecords): Promise<Said> {
  const { text: answer, caller, usage } = await supervisor.call(subjectOf(context), text, timeoutMs)
  const verdict = readVerdict(answer)
  if (verdict.extractions?.length) await keepExtractions(keep, caller, verdict)
  return { verdict, extractions: caller.extractions, usage, execution: caller.execution }
}

/** Modules that change nothing leave the next one the same context, whose text need not be made again. */
function remembering<Value extends object, Result>(work: (value: Value) => Result): (value: Value) => Result {
  let last: { value: Value; result: Result } | undefined
  return (value) => {
    if (last?.value !== value) last = { value, result: work(value) }
    return last.result
  }
}

/** A configuration of the place's own goes with the context; NUL is no part of JSON. */
function withConfig(context: string, config: string | undefined): string {
  return config === undefined ? context : `${context}\0${config}`
}

function subjectOf({ hook, user, session, run, class: learners }: Context): Subject {
  return {
    hook,
    user: user.id,
    ...(session ? { session: session.id } : {}),
    ...(run ? { run: run.id } : {}),
    ...(learners ? { class: learners.id } : {}),
  }
}

/** Records that came with the verdict are kept as if they had been emitted: once, behind the same permission and caps. */
async function keepExtractions(keep: KeepRecords, caller: Caller, { extractions = [] }: Verdict): Promise<void> {
  const emit = { emit: emitCapability(keep) }
  await Promise.all(extractions.map((extraction) => serveAsk(emit, caller, 'emit', JSON.stringify(extraction))))
}
