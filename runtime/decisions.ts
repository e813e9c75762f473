import type { Sql } from 'postgres'
import { type Configs, openConfigs } from './configs.ts'
import type { Log, Tell } from './events.ts'
import { type FirstGrant, type Grants, openGrants } from './grants.ts'
import type { Manifest } from './manifest.ts'
import { openConfigRows } from './store/config-rows.ts'
import { openGrantRows } from './store/grant-rows.ts'
import { openViolationRows } from './store/violation-rows.ts'
import { type Environment, lendFrom, openTerms, type Terms } from './terms.ts'
import { type ViolationPolicy, type Violations, watchViolations } from './violations.ts'

/** What the operator decided about modules: how each is configured, what it may do, and what becomes of who tries more. */
export interface Decisions {
  readonly configs: Configs
  readonly grants: Grants
  readonly violations: Violations
  readonly environment: Environment
  /** On what terms a version runs now. @throws INVALID where its configuration does not fit it */
  terms(manifest: Manifest): Terms
  /** Takes what was derived from grants anew. */
  granted(modules: readonly string[]): void
  close(): Promise<void>
}

export interface DecisionsOptions {
  /** Values that modules can be lent, by name; each module has to be granted each. */
  environment?: Environment
  /** What a module is granted that was never seen before: all that it declares, unless given, or nothing. */
  firstGrant?: FirstGrant
  /** `warn` unless given. */
  onViolation?: ViolationPolicy
}

interface Parts extends DecisionsOptions {
  sql: Sql
  log: Log
  tell: Tell
  /** A module's terms have changed, by another host or with time. */
  onChange(module: string): void
  quarantine(module: string, reason: string): void
}

/** How often the database is asked whether another host has changed something, ms. */
const CATCH_UP_MS = 2_000

/** @throws STORE_FAILED */
export async function openDecisions({ sql, log, tell, onChange, quarantine, environment = {}, firstGrant = 'declared', onViolation = 'warn' }: Parts): Promise<Decisions> {
  const grants = openGrants(openGrantRows(sql), firstGrant)
  const configs = openConfigs(openConfigRows(sql), lendFrom(environment, grants))
  const violations = watchViolations({ rows: openViolationRows(sql), policy: onViolation, tell, onDenied: onChange, quarantine })
  await grants.load()
  await configs.load()

  // A configuration may refer to what is lent by a grant.
  const granted = (modules: readonly string[]) => modules.forEach(configs.forget)
  async function catchUp(): Promise<void> {
    try {
      const regranted = await grants.catchUp()
      granted(regranted)
      for (const module of new Set([...regranted, ...(await configs.catchUp())])) onChange(module)
    } catch (thrown) {
      log.warn({ error: (thrown as Error).message }, 'cannot ask whether another host has changed something')
    }
  }
  let catchingUp: Promise<void> | undefined
  const timer = setInterval(() => {
    catchingUp ??= catchUp().finally(() => (catchingUp = undefined))
  }, CATCH_UP_MS).unref()

  return {
    configs,
    grants,
    violations,
    environment,
    terms: openTerms({ configs, grants, violations, environment }),
    granted,
    async close() {
      clearInterval(timer)
      await catchingUp
      await violations.close()
    },
  }
}
