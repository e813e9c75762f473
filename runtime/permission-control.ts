import { BulkheadError } from '../bridge/errors.ts'
import type { Decisions } from './decisions.ts'
import type { Modules } from './modules.ts'
import { permissionProblem } from './permissions.ts'
import { namesIn } from './secrets.ts'
import { scopeText } from './scopes.ts'
import type { GrantChange, GrantHistoryQuery } from './store/grant-rows.ts'
import type { Page } from './store/pages.ts'
import type { Violation } from './store/violation-rows.ts'

/** Whether a module may do something, and why. */
export interface Permission {
  module: string
  permission: string
  /** Whether its newest version asks for it. Of what it does not ask for, only "env:…" has an effect, in its configuration. */
  asked: boolean
  granted: boolean
  /** Null where nobody has decided. */
  decidedBy: string | null
  decidedAt: Date | null
}

/** What an operator does about permissions. */
export interface PermissionControl {
  /** What modules ask for, and what was decided. @throws NOT_FOUND */
  list(module?: string): Permission[]
  /** @throws NOT_FOUND */
  check(module: string, permission: string): Permission & { effective: boolean }
  /**
   * Grants permissions; a version that waits for them is brought up before this resolves.
   *
   * @param permissions all that its newest version asks for, unless given
   * @throws NOT_FOUND; INVALID for what is no permission, or one that it does not ask for
   */
  grant(module: string, permissions: readonly string[] | undefined, by: string): Promise<Permission[]>
  /** Takes permissions away, also from what runs. @throws as `grant`, and CONFLICT while a configuration needs one */
  revoke(module: string, permissions: readonly string[] | undefined, by: string): Promise<Permission[]>
  audit(query: GrantHistoryQuery): Promise<{ decisions: Page<GrantChange>; violations: Violation[] }>
}

export function openPermissionControl(modules: Pick<Modules, 'list' | 'manifest' | 'refresh'>, decisions: Decisions): PermissionControl {
  const { grants, configs, violations } = decisions

  function permissionsOf(module: string): Permission[] {
    const { permissions: asked } = modules.manifest(module)
    const rows = new Map(grants.rowsOf(module).map((row) => [row.permission, row]))
    return [...new Set([...asked, ...rows.keys()])].toSorted().map((permission) => {
      const row = rows.get(permission)
      return {
        module,
        permission,
        asked: asked.includes(permission),
        granted: row?.granted ?? false,
        decidedBy: row?.decidedBy ?? null,
        decidedAt: row?.decidedAt ?? null,
      }
    })
  }

  async function decide(module: string, given: readonly string[] | undefined, granted: boolean, by: string): Promise<Permission[]> {
    const { permissions: asked } = modules.manifest(module)
    const known = [...asked, ...grants.rowsOf(module).map(({ permission }) => permission)]
    const permissions = given ?? (granted ? asked : known)
    for (const permission of permissions) {
      const problem = known.includes(permission) ? undefined : permissionProblem(permission)
      if (problem) throw new BulkheadError('INVALID', `cannot ${granted ? 'grant' : 'revoke'} it to ${module}, ${problem}`)
      if (known.includes(permission) || permission.startsWith('env:')) continue
      const why = asked.length === 0 ? 'it asks for nothing' : `it asks for ${asked.join(', ')}`
      throw new BulkheadError('INVALID', `cannot ${granted ? 'grant' : 'revoke'} "${permission}", ${module} does not ask for it: ${why}`)
    }
    if (!granted) refuseNeeded(module, permissions)
    await grants.decide(module, permissions, granted, by)
    decisions.granted([module])
    await modules.refresh(module)
    return permissionsOf(module)
  }

  /** A value that a configuration refers to cannot be taken away under it. */
  function refuseNeeded(module: string, permissions: readonly string[]): void {
    for (const row of configs.rowsOf(module)) {
      const needed = [...namesIn(row.config)].find((name) => permissions.includes(`env:${name}`) && grants.isGranted(module, `env:${name}`))
      if (needed === undefined) continue
      const message = `cannot revoke "env:${needed}", the configuration of ${module} at ${scopeText(row)} refers to it; change that first`
      throw new BulkheadError('CONFLICT', message)
    }
  }

  return {
    list(module) {
      if (module !== undefined) return permissionsOf(module)
      return modules.list().flatMap(({ name, version }) => (version === null ? [] : permissionsOf(name)))
    },
    check(module, permission) {
      const manifest = modules.manifest(module)
      const found = permissionsOf(module).find((one) => one.permission === permission)
      const none = { module, permission, asked: false, granted: false, decidedBy: null, decidedAt: null }
      const effective = grants.inEffect(manifest).has(permission) && !violations.isDenied(module)
      return { ...(found ?? none), effective }
    },
    grant: (module, permissions, by) => decide(module, permissions, true, by),
    revoke: (module, permissions, by) => decide(module, permissions, false, by),
    async audit(query) {
      if (query.module !== undefined) modules.manifest(query.module)
      return { decisions: await grants.history(query), violations: await violations.list(query.module) }
    },
  }
}
