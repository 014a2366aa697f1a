/** One simulated run: a cluster, clients and faults; then everything heals, must come to rest, and is checked. */
import { messageOf } from '../../core/errors.ts'
import { SeededRandom } from '../../core/random.ts'
import { planFaults, type FaultKind, type PlannedFault } from '../../runtime/testing/fault-plan.ts'
import { Nemesis } from '../../runtime/testing/nemesis.ts'
import { SimCluster } from '../../runtime/testing/sim-cluster.ts'
import { checkers } from './checkers/checkers.ts'
import type { Committed, History } from './history.ts'
import { ledgerClass, type LedgerAudit } from './ledger.ts'
import { Workload } from './workload.ts'

export interface RunOptions {
  readonly hosts?: number
  /** Placement services; by default chance chooses, 1 to 3. */
  readonly placements?: number
  /** Of faults; by default chance chooses. None: []. */
  readonly kinds?: readonly FaultKind[]
  /** How long faults happen; 30 s by default. As long again everything is whole. */
  readonly faultMs?: number
  /** Lines of the trace that a result keeps. */
  readonly lines?: number
}

export interface RunResult {
  readonly seed: number
  /** Of everything that happened: the same for the same seed. */
  readonly hash: string
  readonly problems: readonly { readonly checker: string; readonly problem: string }[]
  readonly plan: readonly PlannedFault[]
  /** The last lines of the trace. */
  readonly lines: readonly string[]
  readonly events: number
  readonly calls: number
  readonly acknowledged: number
  readonly history: History
}

const CLIENTS = 6

export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  const { hosts = 5, faultMs = 30_000 } = options
  const random = new SeededRandom(seed ^ 0x5eed)
  const upTo = (least: number, most: number): number => least + Math.floor(random.float() * (most - least + 1))
  const placements = options.placements ?? upTo(1, 3)
  const ledgers = upTo(3, 12)
  const violations: string[] = []
  const commits: Committed[] = []
  let turns = 0
  const Ledger = ledgerClass({
    wallMs: () => cluster.kernel.running!.wallMs(),
    sleep: ms => new Promise(resolve => { cluster.kernel.running!.after(ms, resolve) }),
    unique: () => ++turns,
    violation: what => violations.push(what),
  })
  const cluster: SimCluster = new SimCluster({
    seed, hosts, placements, actors: [Ledger], shardBits: upTo(1, 4), hostPort: upTo(0, 1) * 7001,
    options: { callTimeout: upTo(2_000, 6_000), drainTimeout: upTo(50, 2_000) }, ...(options.lines === undefined ? {} : { keptLines: options.lines }),
  })
  const { kernel } = cluster
  cluster.store.observer.committed = ({ type, shard, id, epoch, nonce }, result, by) => {
    kernel.note(`store ${type}/${id} epoch ${epoch}: ${result}`)
    if (result === 'ok') commits.push({ type, shard, id, epoch, nonce, by: by.name, atMs: kernel.nowMs })
  }
  const unhandled = (error: unknown): void => { violations.push(`a promise of ${kernel.running?.name ?? 'nobody'} failed and nobody heard of it: ${messageOf(error)}`) }
  process.on('unhandledRejection', unhandled)
  const plan = planFaults(random, {
    hosts: cluster.hosts.map(h => h.name), placements: cluster.placements.map(p => p.name), store: cluster.store.name,
    fromMs: 1_000, untilMs: faultMs, everyMs: upTo(300, 2_500), ...(options.kinds === undefined ? {} : { kinds: options.kinds }),
  })
  const nemesis = new Nemesis(cluster, plan)
  const endMs = 2 * faultMs
  const workload = new Workload(cluster, { random, clients: CLIENTS, ledgers, thinkMs: upTo(30, 600), untilMs: faultMs + 4_000, giveUpMs: endMs - 8_000 })
  cluster.start()
  workload.start()
  await kernel.run(faultMs)
  nemesis.heal()
  await kernel.run(endMs - kernel.nowMs)
  const audits = new Map<string, LedgerAudit>()
  const problems: { checker: string; problem: string }[] = []
  // Relays reach a few ledgers beyond.
  for (let i = 0; i < ledgers + 3; i++) {
    const outcome = await kernel.settled(cluster.call(i % hosts, { type: 'Ledger', id: `a${i}`, method: 'audit', args: [] }, 20_000), 30_000)
    if (outcome.kind === 'ok') audits.set(`a${i}`, outcome.value as LedgerAudit)
    else problems.push({ checker: 'every-call-settles', problem: `a${i} cannot be read when all is whole: ${JSON.stringify(outcome)}` })
  }
  process.off('unhandledRejection', unhandled)
  const history: History = { operations: workload.operations, audits, commits, violations }
  for (const [checker, check] of Object.entries(checkers)) problems.push(...check(history).map(problem => ({ checker, problem })))
  return {
    seed, hash: kernel.trace.hash, problems, plan, lines: kernel.trace.lines, events: kernel.ran, calls: workload.operations.length,
    acknowledged: workload.operations.filter(o => o.tries.at(-1)?.kind === 'ok').length, history,
  }
}
