import type { Caller } from '../bridge/capabilities.ts'
import type { Tell } from './events.ts'
import type { Violation, ViolationRows } from './store/violation-rows.ts'

/**
 * What becomes of a module that keeps asking for what it was not granted; each ask is refused and recorded in any case.
 * `warn`: no more than that. `deny`: for a minute it may do nothing at all. `quarantine`: it is switched off until
 * somebody enables it by hand.
 */
export const VIOLATION_POLICIES = ['warn', 'deny', 'quarantine'] as const
export type ViolationPolicy = (typeof VIOLATION_POLICIES)[number]

export interface Violations {
  /** Counts once for each permission in each execution. */
  note(caller: Caller, permission: string): void
  /** Whether a module may do nothing for now. */
  isDenied(module: string): boolean
  list(module?: string): Promise<Violation[]>
  close(): Promise<void>
}

interface ViolationsOptions {
  rows: ViolationRows
  policy: ViolationPolicy
  tell: Tell
  /** A module's permissions are denied it from now on, or no longer. */
  onDenied(module: string): void
  quarantine(module: string, reason: string): void
}

/** Violations within a minute after which the policy acts. */
export const MAX_VIOLATIONS = 20
const WINDOW_MS = 60_000
/** Permissions of a module that are told apart; what a module asks for is of its own choosing. */
const MAX_PERMISSIONS = 100
const MAX_PER_EXECUTION = 20
const OTHER = '(others)'
const PRINTABLE = /^[\x21-\x7e]{1,300}$/
const FLUSH_MS = 1_000

export function watchViolations({ rows, policy, tell, onDenied, quarantine }: ViolationsOptions): Violations {
  const noted = new WeakMap<Caller, Set<string>>()
  const recent = new Map<string, number[]>()
  const known = new Map<string, Map<string, number>>()
  const denied = new Map<string, NodeJS.Timeout>()
  let unsaved = new Map<string, Violation>()
  let saving: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  function note(caller: Caller, asked: string): void {
    const { module, version, hook, execution } = caller
    const inExecution = noted.get(caller) ?? new Set()
    noted.set(caller, inExecution)
    if (denied.has(module) || inExecution.has(asked) || inExecution.size >= MAX_PER_EXECUTION) return
    inExecution.add(asked)

    const counts = known.get(module) ?? new Map<string, number>()
    known.set(module, counts)
    const permission = PRINTABLE.test(asked) && (counts.has(asked) || counts.size < MAX_PERMISSIONS) ? asked : OTHER
    const count = (counts.get(permission) ?? 0) + 1
    counts.set(permission, count)
    // Told at once, and then the less often the more there are.
    if (Number.isInteger(Math.log2(count))) tell({ type: 'module:violation', module, version, permission, hook, execution, count })
    save({ module, version, permission, hook, execution, count: 1, firstAt: new Date(), lastAt: new Date() })
    strike(module, permission)
  }

  function strike(module: string, permission: string): void {
    const now = performance.now()
    const times = [...(recent.get(module) ?? []), now].filter((at) => now - at < WINDOW_MS)
    recent.set(module, times)
    if (policy === 'warn' || times.length < MAX_VIOLATIONS) return
    recent.delete(module)
    const reason = `it asked ${MAX_VIOLATIONS} times within a minute for what it was not granted, last for "${permission}"`
    if (policy === 'quarantine') return quarantine(module, reason)
    denied.set(module, setTimeout(() => {
      denied.delete(module)
      onDenied(module)
    }, WINDOW_MS).unref())
    tell({ type: 'module:denied', module, reason })
    onDenied(module)
  }

  function save(violation: Violation): void {
    const { module, version, permission } = violation
    const key = `${module} ${version} ${permission}`
    const { count, firstAt } = unsaved.get(key) ?? { count: 0, firstAt: violation.firstAt }
    unsaved.set(key, { ...violation, count: count + violation.count, firstAt })
    timer ??= setTimeout(() => void flush(), FLUSH_MS).unref()
  }

  async function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    await saving
    const batch = [...unsaved.values()]
    unsaved = new Map()
    if (batch.length === 0) return
    // Added to the next batch where the database is away: there are no more than a module has permissions to ask for.
    saving = rows.add(batch).catch(() => batch.forEach(save))
    await saving
  }

  return {
    note,
    isDenied: (module) => denied.has(module),
    async list(module) {
      await flush()
      return rows.list(module)
    },
    async close() {
      await flush()
      clearTimeout(timer)
      for (const timeout of denied.values()) clearTimeout(timeout)
    },
  }
}
