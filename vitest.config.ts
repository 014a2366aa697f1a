// One test run: every suite under test/. Process tests use dist/, which `npm test` builds first. Limits are for a busy machine.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: {
    alias: {
      'troupe/testing': new URL('./runtime/testing/testing.ts', import.meta.url).pathname,
      'troupe/client': new URL('./gateway/client.ts', import.meta.url).pathname,
      troupe: new URL('./index.ts', import.meta.url).pathname,
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default'],
  },
})
