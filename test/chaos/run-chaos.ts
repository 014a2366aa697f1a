/**
 * One chaos run: a cluster, its load, faults in turn for as long as asked; then everything heals, is audited, and judged from its
 * file. What the processes said lies beside it, in `HISTORY.log`.
 */
import { writeFileSync } from 'node:fs'
import type { Mechanism } from '../../core/mechanisms.ts'
import { SeededRandom } from '../../core/random.ts'
import { ChaosCluster } from './chaos-cluster.ts'
import type { StoreKind } from './chaos-store.ts'
import { LedgerLoad } from './ledger-load.ts'
import { possibleFaults, strike, type FaultKind } from './nemesis.ts'
import { readRecording, Recording } from './recording.ts'
import { judge, type Verdict } from './verdict.ts'

export interface ChaosOptions {
  readonly store: StoreKind
  readonly hosts: number
  readonly placements: number
  readonly network?: 'namespaces' | 'proxies' | undefined
  /** Mechanisms that are off, to see that it is noticed. */
  readonly without?: readonly Mechanism[] | undefined
  /** How long faults go on; each kind happens once at least. */
  readonly minutes: number
  /** By default all that are possible. */
  readonly kinds?: readonly FaultKind[] | undefined
  readonly seed: number
  readonly history: string
  readonly say: (line: string) => void
  /** Of a lesser load, for tests. */
  readonly load?: { readonly ledgers: number; readonly lanes: number; readonly openPerSecond: number }
}

const QUIET_MS = 1_500
const LAST_TRIES_MS = 30_000

/** @throws Error when the cluster does not start, or does not come to rest after a fault */
export async function runChaos(options: ChaosOptions): Promise<Verdict> {
  const { store, hosts, placements, seed, say } = options
  const random = new SeededRandom(seed)
  const cluster = await ChaosCluster.start({ store, hosts, placements, network: options.network, without: options.without })
  const recording = new Recording(options.history, { store, hosts, network: cluster.network.kind, seed })
  try {
    say(`${hosts} hosts on ${store} in ${cluster.network.kind}, ${placements === 0 ? 'placement among them' : `${placements} placement services`}; seed ${seed}`)
    const { ledgers = 60, lanes = 8, openPerSecond = 60 } = options.load ?? {}
    const load = new LedgerLoad(cluster, recording, { random: new SeededRandom(seed ^ 0x10ad), ledgers, lanes, thinkMs: 60, openPerSecond })
    load.start()
    const kinds = options.kinds ?? possibleFaults(cluster)
    const untilMs = options.minutes * 60_000
    try {
      for (let round = 0; round === 0 || load.nowMs < untilMs; round++) {
        for (const kind of shuffled(kinds, random)) {
          if (round > 0 && load.nowMs >= untilMs) break
          const fault = await strike({ cluster, load, random }, kind)
          recording.write({ entry: 'fault', ...fault })
          say(`${(fault.atMs / 1_000).toFixed(1).padStart(7)} s  ${kind.padEnd(18)} ${fault.target.padEnd(8)} ${typeof fault.unavailableMs !== 'number' ? '' : Number.isFinite(fault.unavailableMs) ? `${Math.round(fault.unavailableMs)} ms` : 'not in time'}`)
          await new Promise(resolve => { setTimeout(resolve, QUIET_MS * random.float()) })
        }
      }
    } catch (error) {
      recording.write({ entry: 'breakdown', what: `the faults ended early: ${error instanceof Error ? error.message : String(error)}` })
    }
    say(`${load.calls} calls, ${load.acknowledged} acknowledged; everything heals`)
    await load.end(LAST_TRIES_MS)
    await load.audit()
    for (const what of cluster.surprises) recording.write({ entry: 'breakdown', what })
  } finally {
    writeFileSync(`${options.history}.log`, cluster.logs())
    await cluster.close()
    await recording.close()
  }
  return judge(readRecording(options.history))
}

function shuffled<Item>(items: readonly Item[], random: { float(): number }): Item[] {
  return items.map(item => ({ item, at: random.float() })).sort((a, b) => a.at - b.at).map(({ item }) => item)
}
