import { setImmediate } from 'node:timers/promises'
import { BulkheadError } from '../bridge/errors.ts'
import type { Data } from '../sdk/context.ts'
import { layer } from './configs.ts'
import type { Decisions } from './decisions.ts'
import { type Difference, differences } from './differences.ts'
import type { Manifest } from './manifest.ts'
import { moduleConfig } from './module-config.ts'
import type { Modules } from './modules.ts'
import { allowsScope, GLOBAL, type Place, type Scope, SCOPES, scopeText } from './scopes.ts'
import type { Lend } from './secrets.ts'
import type { ConfigAction, ConfigChange, ConfigHistoryQuery, ConfigRow, Said, Wanted } from './store/config-rows.ts'
import type { Page } from './store/pages.ts'
import { lendFrom } from './terms.ts'

/** How a module is configured somewhere, and by which rows. References to secrets stay references. */
export interface Effective {
  module: string
  config: Data
  /** Whether it has a say on hooks that are called there. */
  enabled: boolean
  sources: ConfigRow[]
  schema: Data | null
  scope: Manifest['scope']
}

/** Whether what one scope says of a module fits, under what is said everywhere. */
export interface Checked extends Scope {
  module: string
  fault: BulkheadError | undefined
}

/** What an export has of one row. */
export interface Entry extends Scope, Said {
  module: string
}

export interface ConfigControl {
  /** @throws NOT_FOUND; INVALID where the rows do not fit together */
  get(module: string, place: Place): Effective
  list(module?: string): ConfigRow[]
  /**
   * Changes what one scope says; what is left out stays as it is. The module has the change before this resolves.
   *
   * @param revision of the row as the caller knows it, 0 for none: CONFLICT where it has changed meanwhile
   * @throws NOT_FOUND; INVALID with every fault where it does not fit the module's schema, or a scope that is not allowed
   */
  set(module: string, scope: Scope, said: Partial<Said>, by: string, revision?: number): Promise<ConfigRow>
  /** Takes back all that one scope says. */
  unset(module: string, scope: Scope, by: string): Promise<void>
  /** What `set` would throw, undefined where it would not. @throws NOT_FOUND */
  validate(module: string, scope: Scope, said: Partial<Said>): BulkheadError | undefined
  /**
   * Checks what is configured of all modules that are there, or of one, everywhere and in each scope: of each whether it
   * fits the manifest as it is now, and if not, why.
   *
   * @throws NOT_FOUND
   */
  validateAll(module?: string): Promise<Checked[]>
  /** @throws NOT_FOUND */
  history(module: string, query: ConfigHistoryQuery): Promise<Page<ConfigChange>>
  /**
   * Makes a scope say again what it said after a revision; 0 is before the first one, when it said nothing.
   *
   * @param revision undefined for what it said before its latest change
   * @throws NOT_FOUND; INVALID where that does not fit any more
   */
  rollback(module: string, scope: Scope, revision: number | undefined, by: string): Promise<ConfigRow | null>
  /** What changed between two revisions of a scope; 0 is before the first one, and without the second it is now. */
  diff(module: string, scope: Scope, from: number, to?: number): Promise<Difference[]>
  export(module?: string, scope?: Scope): Entry[]
  /** Sets all rows, or none. @throws as `set`, naming the first that is refused */
  import(entries: readonly Entry[], by: string, dryRun?: boolean): Promise<number>
  /** The names that the operator lends, and the modules that were granted each; never a value. */
  lent(): Array<{ name: string; modules: string[] }>
}

/** Rows that all modules may have together: they are kept in memory. */
export const MAX_ROWS = 100_000
const CHECKED_AT_ONCE = 50

