/** One simulated run: a cluster, clients and faults; then everything heals, must come to rest, and is checked. */
import { mechanisms, type Mechanism } from '../../core/mechanisms.ts'
import { SeededRandom } from '../../core/random.ts'
import { decodeCluster } from '../../placement/cluster-record.ts'
import { planFaults, type FaultKind, type PlannedFault } from '../../runtime/testing/fault-plan.ts'
import { Nemesis } from '../../runtime/testing/nemesis.ts'
import { SimCluster } from '../../runtime/testing/sim-cluster.ts'
import { afterLosses, checkers, type CheckerName } from './checkers/checkers.ts'
import type { Committed, History, Sample, Violation } from './history.ts'
import { ledgerClass, type LedgerAudit } from './ledger.ts'
import { Operator } from './operator.ts'
import { registerClass } from './register.ts'
import { RegisterClients } from './register-clients.ts'
import { Workload } from './workload.ts'

export interface RunOptions {
  /** 5 by default. */
  readonly hosts?: number
  /** Placement services; by default chance chooses, 0 (each host is a candidate) to 3. */
  readonly placements?: number
  /** Of faults; by default chance chooses. None: []. */
  readonly kinds?: readonly FaultKind[]
  /** One fault in so many ms, about; by default chance chooses, 300 to 2,500. */
  readonly everyMs?: number
  /** How long faults happen; 30 s by default. As long again everything is whole. */
  readonly faultMs?: number
  /** Lines of the trace that a result keeps; 200 by default. */
  readonly lines?: number
  /** Mechanisms that are switched off; none by default. */
  readonly off?: readonly Mechanism[]
}

export interface Problem {
  readonly checker: CheckerName
  readonly problem: string
}

export interface RunResult {
  readonly seed: number
  /** Of everything that happened: the same for the same seed. */
  readonly hash: string
  readonly problems: readonly Problem[]
  readonly plan: readonly PlannedFault[]
  /** The last lines of the trace. */
  readonly lines: readonly string[]
  readonly events: number
  readonly calls: number
  readonly acknowledged: number
  readonly history: History
}

const CLIENTS = 5
const REGISTER_CLIENTS = 3
/** When every host has heard that the store lost writes. */
const NOTICED_MS = 3_000
/** When somebody looks after what was set aside, after the last fault. */
const LOOKS_MS = [3_000, 10_000, 18_000]
/** Between two looks at all queues. */
const SAMPLE_MS = 80
/** What an answer may come later than the call's own time says: it travels, and what is frozen is slow. */
const LATE_MS = 1_500
/** Relays reach so many ledgers beyond those that are asked. */
const BEYOND = 3

