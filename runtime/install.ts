import { join } from 'node:path'
import { asBulkheadError, BulkheadError } from '../bridge/errors.ts'
import { type Artifact, bundleModule } from './bundle.ts'
import type { Catalogue } from './catalogue.ts'
import type { Decisions } from './decisions.ts'
import type { InstallReport } from './install-report.ts'
import type { ImportSources } from './loading/gathering.ts'
import type { ModuleMigrations } from './lend/module-migrations.ts'
import { type Manifest, parseManifest } from './manifest.ts'
import { type Maxima, underMaxima } from './maxima.ts'
import type { Made } from './made.ts'
import type { Module, Modules } from './modules.ts'
import type { NamedTurns } from './named-turns.ts'
import type { Origins, Source } from './origins.ts'
import type { Programs } from './programs.ts'
import { countSteps, type Report } from './progress.ts'
import { decodeText } from './sources.ts'
import type { Origin } from './store/version-rows.ts'
import { createTurns } from './turns.ts'
import { type ModuleFault, validateModule } from './validate.ts'
import type { ModuleFiles } from './version-files.ts'
import type { Versions } from './versions.ts'

export interface InstallOptions {
  by: string
  /** Finds out what would happen, and changes nothing. */
  dryRun?: boolean
  /** Whether any folder of this host may be named. */
  anywhere?: boolean
  /** Whether who installs may not grant anything: then a module that was never seen before has nothing until somebody does. */
  grantsNothing?: boolean
  /** The name that it has to have: of an upgrade, that of the module. */
  name?: string
  /** Told of each step that is done: `INSTALLING`, or with `dryRun` `EXAMINING`. */
  report?: Report | undefined
}

const EXAMINING = ['fetched', 'validated', 'bundled'] as const
const INSTALLING = [...EXAMINING, 'migrated', 'loaded', 'healthy', 'switched'] as const
type OnStep = (step: (typeof INSTALLING)[number]) => void

export interface Installer {
  /**
   * Validates a module, bundles it, runs its migrations, loads it beside the version that runs, asks whether it is
   * well, and switches to it. Where a step fails, nothing is left of it: what ran before runs on.
   *
   * @throws INVALID with every fault in the details, MANIFEST_INVALID, BUNDLE_FAILED; CONFLICT where the name is that of
   * a folder, or the module is pinned; DEPENDENCY; what loading it throws, with what became of its migrations
   */
  install(source: Source, options: InstallOptions): Promise<InstallReport>
}

interface InstallerOptions {
  catalogue: Catalogue
  artifacts: string
  imports: ImportSources
  maxima: Maxima
  origins: Origins
  programs: Programs
  modules: Pick<Modules, 'find' | 'install' | 'forget' | 'loads' | 'needs'>
  versions: Versions
  tables: ModuleMigrations
  decisions: Pick<Decisions, 'terms' | 'grants'>
  /** Of installing and removing, module by module. */
  turns: NamedTurns
}

/** A version that was found good, and what is known of it. */
interface Candidate {
  manifest: Manifest
  files: ModuleFiles
  artifact: Artifact
  folder: string
  origin: Origin
  report: InstallReport
}

/** Each holds a module's files in memory, up to 48 MiB, and lets a bundler and a cell work. */
const AT_ONCE = 4

