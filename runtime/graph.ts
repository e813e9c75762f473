import { satisfies } from 'semver'
import { BulkheadError } from '../bridge/errors.ts'
import { didYouMean } from './nearest.ts'

/** What a manifest says of its place among others. */
export interface Node {
  name: string
  version: string
  /** Modules that must be ready first, with the versions that will do (semver ranges). */
  dependencies: Readonly<Record<string, string>>
  /** Capabilities that some module must provide, with the versions of that module that will do; `core` is Bulkhead itself. */
  requires: Readonly<Record<string, string>>
  provides: readonly string[]
  /** An exclusive category: at most one module that claims it is active. */
  slot?: string
}

export interface Plan {
  /** Every module, what it needs before it. */
  order: readonly string[]
  /** The modules that each needs, by name; what provides a capability among them. */
  needs: ReadonlyMap<string, readonly string[]>
  /** Why a module cannot start, whatever the others do. What merely depends on one of these is not in here. */
  faults: ReadonlyMap<string, BulkheadError>
}

/**
 * Resolves what modules need of each other. A fault is the module's own; only what depends on it stays down with it.
 *
 * @param active modules that run now: between two that claim one slot, the one that runs keeps it
 * @example planModules(nodes, '0.1.0').order // ['logger', 'heartbeat']
 */
export function planModules(nodes: readonly Node[], core: string, active: ReadonlySet<string> = new Set()): Plan {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const needs = new Map<string, string[]>()
  const faults = new Map<string, BulkheadError>()
  const refuse = (name: string, why: string) => {
    if (!faults.has(name)) faults.set(name, new BulkheadError('DEPENDENCY', `cannot start ${name}, ${why}`))
  }

  for (const node of nodes) {
    const found: string[] = []
    for (const [name, range] of Object.entries(node.dependencies)) {
      const other = byName.get(name)
      if (!other) refuse(node.name, `it depends on ${name}, and there is no such module${didYouMean(name, byName.keys())}`)
      else if (!satisfies(other.version, range)) refuse(node.name, `it depends on ${name} ${range}, and ${name} is ${other.version}`)
      else found.push(name)
    }
    for (const [capability, range] of Object.entries(node.requires)) {
      const problem = capability === 'core' ? coreProblem(core, range) : addProvider(capability, range, nodes, found)
      if (problem !== undefined) refuse(node.name, problem)
    }
    needs.set(node.name, [...new Set(found)])
  }
  for (const [slot, holder, other] of slotConflicts(nodes, active)) refuse(other, `the slot "${slot}" is held by ${holder}`)
  const { order, cycles } = sort(nodes, needs)
  for (const cycle of cycles) {
    for (const name of cycle) refuse(name, `it depends on itself: ${[...cycle, cycle[0]].join(' → ')}`)
  }
  return { order, needs, faults }
}

function coreProblem(core: string, range: string): string | undefined {
  return satisfies(core, range) ? undefined : `it requires Bulkhead ${range}, and this is ${core}`
}

/** Adds the module that provides a capability: the first by name whose version will do. */
function addProvider(capability: string, range: string, nodes: readonly Node[], found: string[]): string | undefined {
  const providers = nodes.filter(({ provides }) => provides.includes(capability)).toSorted(byNameOrder)
  const fitting = providers.find(({ version }) => satisfies(version, range))
  if (fitting) return void found.push(fitting.name)
  const [first] = providers
  if (first) return `it requires "${capability}" ${range}, and ${first.name}, which provides it, is ${first.version}`
  return `it requires "${capability}", and no module provides it${didYouMean(capability, nodes.flatMap(({ provides }) => provides))}`
}

/** Slot, who holds it, and who claims it as well. */
function slotConflicts(nodes: readonly Node[], active: ReadonlySet<string>): Array<[string, string, string]> {
  const holders = new Map<string, string>()
  const rank = (node: Node) => (active.has(node.name) ? 0 : 1)
  const conflicts: Array<[string, string, string]> = []
  for (const node of nodes.toSorted((a, b) => rank(a) - rank(b) || byNameOrder(a, b))) {
    if (node.slot === undefined) continue
    const holder = holders.get(node.slot)
    if (holder === undefined) holders.set(node.slot, node.name)
    else conflicts.push([node.slot, holder, node.name])
  }
  return conflicts
}

/** Depth first, by name where nothing else decides, so that the order does not depend on how folders are read. */
function sort(nodes: readonly Node[], needs: ReadonlyMap<string, readonly string[]>): { order: string[]; cycles: string[][] } {
  const order: string[] = []
  const cycles: string[][] = []
  const done = new Set<string>()
  const visit = (name: string, path: string[]) => {
    if (done.has(name)) return
    const at = path.indexOf(name)
    if (at >= 0) return void cycles.push(path.slice(at))
    for (const needed of needs.get(name) ?? []) visit(needed, [...path, name])
    if (!done.has(name)) order.push(name)
    done.add(name)
  }
  for (const { name } of nodes.toSorted(byNameOrder)) visit(name, [])
  return { order, cycles }
}

function byNameOrder(a: Node, b: Node): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