/** One at a time in a process: mechanisms and seams are the process's. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  mechanisms.off = options.off === undefined || options.off.length === 0 ? undefined : new Set(options.off)
  const run = new SeedRun(seed, options)
  const thrown = (error: unknown): void => run.broke('a promise failed and nobody heard of it', error)
  process.on('unhandledRejection', thrown)
  try {
    await run.live()
  } catch (error) {
    run.broke('an event threw', error)
  } finally {
    process.off('unhandledRejection', thrown)
    mechanisms.off = undefined
  }
  return run.judged()
}

class SeedRun {
  readonly #seed: number
  readonly #faultMs: number
  readonly #ledgers: number
  readonly #cluster: SimCluster
  readonly #workload: Workload
  readonly #registers: RegisterClients
  readonly #operator: Operator
  readonly #calm: boolean
  readonly #bentClocks: boolean
  readonly #plan: readonly PlannedFault[]
  readonly #nemesis: Nemesis
  readonly #audits = new Map<string, LedgerAudit>()
  readonly #commits: Committed[] = []
  readonly #tables: History['tables'][number][] = []
  readonly #overfull: Sample[] = []
  readonly #violations: Violation[] = []
  readonly #breakdowns: string[] = []
  #turns = 0

  /** What differs from seed to seed, beside the faults, is chosen here. */
  constructor(seed: number, options: RunOptions) {
    const { hosts = 5, faultMs = 30_000, lines = 200 } = options
    // Apart from the kernel's: what is drawn here does not shift what happens there.
    const random = new SeededRandom(seed ^ 0x5eed)
    const between = (least: number, most: number): number => least + Math.floor(random.float() * (most - least + 1))
    const kinds = options.kinds ?? (between(1, 12) === 1 ? ['restart' as const] : undefined)
    this.#calm = kinds?.every(kind => kind === 'restart') ?? false
    this.#seed = seed
    this.#faultMs = faultMs
    this.#ledgers = between(3, 12)
    this.#bentClocks = !this.#calm && between(1, 5) === 1
    // Queues that are soon full.
    const tight = !this.#calm && between(1, 5) === 1
    const mailbox = tight ? between(1, 4) : 1_000
    const turnTimeout = this.#calm ? 7_000 : between(500, 2_500)
    const shardBits = between(1, 4)
    const callTimeout = this.#calm ? 8_000 : between(2_000, 6_000)
    this.#cluster = new SimCluster({
      seed, hosts, placements: options.placements ?? (this.#calm ? 0 : Math.max(0, between(-1, 3))), actors: [this.#ledger({ turnTimeout, mailbox }), registerClass()], keptLines: lines,
      shardBits, hostPort: between(0, 1) * 7001, storeTimeoutMs: between(150, 2_500),
      options: { callTimeout, drainTimeout: this.#calm ? 4_000 : between(50, 2_000), ...(tight ? { maxParked: between(1, 4) } : {}) },
    })
    this.#watchStore(2 ** shardBits)
    this.#watchQueues()
    this.#plan = planFaults(random, {
      hosts: this.#cluster.hosts.map(h => h.name), placements: this.#cluster.placements.map(p => p.name), store: this.#cluster.store.name,
      fromMs: 1_000, untilMs: faultMs, everyMs: options.everyMs ?? between(300, 2_500), bentClocks: this.#bentClocks, ...(kinds === undefined ? {} : { kinds }),
    })
    this.#nemesis = new Nemesis(this.#cluster, this.#plan)
    const load = { random, untilMs: faultMs + 4_000, answerMs: callTimeout + LATE_MS, without: this.#calm ? ['hang' as const] : [] }
    this.#workload = new Workload(this.#cluster, { ...load, clients: CLIENTS, ledgers: this.#ledgers, slowestMs: this.#calm ? 300 : Math.min(1_500, turnTimeout * 0.6), thinkMs: between(30, 600), giveUpMs: 2 * faultMs - 8_000 })
    this.#operator = new Operator(this.#cluster, this.#ledgers)
    this.#registers = new RegisterClients(this.#cluster, { ...load, random: new SeededRandom(seed ^ 0x4e6), clients: REGISTER_CLIENTS, thinkMs: between(100, 900) })
  }

  #ledger(limits: Parameters<typeof ledgerClass>[1]): ReturnType<typeof ledgerClass> {
    return ledgerClass({
      wallMs: () => this.#cluster.kernel.running!.wallMs(),
      sleep: ms => new Promise(resolve => { this.#cluster.kernel.running!.after(ms, resolve) }),
      unique: () => ++this.#turns,
      violation: violation => this.#violations.push(violation),
    }, limits)
  }

  /** Looks at every queue of every host, again and again. */
  #watchQueues(): void {
    this.#cluster.kernel.after(SAMPLE_MS, () => {
      for (const sample of this.#queues()) if (sample.size > sample.bound) this.#overfull.push(sample)
      this.#watchQueues()
    })
  }

  #queues(): Sample[] {
    return this.#cluster.hosts.flatMap(({ name, running }) => running?.host.queues().map(queue => ({ ...queue, host: name })) ?? [])
  }

  #watchStore(shards: number): void {
    const { kernel, store } = this.#cluster
    store.observer.saved = ({ term, version, bytes }, result, by) => {
      kernel.note(`store table ${version} of term ${term} by ${by.name}: ${result}`)
      if (result === 'ok') this.#tables.push({ term, version, table: decodeCluster(bytes, shards).table })
    }
    store.observer.committed = ({ type, shard, id, epoch, nonce }, result, by) => {
      kernel.note(`store ${type}/${id} epoch ${epoch}: ${result}`)
      if (result === 'ok') this.#commits.push({ type, shard, id, epoch, nonce, by: by.name, atMs: kernel.nowMs })
    }
  }

  /** Faults for a time, then none for as long, then a look at everything. */
  async live(): Promise<void> {
    const { kernel } = this.#cluster
    try {
      this.#cluster.start()
      this.#workload.start()
      this.#registers.start()
      await kernel.run(this.#faultMs)
    } finally {
      this.#nemesis.heal()
    }
    for (const atMs of LOOKS_MS) {
      await kernel.run(this.#faultMs + atMs - kernel.nowMs)
      await kernel.settled(this.#operator.look(), 60_000)
    }
    await kernel.run(Math.max(0, 2 * this.#faultMs - kernel.nowMs))
    for (let i = 0; i < this.#ledgers + BEYOND; i++) await this.#audit(i)
    // Nobody asks for anything any more, so nothing may wait.
    this.#overfull.push(...this.#queues().filter(({ size }) => size > 0).map(sample => ({ ...sample, bound: 0 })))
  }

  async #audit(i: number): Promise<void> {
    const { kernel, hosts } = this.#cluster
    const asked = this.#cluster.call(i % hosts.length, { type: 'Ledger', id: `a${i}`, method: 'audit', args: [] }, 20_000)
    const outcome = await kernel.settled(asked, 30_000)
    if (outcome.kind === 'ok') this.#audits.set(`a${i}`, outcome.value as LedgerAudit)
    else this.#breakdowns.push(`a${i} cannot be read though all is whole: ${JSON.stringify(outcome)}`)
  }

  broke(what: string, error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 4).map(line => line.trim()).join(' ') : String(error)
    this.#breakdowns.push(`${what}, in ${this.#cluster.kernel.running?.name ?? 'nobody'}: ${stack}`)
  }

  judged(): RunResult {
    const { kernel } = this.#cluster
    const { operations } = this.#workload
    const history: History = {
      operations, registers: this.#registers.calls, calm: this.#calm, bentClocks: this.#bentClocks, revived: this.#operator.revived, tables: this.#tables, overfull: this.#overfull,
      audits: this.#audits, commits: this.#commits, violations: this.#violations, breakdowns: this.#breakdowns,
    }
    const { rolledBack } = this.#nemesis
    const asked = rolledBack === undefined ? Object.keys(checkers) as CheckerName[] : afterLosses
    const seen = rolledBack === undefined ? history
      : { ...history, operations: operations.filter(o => o.settledMs < rolledBack.fromMs || o.invokedMs > rolledBack.atMs + NOTICED_MS) }
    const problems = asked.flatMap(checker => checkers[checker](seen).map(problem => ({ checker, problem })))
    return {
      seed: this.#seed, hash: kernel.trace.hash, problems, plan: this.#plan, lines: kernel.trace.lines, events: kernel.ran, calls: operations.length,
      acknowledged: operations.filter(({ tries }) => tries.at(-1)?.kind === 'ok').length, history,
    }
  }
}
