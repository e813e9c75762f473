/** What stands between a module and whoever loads it, as files of the bridge. */
export const HARNESSES = { test: 'deno/test.guest.ts', probe: 'probe.guest.ts' } as const

/** `test` runs the entry's tests, which may import the SDK's part for them; `probe` tells what the module exports. */
export type Harness = keyof typeof HARNESSES
