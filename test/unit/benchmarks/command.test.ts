import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const bench = (...args: string[]) =>
  spawnSync(process.execPath, [fileURLToPath(new URL('../../../benchmarks/bench.ts', import.meta.url)), ...args], { encoding: 'utf8' })

test('an unknown suite is refused with the names of those that exist, before anything is built or measured', () => {
  const { status, stdout, stderr } = bench('lokal')
  expect(status).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toContain('there is no suite lokal; the suites are local, remote, http, activation, durable, reminders, sends, idempotent, memory, placement, dapr-api, overload')
})

test.each(['0', '-1', '2.5', 'many'])('--rounds %s is refused', rounds => {
  const { status, stderr } = bench('local', '--rounds', rounds)
  expect(status).not.toBe(0)
  expect(stderr).toContain('give a whole number of at least 1')
})

test('unknown flags are refused', () => {
  expect(bench('--fast').stderr).toContain("unknown option '--fast'")
})

test('what says which sidecar to measure belongs to one suite, and to a target', () => {
  expect(bench('local', '--target', 'http://127.0.0.1:3500').stderr).toContain('belong to: npm run bench -- dapr-api')
  expect(bench('dapr-api', '--concurrency', '0').stderr).toContain('give a whole number of at least 1')
})
