import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withCpuOf } from '../../../benchmarks/harness/cpu.ts'
import { resultsFolder, Scope, sweepAbandonedFolders } from '../../../benchmarks/harness/scope.ts'
import type { FixtureApi } from './fixtures/child.ts'

const fixture = new URL('./fixtures/child.ts', import.meta.url)

const runs = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('a child answers, fails, and runs as production', async () => {
  await using scope = new Scope()
  const child = await scope.child<FixtureApi>(fixture)
  expect(await child.ask('double', 21)).toBe(42)
  await expect(child.ask('fail')).rejects.toThrow('child.ts: no such luck')
  expect(await child.ask('environment')).toBe('production')
})

test('a call to a child that ends is rejected, and so is every later one', async () => {
  await using scope = new Scope()
  const child = await scope.child<FixtureApi>(fixture)
  await expect(child.ask('crash')).rejects.toThrow('child.ts ended (code 3)')
  await expect(child.ask('double', 1)).rejects.toThrow('has ended')
})

test('a module that cannot be loaded is an error, not a wait', async () => {
  await using scope = new Scope()
  await expect(scope.child(new URL('./fixtures/absent.ts', import.meta.url))).rejects.toThrow('absent.ts ended (code 1)')
})

test('the end of a scope ends its children and removes its folders, after a failure too', async () => {
  let pid = 0
  let folder = ''
  const stopped = join(tmpdir(), `troupe-bench-stop-${process.pid}`)
  const failing = async () => {
    await using outer = new Scope()
    outer.defer(() => { expect(readFileSync(stopped, 'utf8')).toBe('stopped') })
    await using scope = new Scope()
    folder = scope.folder()
    const child = await scope.child<FixtureApi>(fixture)
    await child.ask('noteStop', stopped)
    pid = await child.ask('pid')
    throw new Error('in the middle')
  }
  try {
    await expect(failing()).rejects.toThrow('in the middle')
  } finally {
    rmSync(stopped, { force: true })
  }
  expect(pid).toBeGreaterThan(0)
  expect(runs(pid)).toBe(false)
  expect(existsSync(folder)).toBe(false)
})

test('the CPU of a child is added to a sample under its name', async () => {
  await using scope = new Scope()
  const server = await scope.child<FixtureApi>(fixture)
  const sample = await withCpuOf({ server }, async () => {
    await server.ask('burn', 60)
    return { operations: 1, seconds: 1, p50Us: 1, p99Us: 1, cpu: { load: 0.5 } }
  })
  expect(sample.cpu.load).toBe(0.5)
  expect(sample.cpu.server).toBeGreaterThanOrEqual(0.06)
})

test('folders of runs that were killed are removed, those of running ones are not', async () => {
  await using scope = new Scope()
  const mine = scope.folder()
  const ended = spawnSync(process.execPath, ['-e', '']).pid
  const abandoned = join(resultsFolder, `tmp-${ended}-abcdef`)
  mkdirSync(abandoned)
  sweepAbandonedFolders()
  expect(existsSync(abandoned)).toBe(false)
  expect(existsSync(mine)).toBe(true)
})
