import type { Caller } from '../bridge/capabilities.ts'
import type { GuestSettings } from '../bridge/contract.ts'
import type { Data } from '../sdk/context.ts'
import type { Configs } from './configs.ts'
import type { Grants } from './grants.ts'
import type { Manifest } from './manifest.ts'
import { moduleConfig } from './module-config.ts'
import { type Hider, hiderOf, type Lend, lendNothing, reveal } from './secrets.ts'
import type { Violations } from './violations.ts'

/** On what terms a version runs: its configuration, and what it may do. They change by being replaced. */
export interface Terms {
  readonly permissions: ReadonlySet<string>
  /** What of it the isolate is told. Secrets are in it: made when it is sent, and kept nowhere. */
  settings(): Pick<GuestSettings, 'config' | 'permissions' | 'env'>
  /** Takes the secrets that the module was lent out of what it says. */
  readonly hide: Hider
  /** It asked for what it was not granted. */
  violated(caller: Caller, permission: string): void
}

interface TermsOptions {
  configs: Configs
  grants: Grants
  violations: Pick<Violations, 'note' | 'isDenied'>
  environment: Environment
}

/** The values that the operator lends to modules, by name; which module has which of them is a matter of grants. */
export type Environment = Readonly<Record<string, string>>

/** The terms of each version, the same object until something in them changes. */
export function openTerms({ configs, grants, violations, environment }: TermsOptions): (manifest: Manifest) => Terms {
  const made = new WeakMap<Manifest, { as: string; config: Data; terms: Terms }>()
  // What a module was lent once it may remember, also when it was taken back.
  const everLent = new Map<string, Set<string>>()

  function make(manifest: Manifest, config: Data): Terms {
    const { name } = manifest
    const permissions: ReadonlySet<string> = violations.isDenied(name) ? new Set() : grants.inEffect(manifest)
    const lent = grants.envNames(name).filter((variable) => Object.hasOwn(environment, variable))
    const lend = lendFrom(environment, grants)(name)
    const secrets = (everLent.get(name) ?? new Set()).union(new Set(lent.map((variable) => environment[variable] as string)))
    everLent.set(name, secrets)
    const env = lent.filter((variable) => permissions.has(`env:${variable}`))
    return {
      permissions,
      settings: () => ({
        config: reveal(config, lend).config,
        permissions: [...permissions],
        env: Object.fromEntries(env.map((variable) => [variable, environment[variable] as string])),
      }),
      hide: hiderOf(secrets),
      violated: violations.note,
    }
  }

  return (manifest) => {
    const { name } = manifest
    const as = `${configs.revision(name)} ${grants.revision(name)} ${violations.isDenied(name)}`
    const known = made.get(manifest)
    if (known?.as === as) return known.terms
    // What was revoked is revoked, also where a running version's configuration fits it no longer.
    const config = attempt(() => configs.config(manifest)) ?? known?.config ?? configs.config(manifest)
    const terms = make(manifest, config)
    made.set(manifest, { as, config, terms })
    return terms
  }
}

function attempt<Result>(make: () => Result): Result | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

/** What the operator's environment has for those that were granted it. */
export function lendFrom(environment: Environment, grants: Pick<Grants, 'isGranted'>): (module: string) => Lend {
  return (module) => (name) => {
    if (!grants.isGranted(module, `env:${name}`)) return { refused: `${module} has not been granted "env:${name}"` }
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined
    return value === undefined ? { refused: 'the operator lends no such value' } : { value }
  }
}

/**
 * The terms of a version that runs without a host's database: all that it asks for, and its own configuration
 * with the overrides over it.
 *
 * @throws BulkheadError INVALID as of `moduleConfig`
 */
export function fixedTerms(manifest: Manifest, overrides: Data = {}): () => Terms {
  const { config } = reveal(moduleConfig(manifest, overrides), lendNothing)
  const permissions = [...manifest.permissions]
  const terms: Terms = {
    permissions: new Set(permissions),
    settings: () => ({ config, permissions, env: {} }),
    hide: hiderOf([]),
    violated() {},
  }
  return () => terms
}

/** The terms of a bare script: what whoever runs it has said on the command line. */
export function scriptTerms(permissions: readonly string[], env: Readonly<Record<string, string>>): () => Terms {
  const terms: Terms = {
    permissions: new Set(permissions),
    settings: () => ({ config: {}, permissions: [...permissions], env: { ...env } }),
    hide: hiderOf([]),
    violated() {},
  }
  return () => terms
}
