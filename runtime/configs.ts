import type { Data } from '../sdk/context.ts'
import type { Manifest } from './manifest.ts'
import { mergeData, moduleConfig } from './module-config.ts'
import { allowsScope, GLOBAL, type Place, type Scope, scopesOf } from './scopes.ts'
import { type Lend, reveal } from './secrets.ts'
import type { ConfigRow, ConfigRows } from './store/config-rows.ts'

/** What operators configured, in memory: all of it, so that no call waits for the database. */
export interface Configs {
  /** Reads the rows anew. @returns the modules for which something has changed */
  load(): Promise<string[]>
  /** Reads them where another host has changed something. */
  catchUp(): Promise<string[]>
  /** What was derived of a module's configuration is derived anew, as what it refers to has changed. */
  forget(module: string): void
  /** Changes whenever what is configured for a module does. */
  revision(module: string): number
  rowsOf(module: string): readonly ConfigRow[]
  rows(): readonly ConfigRow[]
  /** The configuration of a place, references in it. @throws INVALID as of `moduleConfig` */
  config(manifest: Manifest, place?: Place): Data
  /** The same as JSON for the module, secrets in it; undefined where the place adds nothing to the scope global. */
  textIn(manifest: Manifest, place: Place): string | undefined
  /** Whether a module has a say on the hooks called there: what the nearest scope says that says something. */
  isOn(manifest: Manifest, place: Place): boolean
  /** The rows that count for a place, outermost first. */
  sources(manifest: Manifest, place: Place): ConfigRow[]
  /** Makes changes, all or none. @returns the modules for which something has changed */
  apply: (...given: Parameters<ConfigRows['change']>) => Promise<string[]>
  history: ConfigRows['history']
  find: ConfigRows['find']
}

/** Places whose configuration is kept ready, for each version of a module. */
const MAX_PLACES = 1_000

interface Derived {
  revision: number
  places: Map<string, Data | Error>
}

export function openConfigs(rows: ConfigRows, lendTo: (module: string) => Lend): Configs {
  let byModule = new Map<string, Map<string, ConfigRow>>()
  let seen = 0
  let loading: Promise<unknown> = Promise.resolve()
  const revisions = new Map<string, number>()
  const derived = new WeakMap<Manifest, Derived>()

  const revision = (module: string) => revisions.get(module) ?? 0
  const forget = (module: string) => void revisions.set(module, revision(module) + 1)

  /** One after the other: what was read earlier must not take the place of what was read later. */
  function load(): Promise<string[]> {
    const loaded = loading.then(read, read)
    loading = loaded
    return loaded
  }

  async function read(): Promise<string[]> {
    const latest = await rows.latest()
    const next = groupRows(await rows.all())
    const changed = [...new Set([...byModule.keys(), ...next.keys()])].filter((module) => !same(byModule.get(module), next.get(module)))
    byModule = next
    seen = latest
    for (const module of changed) forget(module)
    return changed
  }

  function sources(manifest: Manifest, place: Place): ConfigRow[] {
    const own = byModule.get(manifest.name)
    if (!own) return []
    return scopesOf(place).flatMap((scope) => {
      const row = own.get(keyOf(scope))
      return row && allowsScope(manifest, scope) ? [row] : []
    })
  }

  function derive(manifest: Manifest, from: readonly ConfigRow[]): Data {
    let mine = derived.get(manifest)
    if (mine?.revision !== revision(manifest.name)) derived.set(manifest, (mine = { revision: revision(manifest.name), places: new Map() }))
    const key = from.map(keyOf).join('\n')
    let found = mine.places.get(key)
    if (!found) {
      found = attempt(() => moduleConfig(manifest, layer(from.map(({ config }) => config)), lendTo(manifest.name)))
      const [oldest] = mine.places.keys()
      if (oldest !== undefined && mine.places.size >= MAX_PLACES) mine.places.delete(oldest)
      mine.places.set(key, found)
    }
    if (found instanceof Error) throw found
    return found
  }

  const config: Configs['config'] = (manifest, place = {}) => derive(manifest, sources(manifest, place).filter(saysConfig))
  const open = (manifest: Manifest, closed: Data) => reveal(closed, lendTo(manifest.name)).config

  return {
    load,
    catchUp: async () => ((await rows.latest()) > seen ? load() : []),
    forget,
    revision,
    rowsOf: (module) => [...(byModule.get(module)?.values() ?? [])],
    rows: () => [...byModule.values()].flatMap((own) => [...own.values()]),
    config,
    textIn(manifest, place) {
      const from = sources(manifest, place).filter(saysConfig)
      if (from.every(({ scope }) => scope === 'global')) return undefined
      return JSON.stringify(open(manifest, derive(manifest, from)))
    },
    isOn(manifest, place) {
      const nearest = sources(manifest, place).findLast(({ enabled }) => enabled !== null)
      return nearest?.enabled ?? allowsScope(manifest, GLOBAL)
    },
    sources,
    async apply(...given) {
      await rows.change(...given)
      return load()
    },
    history: rows.history,
    find: rows.find,
  }
}

/** Mappings laid over each other, the first lowest. */
export function layer(configs: readonly Data[]): Data {
  return configs.reduce((below, config) => mergeData(below, structuredClone(config)), {})
}

function saysConfig({ config }: ConfigRow): boolean {
  return Object.keys(config).length > 0
}

/** A row's key, and that of the scope it holds for; no name of a scope has a NUL in it. */
function keyOf({ scope, id }: Scope): string {
  return `${scope}\0${id}`
}

function groupRows(rows: readonly ConfigRow[]): Map<string, Map<string, ConfigRow>> {
  const byModule = new Map<string, Map<string, ConfigRow>>()
  for (const row of rows) {
    let own = byModule.get(row.module)
    if (!own) byModule.set(row.module, (own = new Map()))
    own.set(keyOf(row), row)
  }
  return byModule
}

function same(one: ReadonlyMap<string, ConfigRow> | undefined, other: ReadonlyMap<string, ConfigRow> | undefined): boolean {
  if (one?.size !== other?.size) return false
  return [...(one ?? [])].every(([key, { revision }]) => other?.get(key)?.revision === revision)
}

function attempt(make: () => Data): Data | Error {
  try {
    return make()
  } catch (thrown) {
    return thrown as Error
  }
}
