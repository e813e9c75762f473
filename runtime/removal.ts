import { BulkheadError } from '../bridge/errors.ts'
import type { Decisions } from './decisions.ts'
import type { Module, Modules } from './modules.ts'
import type { NamedTurns } from './named-turns.ts'
import type { Report } from './progress.ts'
import type { Database } from './store/database.ts'
import type { ModuleStates } from './store/module-states.ts'
import { type Purged, purgeModule } from './store/purge.ts'
import type { Versions } from './versions.ts'
import { within } from './within.ts'

export interface RemoveOptions {
  /** Removes those that depend on it as well; otherwise they keep it. */
  cascade?: boolean
  /** What is deleted of what they keep, grants included where all of it is. */
  purge?: readonly Purged[]
  /** Finds out what would happen, and changes nothing. */
  dryRun?: boolean
  by: string
  /** Told of each module that has left, and of each whose data are deleted. */
  report?: Report | undefined
}

export interface Removed {
  /** In the order in which they left, those first that depend on others. */
  removed: string[]
  purged: Array<{ module: string; deleted: Partial<Record<Purged, number>> }>
}

export interface Removal {
  /**
   * Removes an installed module with all its versions: it finishes its calls and leaves. What it keeps stays, and so
   * does what was decided about it, for the day it is installed again.
   *
   * @throws NOT_FOUND; DEPENDENCY while others depend on it; CONFLICT for one that lies in a folder
   */
  remove(name: string, options: RemoveOptions): Promise<Removed>
  /** Deletes what is kept of a module that is not there any more, and its versions. @throws CONFLICT while it is there */
  purge(name: string, what: readonly Purged[], by: string): Promise<Partial<Record<Purged, number>>>
}

interface RemovalOptions {
  modules: Pick<Modules, 'find' | 'status' | 'forget' | 'loads' | 'needs'>
  versions: Versions
  states: ModuleStates
  decisions: Pick<Decisions, 'grants' | 'configs'>
  database: Database
  /** Of installing and removing, module by module. */
  turns: NamedTurns
}

/** Schemas are named after modules, and other names might be those of others. */
const MODULE_NAME = /^[a-z][a-z0-9-]{0,62}$/
/** Nobody waits longer for a module to leave, ms; it is on its way. */
const LEAVE_MS = 10_000

export function openRemoval({ modules, versions, states, decisions, database, turns }: RemovalOptions): Removal {
  /** The module and all that need it, those first that others do not need. Who needs itself never starts, and needs nobody. */
  function withDependants(name: string, order: string[] = []): string[] {
    for (const dependant of modules.needs.dependants(name)) withDependants(dependant, order)
    if (!order.includes(name)) order.push(name)
    return order
  }

  function installed(name: string): void {
    modules.status(name)
    const module = modules.find(name) as Module
    if (module.home === undefined) return
    throw new BulkheadError('CONFLICT', `cannot remove ${name}, it lies in a folder of this host's; remove the folder, or disable the module`)
  }

  async function leave(name: string): Promise<void> {
    const module = modules.find(name)
    // Somebody else was faster.
    if (!module || module.home !== undefined) return
    await modules.loads.inTurn(module, async () => {
      await versions.remove(name)
      await within(LEAVE_MS, modules.forget(module))
    })
    await states.set(name, true)
  }

  async function purgeNow(name: string, what: readonly Purged[], by: string): Promise<Partial<Record<Purged, number>>> {
    const deleted = await purgeModule(database, name, what)
    if (what.includes('config')) {
      await decisions.grants.forget(name, by)
      await decisions.configs.load()
    }
    return deleted
  }

  return {
    async remove(name, { cascade = false, purge = [], dryRun = false, by, report }) {
      installed(name)
      const leaving = withDependants(name)
      if (leaving.length > 1 && !cascade) {
        const others = leaving.filter((one) => one !== name).join(', ')
        throw new BulkheadError('DEPENDENCY', `cannot remove ${name}, ${others} would be left without it; remove them first, or say cascade`)
      }
      leaving.forEach(installed)
      if (dryRun) return { removed: leaving, purged: [] }
      const of = purge.length > 0 ? 2 * leaving.length : leaving.length
      for (const [index, one] of leaving.entries()) {
        await turns.take(one, () => leave(one))
        report?.({ step: `removed ${one}`, done: index + 1, of })
      }
      const purged = []
      for (const [index, module] of (purge.length > 0 ? leaving : []).entries()) {
        purged.push({ module, deleted: await turns.take(module, () => purgeNow(module, purge, by)) })
        report?.({ step: `purged ${module}`, done: leaving.length + index + 1, of })
      }
      return { removed: leaving, purged }
    },
    async purge(name, what, by) {
      if (!MODULE_NAME.test(name)) throw new BulkheadError('NOT_FOUND', `no module can have the name ${JSON.stringify(name)}`)
      await versions.refresh()
      if (modules.find(name) || versions.head(name)?.installed) throw new BulkheadError('CONFLICT', `cannot delete what is kept of ${name}, the module is there; remove it first`)
      return turns.take(name, async () => {
        const deleted = await purgeNow(name, what, by)
        // Those of a folder that is gone.
        await versions.remove(name)
        return deleted
      })
    },
  }
}