export function openConfigControl(modules: Pick<Modules, 'list' | 'manifest' | 'refresh'>, { configs, grants, environment }: Decisions): ConfigControl {
  const lendTo = lendFrom(environment, grants)

  /** Changes rows under the lock, then what runs. */
  async function change(action: ConfigAction, by: string, decide: (rows: ConfigRow[]) => Wanted[]): Promise<void> {
    const changed = await configs.apply(action, by, (rows) => {
      const wanted = decide(rows)
      const added = wanted.filter(({ module, scope, after }) => after !== null && !rowAt(rows, module, scope))
      if (added.length > 0 && rows.length + added.length > MAX_ROWS) throw new BulkheadError('QUOTA', `cannot configure more, there are ${MAX_ROWS} rows at most`)
      return wanted
    })
    await Promise.all(changed.map((module) => modules.refresh(module).catch(() => {}))) // its status tells of a failure
  }

  const rowAt = (rows: readonly ConfigRow[], module: string, at: Scope) =>
    rows.find((row) => row.module === module && row.scope === at.scope && row.id === at.id)

  /** What a scope will say. @throws INVALID where that does not fit, alone or with what others say */
  function plan(rows: readonly ConfigRow[], module: string, scope: Scope, said: Partial<Said> | null): Wanted {
    const manifest = modules.manifest(module)
    const before = rowAt(rows, module, scope)
    const after = said && { config: said.config ?? before?.config ?? {}, enabled: said.enabled === undefined ? (before?.enabled ?? null) : said.enabled }
    if (after) refuseScope(manifest, scope)
    const others = rows.filter((row) => row.module === module && row !== before)
    checkAll(manifest, after ? [...others, { ...scope, config: after.config }] : others, scope, lendTo(module))
    return { module, scope, after }
  }

  async function saidAt(module: string, scope: Scope, revision: number): Promise<Said | null> {
    if (revision === 0) return null
    const found = await configs.find(module, revision)
    if (found && found.scope === scope.scope && found.id === scope.id) return found.after
    throw new BulkheadError('NOT_FOUND', `no revision ${revision} of the configuration of ${module} at ${scopeText(scope)}`)
  }

  /** The manifest, or why there is none that can be read. @throws NOT_FOUND */
  function manifestOf(module: string): Manifest | BulkheadError {
    try {
      return modules.manifest(module)
    } catch (thrown) {
      if (thrown instanceof BulkheadError && thrown.code === 'CONFLICT') return thrown
      throw thrown
    }
  }

  return {
    get(module, place) {
      const manifest = modules.manifest(module)
      return {
        module,
        config: configs.config(manifest, place),
        enabled: configs.isOn(manifest, place),
        sources: configs.sources(manifest, place),
        schema: manifest.config ?? null,
        scope: manifest.scope,
      }
    },
    list(module) {
      if (module === undefined) return configs.rows().toSorted(inOrder)
      modules.manifest(module)
      return configs.rowsOf(module).toSorted(inOrder)
    },
    async set(module, scope, said, by, revision) {
      await change('set', by, (rows) => {
        const now = rowAt(rows, module, scope)?.revision ?? 0
        if (revision !== undefined && revision !== now) {
          throw new BulkheadError('CONFLICT', `cannot set it, revision ${now} is the latest of ${scopeText(scope)} and not ${revision}`, { revision: now })
        }
        return [plan(rows, module, scope, said)]
      })
      return rowAt(configs.rowsOf(module), module, scope) as ConfigRow
    },
    async unset(module, scope, by) {
      await change('unset', by, (rows) => (rowAt(rows, module, scope) ? [plan(rows, module, scope, null)] : []))
    },
    validate(module, scope, said) {
      modules.manifest(module)
      try {
        plan(configs.rows(), module, scope, said)
        return undefined
      } catch (thrown) {
        if (thrown instanceof BulkheadError && thrown.code === 'INVALID') return thrown
        throw thrown
      }
    },
    async validateAll(module) {
      const checked: Checked[] = []
      for (const name of module === undefined ? modules.list().map((one) => one.name) : [module]) {
        const manifest = manifestOf(name)
        const rows = configs.rowsOf(name).toSorted(inOrder)
        const global = rows.filter(({ scope }) => scope === 'global')
        const scopes = rows.filter(({ scope }) => scope !== 'global').map((row) => [row, [...global, row]] as const)
        for (const [{ scope, id }, said] of [[GLOBAL, global] as const, ...scopes]) {
          checked.push({ module: name, scope, id, fault: manifest instanceof BulkheadError ? manifest : faultIn(manifest, said, { scope, id }, lendTo(name)) })
          // There may be 100,000 of them, and calls are not to wait for the last.
          if (checked.length % CHECKED_AT_ONCE === 0) await setImmediate()
        }
      }
      return checked
    },
    history(module, query) {
      modules.manifest(module)
      return configs.history(module, query)
    },
    async rollback(module, scope, revision, by) {
      modules.manifest(module)
      const latest = revision === undefined ? (await configs.history(module, { scope, limit: 1 })).items[0] : undefined
      const said = revision === undefined ? (latest?.before ?? null) : await saidAt(module, scope, revision)
      await change('rollback', by, (rows) => (said || rowAt(rows, module, scope) ? [plan(rows, module, scope, said)] : []))
      return rowAt(configs.rowsOf(module), module, scope) ?? null
    },
    async diff(module, scope, from, to) {
      modules.manifest(module)
      const now = rowAt(configs.rowsOf(module), module, scope)
      const before = await saidAt(module, scope, from)
      const after = to === undefined ? (now && { config: now.config, enabled: now.enabled }) : await saidAt(module, scope, to)
      return differences(before ?? {}, after ?? {})
    },
    export(module, scope) {
      const rows = module === undefined ? configs.rows() : configs.rowsOf(module)
      return rows
        .filter((row) => !scope || (row.scope === scope.scope && row.id === scope.id))
        .toSorted(inOrder)
        .map(({ module: name, scope: where, id, config, enabled }) => ({ module: name, scope: where, id, config, enabled }))
    },
    async import(entries, by, dryRun = false) {
      const decide = (rows: readonly ConfigRow[]) => {
        const imported = [...rows]
        const wanted: Wanted[] = []
        for (const { module, scope, id, config, enabled } of entries) {
          if (wanted.some((one) => one.module === module && one.scope.scope === scope && one.scope.id === id)) {
            throw new BulkheadError('INVALID', `cannot import ${module} at ${scopeText({ scope, id })}, it is listed twice`)
          }
          // The scopes of a module are checked as they will be together.
          const at = rowAt(imported, module, { scope, id })
          const row = { module, scope, id, config, enabled, revision: 0, changedBy: by, changedAt: new Date() }
          if (at) imported.splice(imported.indexOf(at), 1, row)
          else imported.push(row)
          wanted.push({ module, scope: { scope, id }, after: { config, enabled } })
        }
        for (const { module, scope, after } of wanted) plan(imported, module, scope, after)
        return wanted
      }
      if (dryRun) decide(configs.rows())
      else await change('import', by, decide)
      return entries.length
    },
    lent: () =>
      Object.keys(environment).toSorted().map((name) => ({
        name,
        modules: modules.list().map((module) => module.name).filter((module) => grants.isGranted(module, `env:${name}`)),
      })),
  }
}

