import type { Sql } from 'postgres'

/** Why a module is switched off: by an operator, or by the host for what it did. */
export interface SwitchedOff {
  reason: string
  quarantined: boolean
}

/** Which modules are switched off; it outlives restarts. */
export interface ModuleStates {
  disabled(): Promise<ReadonlyMap<string, SwitchedOff>>
  set(module: string, enabled: boolean): Promise<void>
  quarantine(module: string, reason: string): Promise<void>
}

export function openModuleStates(sql: Sql): ModuleStates {
  async function put(module: string, off: SwitchedOff | null): Promise<void> {
    await sql`
      insert into bulkhead.modules (name, enabled, disabled_reason, quarantined)
      values (${module}, ${off === null}, ${off?.reason ?? null}, ${off?.quarantined ?? false})
      on conflict (name) do update
      set enabled = excluded.enabled, disabled_reason = excluded.disabled_reason, quarantined = excluded.quarantined, updated_at = now()`
  }
  return {
    async disabled() {
      const rows = await sql<Array<SwitchedOff & { name: string }>>`
        select name, coalesce(disabled_reason, '') as reason, quarantined from bulkhead.modules where not enabled`
      return new Map(rows.map(({ name, ...off }) => [name, off]))
    },
    set: (module, enabled) => put(module, enabled ? null : { reason: 'disabled by an operator', quarantined: false }),
    quarantine: (module, reason) => put(module, { reason, quarantined: true }),
  }
}
