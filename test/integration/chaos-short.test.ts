/** Real hosts on a real store under load, one fault of each kind: nothing acknowledged is lost, nothing is done twice, no read is stale. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { FaultKind } from '../chaos/nemesis.ts'
import { runChaos } from '../chaos/run-chaos.ts'

const kinds: readonly FaultKind[] = ['kill', 'restart', 'freeze', 'cut', 'cut-store', 'leader-kill', 'store-restart', 'slow-store']

test('kills, restarts, freezes and cuts of hosts, leader and store', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-chaos-short-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const said: string[] = []
  const verdict = await runChaos({
    store: 'redis', hosts: 3, placements: 0, minutes: 0, kinds, seed: 7, history: join(folder, 'history.jsonl'), say: line => said.push(line),
    load: { ledgers: 24, lanes: 4, openPerSecond: 20 },
  })
  expect(verdict.problems, said.join('\n')).toEqual([])
  expect(verdict).toMatchObject({ lost: 0, duplicated: 0, stale: 0 })
  expect(verdict.acknowledged).toBeGreaterThan(300)
  expect(verdict.faults.map(({ kind }) => kind).sort()).toEqual([...kinds].sort())
  // Each outage that is measured ends: far from the figures, which are for a quiet machine.
  for (const { kind, unavailableMs } of verdict.faults) if (kind !== 'slow-store') expect(unavailableMs, kind).toBeLessThan(10_000)
}, 240_000)
