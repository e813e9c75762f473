import packageFile from '../package.json' with { type: 'json' }
import { asBulkheadError, BulkheadError } from '../bridge/errors.ts'
import { checkHealth } from './bring-up.ts'
import type { Catalogue } from './catalogue.ts'
import type { Cells } from './cells.ts'
import type { Decisions } from './decisions.ts'
import type { Log, Tell } from './events.ts'
import { openFollowing } from './following.ts'
import { openFound } from './found.ts'
import { nameOf } from './instance.ts'
import { openJobs } from './jobs.ts'
import { type Loads, openLoads } from './loads.ts'
import type { Manifest } from './manifest.ts'
import type { Making } from './made.ts'
import { type ModuleStatus, statusOf } from './module-status.ts'
import { didYouMean } from './nearest.ts'
import { type Needs, watchNeeds } from './needs.ts'
import type { JobRuns } from './store/job-runs.ts'
import type { ModuleMigrations } from './lend/module-migrations.ts'
import type { Head } from './store/version-rows.ts'
import type { ModuleStates, SwitchedOff } from './store/module-states.ts'
import { superviseModule, type Supervisor } from './supervisor.ts'
import type { Versions } from './versions.ts'

/** A module, and who keeps it running. */
export interface Module {
  /** The folder in which it was found, which may be renamed; undefined for one that is installed. */
  home: string | undefined
  /** Where the files lie of the version that was brought up last: its home, or where a kept one was laid out. */
  folder: string
  /** Whether another folder has the name that its manifest claims. */
  isDouble: boolean
  /** As it was last read: where the code could not be made, a closed hook still blocks. */
  manifest: Manifest | undefined
  /** A version that waits for grants, or to be configured. */
  upgrade: Manifest | undefined
  /** Why that one waits. */
  waitsFor: string | undefined
  /** Why the newest version could not be made, or does not fit its configuration. */
  fault: BulkheadError | undefined
  readonly supervisor: Supervisor
}

/** What a module says when it is asked whether it is well; one that is down is not. */
export interface ModuleHealth {
  module: string
  healthy: boolean
  status: ModuleStatus['status']
  message: string | null
}

/** The modules of one folder, and those that are installed. */
export interface Modules {
  /** Finds every module of the folder and places it. One that fails is listed with its error and stops no other. */
  discover(): Promise<void>
  all(): Iterable<Module>
  find(name: string): Module | undefined
  /** Every module, what it needs before it. */
  order(): readonly string[]
  list(): ModuleStatus[]
  /** @throws NOT_FOUND with the nearest name */
  status(name: string): ModuleStatus
  enable(name: string): Promise<ModuleStatus>
  disable(name: string): Promise<ModuleStatus>
  reload(name: string): Promise<ModuleStatus>
  restart(name: string): Promise<ModuleStatus>
  health(name: string): Promise<ModuleHealth>
  /**
   * A folder of the modules folder is new, or something in it has changed: its module is brought up as it is there
   * now. Where a module's folder has another name now, tell of the new one before telling that the old one is gone:
   * the module then stays what it is. A module that fails tells so in its status.
   *
   * @param child the folder's name
   */
  found(child: string): Promise<void>
  /** A folder is gone: its module finishes its calls and is forgotten. What was decided about it, and its data, stay. */
  gone(child: string): Promise<void>
  /**
   * Puts a module on the terms that hold now, and brings up a version that had waited for them.
   *
   * @throws what bringing it up throws
   */
  refresh(name: string): Promise<void>
  /** Switches a module off for what it did; its closed hooks block. */
  quarantine(name: string, reason: string): void
  /** What configuration and grants are about: the newest manifest that was read. @throws NOT_FOUND, CONFLICT where none can be read */
  manifest(name: string): Manifest
  /** Brings instances up elsewhere before they leave the cell they are in. */
  move(keys: readonly string[]): void
  /** An instance is gone; its module is told. */
  fell(...[key, blame, reason]: Parameters<Supervisor['fell']>): void
  /** Puts an installed module on the list; nothing of it is brought up. */
  install(name: string): Module
  /** Takes a module off the list: what it runs drains and leaves. Decisions, and what it keeps, stay. */
  forget(module: Module): Promise<void>
  readonly loads: Loads
  readonly needs: Pick<Needs, 'dependants' | 'newFaults'>
  stop(): Promise<void>
}

interface ModulesOptions {
  folder: string
  catalogue: Catalogue
  cells: Cells
  tables: Pick<ModuleMigrations, 'bringUp'>
  versions: Versions
  making: Making
  states: ModuleStates
  runs: JobRuns
  decisions: Pick<Decisions, 'grants' | 'terms'>
  log: Log
  tell: Tell
}

