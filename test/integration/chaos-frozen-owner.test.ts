/**
 * An owner that was frozen until others had its shards, and wakes with calls in its socket buffers for actors in its memory: it
 * answers none of them from there. With leases switched off it does, so these calls do find out.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Mechanism } from '../../core/mechanisms.ts'
import { thawRound, type Awoken } from '../chaos/figure-zombies.ts'
import { measuring } from '../chaos/measuring-cluster.ts'
import type { Verdict } from '../chaos/verdict.ts'

/** Freezes and wakes one owner after another, until one has answered from before, or `rounds` are over. */
async function awoken(rounds: number, without: readonly Mechanism[]): Promise<{ stale: readonly string[]; asked: number; verdict: Verdict }> {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-frozen-owner-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const all: Awoken[] = []
  const stale = (): string[] => all.flatMap(each => each.stale)
  const verdict = await measuring({ hosts: 3, placements: 0, network: undefined, without, folder, say: () => undefined }, 'redis', async ground => {
    while (all.length < rounds && stale().length === 0) all.push(await thawRound(ground, 1))
  })
  return { stale: stale(), asked: all.reduce((sum, { asked }) => sum + asked, 0), verdict }
}

test('it answers nothing from before', async () => {
  const { stale, asked, verdict } = await awoken(3, [])
  expect(stale).toEqual([])
  expect(verdict.problems).toEqual([])
  expect(asked).toBeGreaterThan(50)
}, 120_000)

test('without leases it does', async () => {
  const { stale } = await awoken(8, ['lease'])
  expect(stale.length).toBeGreaterThan(0)
}, 180_000)
