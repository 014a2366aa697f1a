/** A cluster with a recorded load for one figure; the history is judged at the end, and what it shows counts against the figure. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SeededRandom } from '../../core/random.ts'
import { rmSync, writeFileSync } from 'node:fs'
import { ChaosCluster } from './chaos-cluster.ts'
import type { StoreKind } from './chaos-store.ts'
import type { FigureOptions } from './figures.ts'
import { LedgerLoad } from './ledger-load.ts'
import type { Ground } from './nemesis.ts'
import { readRecording, Recording } from './recording.ts'
import { judge, type Verdict } from './verdict.ts'

export interface Measuring extends Ground {
  readonly store: StoreKind
  /** Something to look into: it is said, and the history stays with what the processes said. */
  remark(what: string): void
}

export type MeasuringOptions = Pick<FigureOptions, 'hosts' | 'placements' | 'network' | 'without' | 'say'> & {
  /** Of the history; the system's for temporary files by default. */
  readonly folder?: string
}

/** Light enough to leave the machine to what is measured. */
const background = { ledgers: 60, lanes: 3, thinkMs: 100, openPerSecond: 15 }

/** Runs `work` on a fresh cluster; the verdict on all calls made meanwhile. The history is removed when there is nothing to look into. */
export async function measuring(options: MeasuringOptions, store: StoreKind, work: (ground: Measuring) => Promise<void>): Promise<Verdict> {
  const { hosts, placements, network, without, say, folder = tmpdir() } = options
  const seed = Math.floor(Math.random() * 1_000_000)
  const path = join(folder, `troupe-chaos-figure-${process.pid}-${seed}.jsonl`)
  const cluster = await ChaosCluster.start({ store, hosts, placements, network, without })
  const recording = new Recording(path, { store, hosts, network: cluster.network.kind, seed })
  let remarks = 0
  const remark = (what: string): void => {
    remarks++
    say(`    ${what}: see ${path}.log`)
  }
  try {
    const load = new LedgerLoad(cluster, recording, { random: new SeededRandom(seed), ...background })
    load.start()
    await work({ cluster, load, random: new SeededRandom(seed + 1), store, remark })
    await load.end(30_000)
    await load.audit()
    for (const what of cluster.surprises) recording.write({ entry: 'breakdown', what })
  } finally {
    writeFileSync(`${path}.log`, cluster.logs())
    await cluster.close()
    await recording.close()
  }
  const verdict = judge(readRecording(path))
  if (verdict.problems.length === 0 && remarks === 0) for (const file of [path, `${path}.log`]) rmSync(file, { force: true })
  else if (verdict.problems.length > 0) {
    say(`  the history shows ${verdict.problems.length} problems: npm run chaos -- --check ${path}`)
    for (const { checker, problem } of verdict.problems.slice(0, 5)) say(`    ${checker}: ${problem}`)
  }
  return verdict
}