/** What is wrong with what is said at one scope, under what is said everywhere. */
function faultIn(manifest: Manifest, said: readonly ConfigRow[], at: Scope, lend: Lend): BulkheadError | undefined {
  try {
    if (said.length > 0) refuseScope(manifest, at)
    checkAll(manifest, said, at, lend)
    return undefined
  } catch (thrown) {
    if (thrown instanceof BulkheadError) return thrown
    throw thrown
  }
}

function refuseScope(manifest: Manifest, scope: Scope): void {
  if (allowsScope(manifest, scope)) return
  const allowed = SCOPES.filter((name) => allowsScope(manifest, { scope: name }))
  const why = `its manifest does not allow the scope ${scope.scope}, only ${allowed.join(', ')}`
  throw new BulkheadError('INVALID', `cannot configure the module ${manifest.name} at ${scopeText(scope)}, ${why}`)
}

/** What is configured everywhere is checked with each scope beneath it; a scope, with what is configured everywhere. */
function checkAll(manifest: Manifest, rows: ReadonlyArray<Scope & { config: Data }>, changed: Scope, lend: Lend): void {
  const allowed = rows.filter((row) => allowsScope(manifest, row))
  const global = allowed.find(({ scope }) => scope === 'global')?.config ?? {}
  if (changed.scope === 'global') moduleConfig(manifest, global, lend)
  for (const row of allowed) {
    if (row.scope === 'global' || (changed.scope !== 'global' && (row.scope !== changed.scope || row.id !== changed.id))) continue
    try {
      moduleConfig(manifest, layer([global, row.config]), lend)
    } catch (thrown) {
      if (!(thrown instanceof BulkheadError)) throw thrown
      throw new BulkheadError(thrown.code, `${thrown.message} (at ${scopeText(row)}, under ${scopeText(GLOBAL)})`, thrown.details)
    }
  }
}

function inOrder(a: ConfigRow, b: ConfigRow): number {
  const rank = ({ scope }: ConfigRow) => SCOPES.indexOf(scope)
  return compare(a.module, b.module) || rank(a) - rank(b) || compare(a.id, b.id)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