/** A module that has not said by then that it is well is not, ms. */
const HEALTH_MS = 5_000
/** What `requires.core` is compared with. */
const CORE_VERSION = packageFile.version

export function openModules({ folder, catalogue, cells, tables, versions, making, states, decisions, runs, log, tell }: ModulesOptions): Modules {
  const modules = new Map<string, Module>()
  const needs = watchNeeds(modules, CORE_VERSION)
  const jobs = openJobs((name) => modules.get(name), runs, tell)
  const tellAll: Tell = (event) => {
    tell(event)
    needs.tell(event)
    jobs.tell(event)
    // Its terms may have changed while it was being brought up.
    if (event.type === 'module:ready') refresh(event.module).catch(() => {})
  }
  const loads = openLoads({ making, versions, tables, decisions, log, tell })
  const following = openFollowing({ versions, modules, follow, states, switched, log })
  const folders = openFound({ folder, catalogue, log, modules, add: (name, home, shipped) => add(name, home, shipped ? 'shipped' : 'installed'), forget })

  function find(name: string): Module {
    const module = modules.get(name)
    if (!module) throw new BulkheadError('NOT_FOUND', `no module named ${JSON.stringify(name)}${didYouMean(name, modules.keys())}`)
    return module
  }

  function add(name: string, home: string | undefined, trust: 'shipped' | 'installed'): Module {
    const supervisor = superviseModule({ name, trust, cells, tell: tellAll })
    const folderNow = home ?? versions.folderOf(name, versions.head(name)?.hash ?? '')
    const module: Module = { home, folder: folderNow, isDouble: false, manifest: undefined, upgrade: undefined, waitsFor: undefined, fault: undefined, supervisor }
    modules.set(name, module)
    return module
  }

  const tellStatus = (module: Module) => statusOf(module, decisions, jobs, module.isDouble ? undefined : versions.head(module.supervisor.name))

  /** What it runs drains and leaves. Decisions, and what it keeps, stay. */
  async function forget(module: Module): Promise<void> {
    const { name } = module.supervisor
    if (modules.get(name) === module) modules.delete(name)
    await module.supervisor.stop()
  }

  /** Brings a module up unless somebody switched it off. Its status tells of a failure. */
  async function begin(module: Module, off: SwitchedOff | undefined): Promise<void> {
    const { supervisor, isDouble } = module
    if (supervisor.dismissed || supervisor.quarantined) return
    if (off?.quarantined) supervisor.quarantine(quarantined(supervisor.name, off.reason))
    else if (off) await supervisor.disable()
    else if (!isDouble) await loads.load(module).catch(() => {})
  }

  async function refresh(name: string): Promise<void> {
    const module = modules.get(name)
    if (module) await loads.refresh(module)
  }

  /** With its manifest, so that those who need it know of it before it is up. */
  async function addInstalled({ module: name, current }: Head): Promise<Module> {
    const module = modules.get(name) ?? add(name, undefined, 'installed')
    if (current !== null) module.manifest = await making.fromKept(name, current).then(({ manifest }) => manifest, () => undefined)
    return module
  }

  /** Other hosts install modules, bring other versions up, and remove them. */
  async function follow(name: string): Promise<void> {
    const head = versions.head(name)
    const known = modules.get(name)
    if (known && known.home !== undefined) return
    if (!head?.installed) {
      // Unless it is being installed again, by this host.
      const leave = async () => {
        if (versions.head(name)?.installed) return
        await forget(known as Module)
        await versions.clear(name)
      }
      return known && loads.inTurn(known, leave)
    }
    const module = known ?? (await addInstalled(head))
    if (!known) needs.reconcile()
    await begin(module, (await states.disabled()).get(name))
  }

  /** Other hosts switch modules on and off, whose states are of the database and not of one host. */
  async function switched(name: string, off: SwitchedOff | undefined): Promise<void> {
    const module = modules.get(name)
    if (!module) return
    const { supervisor } = module
    const isOff = supervisor.dismissed || supervisor.quarantined
    if (off && !isOff) return begin(module, off)
    if (off || !isOff) return
    tell({ type: 'module:enabled', module: name })
    await loads.load(module).catch((thrown: unknown) => {
      // What the module fails with is in its status.
      if (asBulkheadError(thrown).code === 'STORE_FAILED') throw thrown
    })
  }

  async function restart(name: string): Promise<ModuleStatus> {
    const module = find(name)
    await loads.inTurn(module, async () => {
      const { version, dismissed, quarantined: isOut } = module.supervisor
      if (!version || dismissed || isOut) throw new BulkheadError('CONFLICT', `cannot restart ${name}, it does not run; enable it instead`)
      await module.supervisor.replace(version)
    })
    return tellStatus(module)
  }

  /** Resolves when nothing is being brought up, and nothing will be by itself. */
  async function settled(): Promise<void> {
    for (;;) {
      const busy = [...modules.values()].filter(({ supervisor }) => supervisor.recovering)
      if (busy.length === 0) return
      await Promise.all(busy.map(({ supervisor }) => supervisor.settled()))
    }
  }

  return {
    async discover() {
      const disabled = await states.disabled()
      const installed = [...versions.heads()].filter((head) => head.installed)
      await Promise.all(installed.map(addInstalled))
      await folders.all()
      following.start(disabled)
      needs.reconcile()
      await Promise.all([...modules.values()].map((module) => begin(module, disabled.get(module.supervisor.name))))
      await settled()
    },
    all: () => modules.values(),
    find: (name) => modules.get(name),
    order: needs.order,
    list: () => [...modules.values()].map((module) => tellStatus(module)).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    status: (name) => tellStatus(find(name)),
    async enable(name) {
      const module = find(name)
      await states.set(name, true)
      following.enabled(name)
      if (module.supervisor.state !== 'ready') {
        tell({ type: 'module:enabled', module: name })
        await loads.load(module)
      }
      return tellStatus(module)
    },
    async disable(name) {
      const module = find(name)
      await states.set(name, false)
      if (!module.supervisor.dismissed) await module.supervisor.disable()
      return tellStatus(module)
    },
    async reload(name) {
      const module = find(name)
      const { dismissed, quarantined: isOut } = module.supervisor
      if (dismissed || isOut) throw new BulkheadError('CONFLICT', `cannot reload ${name}, it is disabled; enable it instead`)
      const head = versions.head(name)
      if (head?.pinned) throw new BulkheadError('CONFLICT', `cannot reload ${name}, it is pinned to version ${head.current}; unpin it first`)
      // What is installed changes by another version alone.
      if (module.home === undefined && module.supervisor.instance) return restart(name)
      // Whoever asks for what the folder holds has thought better of going back from it.
      if (head?.passedOver) await versions.change(name, { passedOver: null }, 'host')
      await loads.load(module)
      return tellStatus(module)
    },
    restart,
    async health(name) {
      const { supervisor } = find(name)
      const tell = (message: string | null) => ({ module: name, healthy: message === null, status: supervisor.state, message })
      // A plugin is loaded when it is used.
      if (!supervisor.instance) return tell(supervisor.state === 'idle' ? null : (supervisor.error?.message ?? `it is ${supervisor.state}`))
      return checkHealth(supervisor.instance, HEALTH_MS).then(() => tell(null), (thrown: unknown) => tell(asBulkheadError(thrown).message))
    },
    async found(child) {
      const module = await folders.add(child)
      if (!module) return
      needs.reconcile()
      await begin(module, (await states.disabled()).get(module.supervisor.name))
    },
    async gone(child) {
      const freed = await folders.remove(child)
      if (freed.length === 0) return
      const disabled = await states.disabled()
      await Promise.all(freed.map((module) => begin(module, disabled.get(module.supervisor.name))))
    },
    refresh,
    quarantine(name, reason) {
      const module = modules.get(name)
      if (!module || module.supervisor.quarantined || module.supervisor.dismissed) return
      module.supervisor.quarantine(quarantined(name, reason))
      states.quarantine(name, reason).catch((thrown: Error) => log.error({ module: name, error: thrown.message }, 'cannot keep that a module is in quarantine'))
    },
    manifest(name) {
      const module = find(name)
      const manifest = module.upgrade ?? module.manifest
      if (manifest) return manifest
      throw new BulkheadError('CONFLICT', `cannot tell what ${name} asks for, its manifest cannot be read`, module.supervisor.error)
    },
    move(keys) {
      for (const key of keys) modules.get(nameOf(key))?.supervisor.move(key)
    },
    fell: (key, blame, reason) => modules.get(nameOf(key))?.supervisor.fell(key, blame, reason),
    install: (name) => add(name, undefined, 'installed'),
    forget,
    loads,
    needs,
    async stop() {
      await following[Symbol.asyncDispose]()
      jobs[Symbol.dispose]()
      // Who needs a module stops before it.
      const stopping = new Map<string, Promise<void>>()
      for (const name of [...modules.keys()].toSorted(byOrder(needs.order().toReversed()))) {
        const first = needs.dependants(name).map((dependant) => stopping.get(dependant))
        stopping.set(name, Promise.all(first).then(() => find(name).supervisor.stop()))
      }
      await Promise.all(stopping.values())
    },
  }
}

function byOrder(order: readonly string[]): (a: string, b: string) => number {
  const places = new Map(order.map((name, place) => [name, place]))
  return (a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0)
}

function quarantined(name: string, reason: string): BulkheadError {
  return new BulkheadError('CAPABILITY_DENIED', `${name} is switched off, ${reason}; enable it by hand once that is looked into`)
}
