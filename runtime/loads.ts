import { basename } from 'node:path'
import { asBulkheadError, BulkheadError } from '../bridge/errors.ts'
import type { Decisions } from './decisions.ts'
import type { Log, Tell } from './events.ts'
import type { ModuleMigrations } from './lend/module-migrations.ts'
import type { Made, Making } from './made.ts'
import type { Manifest } from './manifest.ts'
import type { Module } from './modules.ts'
import type { Origin } from './store/version-rows.ts'
import type { UpStep } from './supervisor.ts'
import { createTurns, type Turns } from './turns.ts'
import type { Versions } from './versions.ts'

/** What became of a version: it runs, it waits until somebody has decided about what it asks for, or the module is switched off. */
export type Brought = 'running' | 'waiting' | 'off'

/** Who is told of what is done of bringing a version up. */
export interface Bringing {
  /** Of the migrations that were run for it. */
  onMigrated?(ran: string[]): void
  onStep?(step: 'migrated' | UpStep): void
}

/** Brings versions of modules up: one at a time of each module. */
export interface Loads {
  /**
   * Brings up what the module is to be now: what its folder holds, or the version that every host runs. A version that
   * runs stays until the new one is ready. Of several loads that are asked for at a time, the last one reads last: the
   * newest content is what runs in the end. Where nothing runs and the newest version fails or has to wait, the last
   * one that was let in is brought up from what was kept of it.
   *
   * @throws what keeps it from coming up; it is the module's error as well
   */
  load(module: Module): Promise<void>
  /** Puts a module on the terms that hold now, and brings up a version that had waited for them. @throws as `load` */
  refresh(module: Module): Promise<void>
  /** Does something else about a module in its turn. */
  inTurn<Result>(module: Module, work: () => Promise<Result>): Promise<Result>
  /**
   * Lets a version in and brings it up beside the one that runs. Only within a turn.
   */
  bring(module: Module, version: Made['version'], told?: Bringing): Promise<Brought>
  /** Where nothing runs in its place, a module's error tells what it waits for. */
  refuseWaiting(module: Module): void
}

interface LoadsOptions {
  making: Making
  versions: Versions
  tables: Pick<ModuleMigrations, 'bringUp'>
  decisions: Pick<Decisions, 'grants' | 'terms'>
  log: Log
  tell: Tell
}

/** A module's turns, and the load that waits for its own: it has read nothing yet, so whoever asks meanwhile shares it. */
interface Queue {
  turns: Turns
  waiting: Promise<void> | undefined
}

