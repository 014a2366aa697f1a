/**
 * Clients of the simulated cluster: each asks one thing after another of ledgers that chance picks, through hosts that chance
 * picks. A call without a key is tried again only when it is said not to have run; one with a key until it succeeds.
 */
import type { Random } from '../../core/random.ts'
import type { SimCluster, SimOutcome } from '../../runtime/testing/sim-cluster.ts'
import { leavesNothing, type Method, type Operation } from './history.ts'

export interface WorkloadOptions {
  readonly random: Random
  readonly clients: number
  readonly ledgers: number
  /** Between the calls of one client, at most. */
  readonly thinkMs: number
  /** No new calls after. */
  readonly untilMs: number
  /** No new tries after. */
  readonly giveUpMs: number
  /** How long a caller waits for an answer. */
  readonly answerMs: number
  /** How long a slow turn takes, at most. */
  readonly slowestMs: number
  /** Methods that are not asked for. */
  readonly without: readonly Method[]
}

const RETRY_MS = 400

/** How often each is asked. */
const shares: readonly (readonly [Method, number])[] = [
  ['add', 8], ['addSlowly', 2], ['store', 3], ['fail', 1], ['hang', 0.3], ['read', 4], ['transfer', 6], ['relay', 3], ['remind', 2], ['remindEvery', 1],
]

export class Workload {
  readonly operations: Operation[] = []
  readonly #cluster: SimCluster
  readonly #options: WorkloadOptions
  readonly #shares: typeof shares
  #busy = 0

  constructor(cluster: SimCluster, options: WorkloadOptions) {
    this.#cluster = cluster
    this.#options = options
    this.#shares = shares.filter(([method]) => !options.without.includes(method))
  }

  start(): void {
    for (let i = 0; i < this.#options.clients; i++) {
      this.#busy++
      void this.#client().finally(() => { this.#busy-- })
    }
  }

  /** Every client has ended. */
  get done(): boolean {
    return this.#busy === 0
  }

  async #client(): Promise<void> {
    const { random, thinkMs, untilMs } = this.#options
    for (;;) {
      await this.#sleep(random.float() * thinkMs)
      if (this.#cluster.kernel.nowMs >= untilMs) return
      await this.#perform(this.#next())
    }
  }

  #next(): Operation {
    const { random, ledgers } = this.#options
    const op = `op${this.operations.length}`
    // Few ledgers get most of the calls.
    const place = Math.floor(random.float() ** 2 * ledgers)
    let share = random.float() * this.#shares.reduce((sum, [, of]) => sum + of, 0)
    const method = this.#shares.find(([, of]) => (share -= of) < 0)![0]
    const operation: Operation = {
      op, method, id: `a${place}`, args: [op, ...this.#argsOf(method, place)],
      keyed: random.float() < 0.4 && method !== 'read' && !leavesNothing(method), invokedMs: this.#cluster.kernel.nowMs, settledMs: 0, tries: [],
    }
    this.operations.push(operation)
    return operation
  }

  #argsOf(method: Method, place: number): unknown[] {
    const { random, ledgers, slowestMs } = this.#options
    const other = Math.floor(random.float() * ledgers)
    switch (method) {
      case 'addSlowly': return [Math.round(random.float() ** 3 * slowestMs)]
      case 'transfer': return [`a${other === place ? (other + 1) % ledgers : other}`, 1 + Math.floor(random.float() * 100)]
      // Always to a higher one: two that wait for each other would wait until their time is over.
      case 'relay': return [`a${place + 1 + Math.floor(random.float() * 3)}`]
      case 'remind': return [Math.round(random.float() * 3_000)]
      case 'remindEvery': return [50 + Math.round(random.float() * 900), 1 + Math.floor(random.float() * 5)]
      default: return []
    }
  }

  async #perform(operation: Operation): Promise<void> {
    const { random, giveUpMs, answerMs } = this.#options
    const { kernel, hosts } = this.#cluster
    const { op, id, method, args, keyed, tries } = operation
    for (;;) {
      tries.push(undefined)
      const outcome = await this.#cluster.call(Math.floor(random.float() * hosts.length),
        { type: 'Ledger', id, method, args: [...args], idempotencyKey: keyed ? op : undefined }, answerMs)
      tries[tries.length - 1] = outcome
      operation.settledMs = kernel.nowMs
      kernel.note(`${method} ${op} ${id}: ${shown(outcome)}`)
      const again = outcome.kind !== 'ok' && (keyed || (outcome.kind === 'error' && outcome.executed === 'no'))
      if (!again || kernel.nowMs >= giveUpMs) return
      await this.#sleep(random.float() * RETRY_MS)
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => { this.#cluster.kernel.after(ms, resolve) })
  }
}

const shown = (outcome: SimOutcome): string => outcome.kind === 'lost' || outcome.kind === 'silent' ? outcome.kind
  : outcome.kind === 'ok' ? `ok by ${outcome.host} in epoch ${outcome.epoch}`
  : `${outcome.code} ${outcome.executed} ${outcome.message}`
