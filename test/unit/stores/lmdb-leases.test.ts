/** When rows on LMDB end: by the machine's clock, which starts anew with the machine and is never set. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { machineMs, SystemClock } from '../../../core/clock.ts'
import { LmdbClusterStore } from '../../../stores/lmdb/cluster-store.ts'
import { LmdbEnvironment } from '../../../stores/lmdb/environment.ts'
import { leftMs } from '../../../stores/lmdb/leases.ts'

test('a row that seems to last longer than it was given is of a machine that has started anew since', () => {
  expect(leftMs({ endsAtMs: 12_000, ttlMs: 2_000 }, 10_000)).toBe(2_000)
  expect(leftMs({ endsAtMs: 12_000, ttlMs: 2_000 }, 12_500)).toBe(-500)
  expect(leftMs({ endsAtMs: 9_000_000, ttlMs: 2_000 }, 10_000)).toBe(0)
})

test('the machine’s clock is one for all its processes', () => {
  const before = machineMs()
  const there = Number(execFileSync(process.execPath, ['-p', 'Number(process.hrtime.bigint()) / 1e6']).toString())
  expect(there).toBeGreaterThan(before)
  expect(there).toBeLessThan(machineMs())
})

test('a leader and a lease of before a restart of the machine are over at once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-lmdb-'))
  let nowMs = 5_000_000
  const store = new LmdbClusterStore(new LmdbEnvironment(folder, new SystemClock()), () => nowMs)
  onTestFinished(() => store.close().then(() => rmSync(folder, { recursive: true, force: true })))
  await store.open()
  const candidate = { nonce: 'a', address: 'a:1', ttlMs: 2_000 }
  await store.campaign(candidate)
  await store.openLease({ id: 'h', ttlMs: 2_000 })
  expect(await store.campaign({ ...candidate, nonce: 'b' })).toMatchObject({ nonce: 'a', term: 1 })
  nowMs = 20_000
  expect(await store.renewLease({ id: 'other', ttlMs: 2_000 })).toEqual({ held: false, version: 0, leader: undefined })
  expect(await store.campaign({ ...candidate, nonce: 'b' })).toMatchObject({ nonce: 'b', term: 2 })
  expect(await store.leases()).toEqual([{ id: 'h', leftMs: 0 }])
  expect(await store.revokeLease('h')).toBe('revoked')
})