export function openLoads({ making, versions, tables, decisions, log, tell }: LoadsOptions): Loads {
  const queues = new WeakMap<Module, Queue>()
  /** Those that the supervisor has told of already. */
  const told = new WeakSet<BulkheadError>()

  function queueOf(module: Module): Queue {
    const queue = queues.get(module) ?? { turns: createTurns(), waiting: undefined }
    queues.set(module, queue)
    return queue
  }

  function load(module: Module): Promise<void> {
    const queue = queueOf(module)
    queue.waiting ??= queue.turns.take(() => {
      queue.waiting = undefined
      return loadNow(module)
    })
    return queue.waiting
  }

  async function loadNow(module: Module): Promise<void> {
    const { supervisor, home } = module
    module.fault = undefined
    let made: Made | undefined
    try {
      if (home === undefined) return await loadKept(module)
      made = await making.fromFolder(supervisor.name, home, (manifest) => (module.manifest = manifest))
      await loadFound(module, made)
    } catch (thrown) {
      const fault = asBulkheadError(thrown)
      const isTold = told.has(fault)
      if (!isTold) module.fault = fault
      const another = await fallBack(module, made?.version.source.hash)
      if (!isTold || another) supervisor.refuse(fault)
      throw fault
    }
  }

  async function loadFound(module: Module, { version, files }: Made): Promise<void> {
    const { name } = module.supervisor
    const { hash } = version.source
    const head = versions.head(name)
    if (head?.installed) throw new BulkheadError('CONFLICT', `cannot load ${version.source.folder}, ${name} is installed; remove one of them`)
    const isHeldBack = head !== undefined && hash !== head.hash && (head.pinned || head.passedOver === hash)
    if (isHeldBack && head.current !== null) return runKept(module, head.current)
    const brought = await bring(module, version)
    if (brought === 'waiting' && !(await fallBack(module))) refuseWaiting(module)
    if (!files || (brought === 'running' && head?.hash === hash && head?.waiting === null)) return
    const origin: Origin = { kind: 'folder', folder: basename(version.source.folder) }
    const by = 'host'
    try {
      const { number } = await versions.keep({ manifest: version.manifest, artifact: version.artifact, files, origin, by })
      await versions.change(name, brought === 'waiting' ? { waiting: number } : { current: number, waiting: null, passedOver: null }, by)
    } catch (thrown) {
      // It runs; nobody can go back to it.
      log.warn({ module: name, error: (thrown as Error).message }, 'this version is not kept')
    }
  }

  async function loadKept(module: Module): Promise<void> {
    const { name } = module.supervisor
    const head = versions.head(name)
    if (!head) return
    if (head.waiting === null) module.upgrade = undefined
    else if ((await takeWaiting(module, head.waiting)) === 'running') return
    if (head.current !== null) await runKept(module, head.current)
    else refuseWaiting(module)
  }

  /** Brings up an installed version that has waited, where it need not any more. One that fails then waits no longer. */
  async function takeWaiting(module: Module, number: number): Promise<Brought> {
    const { name } = module.supervisor
    const version = await making.fromKept(name, number)
    try {
      const brought = await bring(module, version)
      if (brought === 'running') await versions.change(name, { current: number, waiting: null }, 'host')
      return brought
    } catch (thrown) {
      module.upgrade = undefined
      await versions.change(name, { waiting: null }, 'host')
      throw thrown
    }
  }

  async function runKept(module: Module, number: number): Promise<void> {
    const { supervisor } = module
    const isServing = supervisor.instance !== undefined || supervisor.state === 'idle'
    const running = supervisor.version?.source?.hash
    if (isServing && running !== undefined && running === versions.head(supervisor.name)?.hash) return
    const version = await making.fromKept(supervisor.name, number)
    if (!module.upgrade) await decisions.grants.accept(version.manifest)
    await begin(module, version)
  }

  async function begin(module: Module, version: Made['version'], { onMigrated, onStep }: Bringing = {}): Promise<void> {
    module.manifest = version.manifest
    module.folder = version.source.folder
    const ran = await prepare(version)
    onMigrated?.(ran)
    onStep?.('migrated')
    await module.supervisor.replace(version, onStep).catch((thrown: BulkheadError) => {
      told.add(thrown)
      throw thrown
    })
  }

  /** Makes what a version's terms promise it. @throws INVALID where there are none, as its configuration does not fit */
  function prepare({ manifest, terms, source }: Made['version']): Promise<string[]> {
    return tables.bringUp(manifest, source.folder, terms().permissions, { ahead: source.kept })
  }

  async function bring(module: Module, version: Made['version'], told?: Bringing): Promise<Brought> {
    if (isWaiting(module, version.manifest)) return 'waiting'
    await decisions.grants.accept(version.manifest)
    await begin(module, version, told)
    return 'running'
  }

  async function fallBack(module: Module, failed?: string): Promise<boolean> {
    const { supervisor } = module
    const head = versions.head(supervisor.name)
    const isDown = supervisor.instance === undefined && supervisor.state !== 'idle'
    if (!isDown || !head || head.current === null || head.hash === failed) return false
    return runKept(module, head.current).then(() => true, () => false)
  }

  /** Why a version's configuration does not fit it. */
  function unfitness(manifest: Manifest): BulkheadError | undefined {
    try {
      decisions.terms(manifest)
      return undefined
    } catch (thrown) {
      return asBulkheadError(thrown)
    }
  }

  /**
   * Whether a version asks for more than the one before it, and nobody has decided about that yet, or is installed and
   * has not been configured as it needs. The old one stays.
   */
  function isWaiting(module: Module, manifest: Manifest): boolean {
    const { name, version } = manifest
    const permissions = decisions.grants.undecided(manifest)
    // A folder's manifest counts at once, and so can be configured; an installed one has to have come in for that.
    const unfit = module.home === undefined ? unfitness(manifest) : undefined
    const isKnown = JSON.stringify(module.upgrade) === JSON.stringify(manifest)
    module.upgrade = permissions.length > 0 || unfit ? manifest : undefined
    if (!module.upgrade) return false
    const decision = `it asks for ${permissions.join(', ')}, about which nobody has decided; grant or revoke that`
    module.waitsFor = permissions.length > 0 ? decision : unfit?.message
    module.manifest = module.supervisor.version?.manifest ?? manifest
    if (!isKnown) tell({ type: 'module:upgrade_pending', module: name, version, permissions })
    return true
  }

  /** Where nothing runs in its place, the module's error tells what it waits for. */
  function refuseWaiting({ supervisor, upgrade, waitsFor = '' }: Module): void {
    if (!upgrade || supervisor.version) return
    const code = decisions.grants.undecided(upgrade).length > 0 ? 'CAPABILITY_DENIED' : 'INVALID'
    supervisor.refuse(new BulkheadError(code, `cannot load ${upgrade.name} ${upgrade.version}, ${waitsFor}`))
  }

  return {
    load,
    refuseWaiting,
    inTurn: (module, work) => queueOf(module).turns.take(work),
    bring,
    async refresh(module) {
      if (module.supervisor.dismissed || module.supervisor.quarantined) return
      const { supervisor, upgrade, fault } = module
      if (upgrade && !isWaiting(module, upgrade)) return load(module)
      if (fault?.code === 'INVALID') return load(module)
      const { instance, version } = supervisor
      if (!instance || !version || instance.terms === version.terms()) return
      try {
        if (version.source) await prepare(version as Made['version'])
        await instance.take(version.terms())
      } catch {
        // It takes anew what it failed to change to. One that is gone meanwhile comes up on the new terms anyway.
        if (supervisor.instance === instance) await supervisor.replace(version)
      }
    },
  }
}