export function openInstaller({ catalogue, artifacts, imports, maxima, origins, programs, modules, versions, tables, decisions, turns }: InstallerOptions): Installer {
  const lanes = Array.from({ length: AT_ONCE }, createTurns)
  let next = 0

  function manifestOf({ contents }: ModuleFiles): Manifest {
    const content = contents.get('module.yaml')
    if (!content) throw new BulkheadError('INVALID', 'cannot install it, there is no module.yaml')
    return underMaxima(parseManifest(decodeText('module.yaml', content), 'module.yaml', catalogue), maxima)
  }

  /** Why a version may not take a module's place, whatever is in it. */
  function conflictsOf(manifest: Manifest): BulkheadError[] {
    const { name } = manifest
    const module = modules.find(name)
    const head = versions.head(name)
    const conflicts: BulkheadError[] = []
    if (module?.home !== undefined) {
      conflicts.push(new BulkheadError('CONFLICT', `cannot install ${name}, the name is that of a module in the folder of modules`))
    } else if (head?.pinned) {
      conflicts.push(new BulkheadError('CONFLICT', `cannot install ${name} ${manifest.version}, it is pinned to version ${head.current}; unpin it first`))
    }
    for (const [other, fault] of modules.needs.newFaults(manifest)) {
      const why = other === name ? fault.message : `${other} could not go on: ${fault.message}`
      conflicts.push(new BulkheadError('DEPENDENCY', other === name ? why : `cannot install ${name} ${manifest.version}, ${why}`))
    }
    return conflicts
  }

  async function examine(manifest: Manifest, files: ModuleFiles, origin: Origin, onStep: OnStep): Promise<Candidate> {
    const { name, version, permissions: asked } = manifest
    const folder = await versions.layOut(name, files)
    const { faults } = await validateModule(folder, artifacts, { catalogue, programs, imports })
    onStep('validated')
    const told = faults.map((fault) => within(folder, fault))
    const fatal = told.filter(({ loading }) => !loading)
    const artifact = fatal.length > 0 ? undefined : await bundleModule({ folder, name, cache: artifacts, imports })
    if (artifact) onStep('bundled')
    const head = versions.head(name)
    const before = head?.current == null ? undefined : await versions.find(name, { number: head.current })
    const known = before ? (before.manifest as Manifest).permissions : []
    const { pending = [], problem } = asked.includes('db') ? await tables.status(name, folder) : {}
    const conflicts = conflictsOf(manifest)
    // Of one that was replaced by an earlier one, the tables are ahead.
    if (problem !== undefined && pending.length > 0) conflicts.push(new BulkheadError('CONFLICT', problem))
    const report: InstallReport = {
      module: name, version, hash: files.hash, number: null, origin, outcome: 'checked',
      replaces: before ? { number: before.number, version: before.version } : null,
      bytes: { files: files.list.reduce((sum, { bytes }) => sum + bytes, 0), code: Buffer.byteLength(artifact?.code ?? '') },
      permissions: { asked: [...asked], added: asked.filter((one) => !known.includes(one)), undecided: decisions.grants.undecided(manifest) },
      migrations: pending,
      conflicts: conflicts.map((conflict) => conflict.toJSON()),
      faults: told,
    }
    if (artifact) return { manifest, files, artifact, folder, origin, report }
    throw Object.assign(new BulkheadError('INVALID', `cannot install ${name} ${version}, it has faults: ${fatal.map(lineOf).join('\n')}`, { faults: fatal }), { report })
  }

  /** In the module's turn: whatever it changes is taken back where it throws. */
  async function switchTo(module: Module, { manifest, files, artifact, folder, origin, report }: Candidate, { by, grantsNothing }: InstallOptions, isFirst: boolean, onStep: OnStep): Promise<InstallReport> {
    const { name } = manifest
    const { supervisor } = module
    const head = versions.head(name)
    const before = { manifest: module.manifest, folder: module.folder, upgrade: module.upgrade, version: supervisor.version }
    const wasKnown = decisions.grants.isKnown(name)
    const version: Made['version'] = { manifest, artifact, source: { folder, hash: files.hash, kept: true }, terms: () => decisions.terms(manifest) }
    const { number, isNew } = await versions.keep({ manifest, files, artifact, origin, by })
    let ran: string[] = []
    try {
      if (!wasKnown && grantsNothing) await decisions.grants.accept(manifest, 'none')
      if (supervisor.dismissed || supervisor.quarantined) {
        await versions.change(name, { current: number, waiting: null, installed: true }, by)
        module.manifest = manifest
        return { ...report, number, outcome: 'off', migrations: [] }
      }
      const isServing = supervisor.instance !== undefined || supervisor.state === 'idle'
      if (isServing && head?.hash === files.hash) {
        module.upgrade = undefined
        if (head.waiting !== null) await versions.change(name, { waiting: null }, by)
        return { ...report, number, outcome: 'unchanged', migrations: [] }
      }
      const brought = await modules.loads.bring(module, version, { onMigrated: (names) => (ran = names), onStep })
      if (brought === 'waiting') {
        await versions.change(name, { waiting: number, installed: true }, by)
        modules.loads.refuseWaiting(module)
        return { ...report, number, outcome: 'waiting', migrations: [] }
      }
      await versions.change(name, { current: number, waiting: null, installed: true }, by)
      return { ...report, number, outcome: 'running', migrations: ran }
    } catch (thrown) {
      const failed = asBulkheadError(thrown)
      if (isFirst) await modules.forget(module)
      else {
        Object.assign(module, { manifest: before.manifest, folder: before.folder, upgrade: before.upgrade })
        if (before.version && supervisor.version !== before.version) await supervisor.replace(before.version).catch(() => {})
      }
      const migrations = await takeBack(name, ran)
      if (isNew) await versions.drop(name, number).catch(() => {})
      const { version: last } = before
      await (wasKnown ? last && decisions.grants.accept(last.manifest) : decisions.grants.forget(name, by))?.catch(() => {})
      throw new BulkheadError(failed.code, failed.message, migrations === undefined ? failed.details : { ...(failed.details as object), migrations }, failed.cause)
    }
  }

  async function takeBack(name: string, ran: string[]): Promise<{ takenBack: string[]; left: string[]; why?: string } | undefined> {
    if (ran.length === 0) return undefined
    try {
      return { takenBack: await tables.rollback(name, ran.length), left: [] }
    } catch (thrown) {
      return { takenBack: [], left: ran, why: asBulkheadError(thrown).message }
    }
  }

  async function installFiles(manifest: Manifest, files: ModuleFiles, origin: Origin, options: InstallOptions, onStep: OnStep): Promise<InstallReport> {
    const { dryRun = false } = options
    try {
      const candidate = await examine(manifest, files, origin, onStep)
      if (dryRun) return candidate.report
      const [conflict] = conflictsOf(manifest)
      if (conflict) throw conflict
      for (;;) {
        const known = modules.find(manifest.name)
        const module = known ?? modules.install(manifest.name)
        // Another host may have removed it by the time its turn comes.
        const isThere = () => modules.find(manifest.name) === module
        const done = await modules.loads.inTurn(module, async () => (isThere() ? switchTo(module, candidate, options, !known, onStep) : undefined))
        if (done) return done
      }
    } catch (thrown) {
      const { report } = thrown as { report?: InstallReport }
      if (dryRun && report) return report
      throw thrown
    } finally {
      await versions.clear(manifest.name, files.hash)
    }
  }

  async function install(source: Source, options: InstallOptions): Promise<InstallReport> {
    const onStep: OnStep = countSteps(options.dryRun ? EXAMINING : INSTALLING, options.report)
    const { files, origin } = await origins.read(source, options.anywhere ?? false)
    onStep('fetched')
    const manifest = manifestOf(files)
    const { name } = manifest
    if (options.name !== undefined && name !== options.name) {
      throw new BulkheadError('CONFLICT', `cannot upgrade ${options.name}, what is there now is the module ${name}`)
    }
    return turns.take(name, () => installFiles(manifest, files, origin, options, onStep))
  }

  return { install: (source, options) => lanes[next++ % AT_ONCE]!.take(() => install(source, options)) }
}

/** Files are told relative to the module: where it is laid out is nobody's business. */
function within(folder: string, fault: ModuleFault): ModuleFault {
  const file = fault.file === folder ? '' : fault.file.startsWith(`${folder}/`) ? fault.file.slice(folder.length + 1) : fault.file
  return { ...fault, file, message: fault.message.replaceAll(`${join(folder, '/')}`, '') }
}

function lineOf({ file, line, column, message }: ModuleFault): string {
  return line === undefined ? `${file} ${message}`.trim() : `${file}:${line}:${column} ${message}`
}
