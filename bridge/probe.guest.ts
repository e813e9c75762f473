/** What a module's default export holds beyond what the bridge looks for when it loads it. */
export interface Probed {
  /** Names of the functions in `hooks`, whether the manifest has them or not. */
  hooks: string[]
  /** Whether there is a `handle`, to which every other hook goes. */
  handle: boolean
  /** The configuration that the code itself has. */
  config: unknown
}

/** What stands in the place of a module's namespace when somebody looks at the module without running it. */
export function wrap({ default: exported }: { default?: unknown }): { default: object } {
  const { hooks, handle, config } = (typeof exported === 'object' && exported !== null ? exported : {}) as Record<string, unknown>
  const probed: Probed = {
    hooks: typeof hooks === 'object' && hooks !== null ? Object.keys(hooks) : [],
    handle: typeof handle === 'function',
    config: config ?? {},
  }
  return { default: { getService: () => ({ probe: () => probed }) } }
}
