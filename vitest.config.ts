import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    pool: 'forks',
    include: ['{runtime,bridge,api,sdk,modules,tests}/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    alias: { '@bulkhead/sdk': fileURLToPath(new URL('./sdk', import.meta.url)) },
  },
})
