import { BulkheadError } from '../bridge/errors.ts'
import type { RuntimeEvent, Tell } from './events.ts'
import { type Node, type Plan, planModules } from './graph.ts'
import { rangesOf } from './manifest-place.ts'
import type { Manifest } from './manifest.ts'
import type { Module } from './modules.ts'

/** Keeps modules down while what they need is missing or not ready, and brings them back. */
export interface Needs {
  /** Holds and releases according to what is there now. */
  reconcile(): void
  /** To be told of every event: what changes a module's readiness changes that of those who need it. */
  readonly tell: Tell
  /** Every module, what it needs before it. */
  order(): readonly string[]
  /** The modules that need this one. */
  dependants(name: string): string[]
  /** What could not start any more, or does not start at all, were this version of a module in the place of what is there. */
  newFaults(manifest: Manifest): ReadonlyMap<string, BulkheadError>
}

const CHANGES = new Set<RuntimeEvent['type']>(['module:ready', 'module:idle', 'module:error', 'module:disabled', 'module:held', 'module:stopped'])

export function watchNeeds(modules: ReadonlyMap<string, Module>, core: string): Needs {
  let scheduled = false

  let planned: { parts: unknown[]; plan: Plan } | undefined

  /** Made anew only when a manifest has changed, or who may hold a slot: readiness alone changes no plan. */
  function plan(): Plan {
    const parts: unknown[] = []
    for (const { manifest, supervisor } of modules.values()) {
      parts.push(manifest, supervisor.dismissed, manifest?.slot !== undefined && supervisor.instance !== undefined)
    }
    if (planned && parts.length === planned.parts.length && parts.every((part, n) => part === planned?.parts[n])) return planned.plan
    const nodes = [...modules.values()].flatMap(nodeOf)
    const active = new Set([...modules.values()].filter(({ supervisor }) => supervisor.instance).map(({ supervisor }) => supervisor.name))
    planned = { parts, plan: planModules(nodes, core, active) }
    return planned.plan
  }

  function reconcile(): void {
    const { order, needs, faults } = plan()
    for (const name of order) {
      const supervisor = modules.get(name)?.supervisor
      if (!supervisor) continue
      const fault = faults.get(name)
      const missing = needs.get(name)?.find((needed) => !isUp(modules.get(needed)))
      if (fault) supervisor.hold(fault, 'error')
      else if (missing === undefined) supervisor.release()
      else supervisor.hold(new BulkheadError('UNAVAILABLE', `cannot start ${name}, it waits for ${missing}`), 'waiting')
    }
  }

  return {
    reconcile,
    tell({ type }) {
      if (scheduled || !CHANGES.has(type)) return
      scheduled = true
      queueMicrotask(() => {
        scheduled = false
        reconcile()
      })
    },
    order: () => plan().order,
    dependants(name) {
      return [...plan().needs].filter(([, needed]) => needed.includes(name)).map(([dependant]) => dependant)
    },
    newFaults(manifest) {
      const { name } = manifest
      const others = [...modules.values()].filter(({ supervisor }) => supervisor.name !== name)
      const nodes = [...others.flatMap(nodeOf), ...nodeOf({ manifest, supervisor: { name, dismissed: false } })]
      const active = new Set(others.filter(({ supervisor }) => supervisor.instance).map(({ supervisor }) => supervisor.name))
      const known = plan().faults
      return new Map([...planModules(nodes, core, active).faults].filter(([one]) => one === name || !known.has(one)))
    },
  }
}

/** Ready, or about to be again: a restart at once is no reason to take others down. */
function isUp(module: Module | undefined): boolean {
  if (!module) return false
  const { state, recovering, readyAt } = module.supervisor
  return state === 'ready' || state === 'idle' || (recovering && readyAt !== undefined && state !== 'waiting')
}

function nodeOf({ manifest, supervisor }: Pick<Module, 'manifest'> & { supervisor: Pick<Module['supervisor'], 'name' | 'dismissed'> }): Node[] {
  if (!manifest || manifest.name !== supervisor.name) return []
  const { name, version, dependencies, requires, provides, slot } = manifest
  return [
    {
      name,
      version,
      dependencies: rangesOf(dependencies),
      requires: rangesOf(requires),
      provides: typeof provides === 'string' ? [provides] : provides,
      // Who is switched off holds no slot.
      ...(slot === undefined || supervisor.dismissed ? {} : { slot }),
    },
  ]
}
