import { reachesInside } from '../bridge/net-grant.host.ts'
import type { Manifest } from './manifest.ts'
import type { AskRow, GrantRow, GrantRows } from './store/grant-rows.ts'

/** What modules may do: what they ask for, and what an operator granted of it, in memory. */
export interface Grants {
  load(): Promise<string[]>
  /** Reads them where another host has changed something. @returns the modules for which something has changed */
  catchUp(): Promise<string[]>
  /** Changes whenever a decision about a module does. */
  revision(module: string): number
  rowsOf(module: string): readonly GrantRow[]
  isGranted(module: string, permission: string): boolean
  /** What a version asks for and was granted. */
  inEffect(manifest: Manifest): ReadonlySet<string>
  /** What a version asks for beyond the last one, and nobody has decided; nothing for a module never seen before. */
  undecided(manifest: Manifest): string[]
  /** Lets a version in; the first one is granted what the policy says, unless said otherwise. */
  accept(manifest: Manifest, firstGrant?: FirstGrant): Promise<void>
  /** Whether a version of the module was ever let in. */
  isKnown(module: string): boolean
  /** Takes back all that was decided about a module. */
  forget(module: string, by: string): Promise<void>
  decide(module: string, permissions: readonly string[], granted: boolean, by: string): Promise<void>
  history: GrantRows['history']
  /** Names in `env:NAME` that a module was granted. */
  envNames(module: string): string[]
}

/**
 * What a module that was never seen before is granted: what its manifest asks for, but for the operator's values
 * (`env:…`), which are secrets until somebody says otherwise, and for addresses that are not public; or nothing.
 */
export const FIRST_GRANTS = ['declared', 'none'] as const
export type FirstGrant = (typeof FIRST_GRANTS)[number]

export function openGrants(rows: GrantRows, first: FirstGrant): Grants {
  let granted = new Map<string, Map<string, GrantRow>>()
  let asks = new Map<string, AskRow>()
  let seen = 0
  let loading: Promise<unknown> = Promise.resolve()
  const revisions = new Map<string, number>()

  /** One after the other: what was read earlier must not take the place of what was read later. */
  function load(): Promise<string[]> {
    const loaded = loading.then(read, read)
    loading = loaded
    return loaded
  }

  async function read(): Promise<string[]> {
    const latest = await rows.latest()
    const all = await rows.all()
    const next = Map.groupBy(all.grants, ({ module }) => module)
    const changed = [...new Set([...granted.keys(), ...next.keys()])].filter((module) => {
      const [before, after] = [granted.get(module), next.get(module) ?? []]
      return before?.size !== after.length || after.some((row) => before.get(row.permission)?.granted !== row.granted)
    })
    granted = new Map([...next].map(([module, own]) => [module, new Map(own.map((row) => [row.permission, row]))]))
    asks = new Map(all.asks.map((ask) => [ask.module, ask]))
    seen = latest
    for (const module of changed) revisions.set(module, (revisions.get(module) ?? 0) + 1)
    return changed
  }

  const isGranted = (module: string, permission: string) => granted.get(module)?.get(permission)?.granted ?? false

  return {
    load,
    catchUp: async () => ((await rows.latest()) > seen ? load() : []),
    revision: (module) => revisions.get(module) ?? 0,
    rowsOf: (module) => [...(granted.get(module)?.values() ?? [])],
    isGranted,
    inEffect: ({ name, permissions }) => new Set(permissions.filter((permission) => isGranted(name, permission))),
    undecided({ name, permissions }) {
      const last = asks.get(name)
      if (!last) return []
      return permissions.filter((permission) => !last.permissions.includes(permission) && !granted.get(name)?.has(permission))
    },
    async accept({ name, version, permissions }, firstGrant = first) {
      const last = asks.get(name)
      const same = last?.permissions.length === permissions.length && permissions.every((one) => last.permissions.includes(one))
      if (same && last?.version === version) return
      const lent = firstGrant === 'declared' ? permissions.filter((permission) => !permission.startsWith('env:') && !reachesInside(permission)) : []
      await rows.accept({ module: name, version, permissions: [...permissions] }, lent, `first grant: ${firstGrant}`)
      await load()
    },
    isKnown: (module) => asks.has(module),
    async forget(module, by) {
      await rows.forget(module, by)
      await load()
    },
    async decide(module, permissions, isGrant, by) {
      await rows.decide(module, permissions, isGrant, by)
      await load()
    },
    history: rows.history,
    envNames: (module) =>
      [...(granted.get(module)?.values() ?? [])]
        .filter(({ permission, granted: may }) => may && permission.startsWith('env:'))
        .map(({ permission }) => permission.slice('env:'.length)),
  }
}
