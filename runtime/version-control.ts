import { BulkheadError } from '../bridge/errors.ts'
import { type Difference, differences } from './differences.ts'
import type { InstallOptions, Installer } from './install.ts'
import type { InstallReport } from './install-report.ts'
import type { Making } from './made.ts'
import type { Manifest } from './manifest.ts'
import type { Module, Modules } from './modules.ts'
import type { ModuleStatus } from './module-status.ts'
import { sourceOf } from './origins.ts'
import { countSteps, type Report } from './progress.ts'
import type { Removal } from './removal.ts'
import type { Page } from './store/pages.ts'
import type { VersionFile, VersionQuery, VersionRow } from './store/version-rows.ts'
import { readModuleFiles } from './version-files.ts'
import type { Versions } from './versions.ts'

/** A version, and whether it runs or waits. */
export type ListedVersion = VersionRow & { state: 'current' | 'waiting' | 'kept' }

export interface VersionDiff {
  from: number
  to: number
  manifest: Difference[]
  permissions: { added: string[]; removed: string[] }
  files: { added: VersionFile[]; removed: VersionFile[]; changed: Array<{ path: string; before: VersionFile; after: VersionFile }> }
}

/** What an operator does about versions of modules. */
export interface VersionControl extends Installer, Removal {
  /** Newest first, those before a number. @throws NOT_FOUND */
  list(name: string, query: VersionQuery): Promise<Page<ListedVersion>>
  /** @throws NOT_FOUND */
  get(name: string, number: number): Promise<ListedVersion>
  /**
   * Brings up a version that is kept, beside the one that runs, and switches to it. The tables stay as they are: what
   * later migrations made is there, and unused.
   *
   * @param number the one before the one that runs, unless given
   * @throws NOT_FOUND; CONFLICT where there is none before it, or the module is pinned; what bringing it up throws
   */
  rollback(name: string, number: number | undefined, by: string, report?: Report): Promise<ModuleStatus>
  /** @param from the one that runs, unless given @param to the one that waits, or else the newest, unless given */
  diff(name: string, from?: number, to?: number): Promise<VersionDiff>
  /** Installs what is now where the module came from. @throws CONFLICT for one that came as an upload, or lies in a folder */
  upgrade(name: string, options: InstallOptions): Promise<InstallReport>
  /** While it is pinned, a module stays at the version that runs. @throws NOT_FOUND; CONFLICT where none was let in yet */
  pin(name: string, pinned: boolean, by: string): Promise<ModuleStatus>
}

interface ControlOptions {
  modules: Modules
  versions: Versions
  making: Making
  installer: Installer
  removal: Removal
}

