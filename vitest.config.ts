import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    pool: 'forks',
    include: ['{runtime,bridge,api,sdk,modules,tests}/**/*.test.ts'],
    // Of a machine that does other things as well: no test is about time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    // Told in the output, as `(retry x1)`: a machine that others use fails some test in four thousand now and then.
    retry: 2,
    alias: { '@bulkhead/sdk': fileURLToPath(new URL('./sdk', import.meta.url)) },
  },
})
