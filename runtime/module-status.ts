import type { Handlers } from '../bridge/contract.ts'
import type { ErrorText } from '../bridge/errors.ts'
import type { Decisions } from './decisions.ts'
import type { Jobs, JobStatus } from './jobs.ts'
import type { Manifest } from './manifest.ts'
import type { Module } from './modules.ts'
import type { Head } from './store/version-rows.ts'
import type { ModuleState } from './supervisor.ts'

export interface ModuleStatus {
  name: string
  type: Manifest['type'] | null
  version: string | null
  description: string | null
  /** Whether it belongs to the database, and every host runs it; otherwise it lies in this host's folder of modules. */
  installed: boolean
  /** Of the version that runs, or would; null for one that was not let in yet, or is not kept. */
  number: number | null
  /** Whether it stays at that version until somebody unpins it. */
  pinned: boolean
  status: ModuleState
  hooks: string[]
  /** Those it asks for. */
  permissions: string[]
  /** Those of them that it was granted. */
  granted: string[]
  /** A newer version that waits until somebody has decided about what it asks for beyond the one before it, or has configured it. */
  upgrade: { version: string; permissions: string[]; reason: string } | null
  limits: Manifest['limits'] | null
  /** Why it is not ready, or why its newest version is not the one that runs. */
  error: ErrorText | null
  /** Failures within the last minute. */
  restarts: number
  loadedAt: string | null
  /** The process it runs in. */
  cell: number | null
  /** What its code offers, as found when it was loaded; null while it is down. */
  capabilities: Handlers | null
  /** Its intervals and schedules: when they run next, and how they ended last. */
  jobs: JobStatus[]
}

/** What an operator is told of a module. */
export function statusOf({ supervisor, manifest: read, upgrade, waitsFor = '', home }: Module, { grants }: Pick<Decisions, 'grants'>, jobs: Jobs, head: Head | undefined): ModuleStatus {
  const { name, state, version, error, failures, readyAt, instance } = supervisor
  const isPending = upgrade !== undefined && (!version || state === 'ready' || state === 'idle')
  const manifest = version?.manifest ?? read
  return {
    name,
    type: manifest?.type ?? null,
    version: manifest?.version ?? null,
    description: manifest?.description ?? null,
    installed: home === undefined,
    number: head?.current ?? null,
    pinned: head?.pinned ?? false,
    status: isPending ? 'upgrade_pending' : state,
    hooks: [...(manifest?.hooks ?? [])],
    permissions: [...(manifest?.permissions ?? [])],
    granted: manifest ? [...grants.inEffect(manifest)] : [],
    upgrade: upgrade ? { version: upgrade.version, permissions: grants.undecided(upgrade), reason: waitsFor } : null,
    limits: manifest?.limits ?? null,
    error: error ?? null,
    restarts: failures,
    loadedAt: readyAt?.toISOString() ?? null,
    cell: instance?.cell.pid ?? null,
    capabilities: instance?.handlers ?? null,
    jobs: jobs.of(name),
  }
}