export function openVersionControl({ modules, versions, making, installer, removal }: ControlOptions): VersionControl {
  function find(name: string): Module {
    modules.status(name)
    return modules.find(name) as Module
  }

  async function row(name: string, number: number): Promise<VersionRow> {
    const found = await versions.find(name, { number })
    if (!found) throw new BulkheadError('NOT_FOUND', `${name} has no version ${number}, or it is not kept any more`)
    return found
  }

  function listed(version: VersionRow): ListedVersion {
    const head = versions.head(version.module)
    return { ...version, state: head?.current === version.number ? 'current' : head?.waiting === version.number ? 'waiting' : 'kept' }
  }

  function unpinned(name: string, what: string): void {
    const head = versions.head(name)
    if (head?.pinned) throw new BulkheadError('CONFLICT', `cannot ${what} ${name}, it is pinned to version ${head.current}; unpin it first`)
  }

  async function before(name: string): Promise<number> {
    const { current } = versions.head(name) ?? { current: null }
    const found = current === null ? undefined : await versions.find(name, { below: current })
    if (found) return found.number
    throw new BulkheadError('CONFLICT', `cannot roll back ${name}, no version before ${current ?? 'the one in its folder'} is kept`)
  }

  async function switchBack(module: Module, number: number, by: string, report: Report | undefined): Promise<void> {
    const onStep = countSteps(['fetched', 'migrated', 'loaded', 'healthy', 'switched'], report)
    const { supervisor, home } = module
    const { name } = supervisor
    const version = await making.fromKept(name, number)
    onStep('fetched')
    for (const [other, fault] of modules.needs.newFaults(version.manifest)) {
      throw new BulkheadError('DEPENDENCY', `cannot roll back ${name} to ${version.manifest.version}, ${other === name ? '' : `${other} could not go on: `}${fault.message}`)
    }
    const was = { manifest: module.manifest, folder: module.folder, upgrade: module.upgrade }
    // Its folder still holds what it is gone back from, which must not come up again by itself.
    const passedOver = home === undefined ? null : await readModuleFiles(home).then(({ hash }) => hash, () => null)
    try {
      const isOff = supervisor.dismissed || supervisor.quarantined
      const brought = isOff ? 'off' : await modules.loads.bring(module, version, { onStep })
      await versions.change(name, brought === 'waiting' ? { waiting: number } : { current: number, waiting: null, passedOver: passedOver === version.source.hash ? null : passedOver }, by)
      if (brought !== 'waiting') Object.assign(module, { upgrade: undefined, fault: undefined, manifest: version.manifest })
    } catch (thrown) {
      Object.assign(module, was)
      throw thrown
    }
  }

  return {
    ...installer,
    ...removal,
    async list(name, query) {
      find(name)
      const { items, nextCursor } = await versions.list(name, query)
      return { items: items.map(listed), nextCursor }
    },
    async get(name, number) {
      find(name)
      return listed(await row(name, number))
    },
    async rollback(name, given, by, report) {
      const module = find(name)
      await modules.loads.inTurn(module, async () => {
        unpinned(name, 'roll back')
        await switchBack(module, given ?? (await before(name)), by, report)
      })
      return modules.status(name)
    },
    async diff(name, from, to) {
      find(name)
      const head = versions.head(name)
      const [newest] = (await versions.list(name, { limit: 1 })).items
      const [a, b] = await Promise.all([row(name, from ?? head?.current ?? 0), row(name, to ?? head?.waiting ?? newest?.number ?? 0)])
      return { from: a.number, to: b.number, manifest: differences(a.manifest, b.manifest), permissions: permissionsOf(a, b), files: filesOf(a, b) }
    },
    async upgrade(name, options) {
      const { home } = find(name)
      if (home !== undefined) throw new BulkheadError('CONFLICT', `cannot upgrade ${name}, it lies in a folder of this host's; change what is there`)
      const { current } = versions.head(name) ?? { current: null }
      const { origin } = await row(name, current ?? 0)
      return installer.install(sourceOf(name, origin), { ...options, name })
    },
    async pin(name, pinned, by) {
      const module = find(name)
      await modules.loads.inTurn(module, async () => {
        if (versions.head(name)?.current == null) throw new BulkheadError('CONFLICT', `cannot pin ${name}, no version of it was let in yet`)
        await versions.change(name, { pinned }, by)
      })
      // What its folder has held meanwhile comes up.
      if (!pinned && module.home !== undefined && !module.supervisor.dismissed && !module.supervisor.quarantined) await modules.loads.load(module).catch(() => {})
      return modules.status(name)
    },
  }
}

function permissionsOf(a: VersionRow, b: VersionRow): VersionDiff['permissions'] {
  const before = (a.manifest as Manifest).permissions
  const after = (b.manifest as Manifest).permissions
  return { added: after.filter((one) => !before.includes(one)), removed: before.filter((one) => !after.includes(one)) }
}

function filesOf(a: VersionRow, b: VersionRow): VersionDiff['files'] {
  const before = new Set(a.files.map(({ path }) => path))
  const after = new Map(b.files.map((file) => [file.path, file]))
  return {
    added: b.files.filter(({ path }) => !before.has(path)),
    removed: a.files.filter(({ path }) => !after.has(path)),
    changed: a.files.flatMap((file) => {
      const now = after.get(file.path)
      return now && now.hash !== file.hash ? [{ path: file.path, before: file, after: now }] : []
    }),
  }
}
