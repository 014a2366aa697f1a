/**
 * Clients of a chaos run: closed lanes that ask one thing after another, and open arrivals that come whether the cluster answers
 * or not. Each call is recorded with all its tries. A call without a key is tried again only when it is said not to have run; one
 * with a key until it succeeds.
 *
 * Clients use all doors: mostly those of hosts that can answer, sometimes that of a frozen or cut one, whose answers matter most.
 */
import type { Random } from '../../core/random.ts'
import { leavesNothing, type Method, type Operation } from '../simulation/history.ts'
import type { Caller, Outcome } from './caller.ts'
import { pause, type ChaosCluster, type ChaosHost } from './chaos-cluster.ts'
import type { Recording } from './recording.ts'

export interface LedgerLoadOptions {
  readonly random: Random
  readonly ledgers: number
  /** Lanes that ask one thing after another. */
  readonly lanes: number
  /** Between the calls of one lane, at most. */
  readonly thinkMs: number
  /** Arrivals a second beside the lanes. */
  readonly openPerSecond: number
}

/** How long a caller waits for one try. */
const ANSWER_MS = 6_000
const RETRY_MS = 300
const MAX_OPEN = 2_000
const ASK_ANY_DOOR = 0.12
/** Relays reach so many ledgers beyond those that are asked. */
const BEYOND = 3

/** How often each is asked. */
const shares: readonly (readonly [Method, number])[] = [
  ['add', 8], ['addSlowly', 1.5], ['store', 2], ['fail', 0.7], ['read', 8], ['transfer', 5], ['relay', 2], ['remind', 1], ['remindEvery', 0.4],
]
const allShares = shares.reduce((sum, [, share]) => sum + share, 0)

export class LedgerLoad {
  readonly #cluster: ChaosCluster
  readonly #caller: Caller
  readonly #recording: Recording
  readonly #options: LedgerLoadOptions
  readonly #startedMs = performance.now()
  readonly #underWay = new Set<Promise<unknown>>()
  #phase: 'running' | 'ending' | 'over' = 'running'
  #next = 0
  calls = 0
  acknowledged = 0

  constructor(cluster: ChaosCluster, recording: Recording, options: LedgerLoadOptions) {
    this.#cluster = cluster
    this.#caller = cluster.caller
    this.#recording = recording
    this.#options = options
  }

  /** Since the load was made; all times of a recording are of this clock. */
  get nowMs(): number {
    return performance.now() - this.#startedMs
  }

  get ledgers(): string[] {
    return Array.from({ length: this.#options.ledgers }, (_, i) => `a${i}`)
  }

  start(): void {
    for (let i = 0; i < this.#options.lanes; i++) this.#track(this.#lane())
    if (this.#options.openPerSecond > 0) this.#track(this.#arrivals())
  }

  /** No new calls; resolves when those under way have ended. Calls with keys go on trying for `forMs` at most. */
  async end(forMs: number): Promise<void> {
    this.#phase = 'ending'
    const giveUp = setTimeout(() => { this.#phase = 'over' }, forMs)
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
    clearTimeout(giveUp)
    this.#phase = 'over'
  }

  /** What each ledger holds, written down; asked when everything is whole and at rest. */
  async audit(deadlineMs = 30_000): Promise<void> {
    // Of reminders and sends that are still under way nobody can be told but by waiting: until two looks agree.
    const endMs = this.nowMs + deadlineMs
    let before = ''
    for (;;) {
      const audits = await Promise.all(Array.from({ length: this.#options.ledgers + BEYOND }, (_, i) => this.#auditOf(`a${i}`)))
      const now = JSON.stringify(audits.map(({ outcome }) => outcome.kind === 'ok' ? outcome.value : outcome))
      if (now === before || this.nowMs > endMs) {
        for (const { id, outcome } of audits) {
          if (outcome.kind === 'ok') this.#recording.write({ entry: 'audit', id, audit: outcome.value as never })
          else this.#recording.write({ entry: 'breakdown', what: `${id} cannot be read though all is whole: ${JSON.stringify(outcome)}` })
        }
        if (now !== before) this.#recording.write({ entry: 'breakdown', what: `the ledgers have not come to rest within ${deadlineMs} ms` })
        return
      }
      before = now
      await pause(4_000)
    }
  }

  async #auditOf(id: string): Promise<{ id: string; outcome: Outcome }> {
    for (let left = 5; ; left--) {
      const outcome = await this.#try({ type: 'Ledger', id, method: 'audit', args: [] }, this.#someDoor(false), 10_000)
      if (outcome.kind === 'ok' || left === 0) return { id, outcome }
      await pause(RETRY_MS)
    }
  }

  /** One call that is recorded like any other, through `door`, tried once. */
  async once(method: Method, id: string, door: ChaosHost, answerMs: number, ...more: readonly unknown[]): Promise<Outcome> {
    const operation = this.#operation(method, id, false, more)
    const outcome = await this.#try({ type: 'Ledger', id, method, args: operation.args }, door, answerMs)
    this.#settle(operation, [outcome])
    return outcome
  }

  async #lane(): Promise<void> {
    while (this.#phase === 'running') {
      await pause(this.#options.random.float() * this.#options.thinkMs)
      await this.#perform()
    }
  }

  async #arrivals(): Promise<void> {
    const { random, openPerSecond } = this.#options
    for (let dueMs = this.nowMs; this.#phase === 'running';) {
      dueMs += -Math.log(1 - random.float()) * 1_000 / openPerSecond
      if (dueMs > this.nowMs) await pause(dueMs - this.nowMs)
      if (this.#underWay.size < MAX_OPEN) this.#track(this.#perform())
    }
  }

  #track(work: Promise<unknown>): void {
    const tracked = work.finally(() => this.#underWay.delete(tracked))
    this.#underWay.add(tracked)
  }

  #operation(method: Method, id: string, keyed: boolean, more: readonly unknown[]): Operation {
    this.calls++
    const op = `op${this.#next++}`
    return { op, id, method, args: [op, ...more], keyed, invokedMs: this.nowMs, settledMs: 0, tries: [] }
  }

  #settle(operation: Operation, tries: readonly Outcome[]): void {
    operation.tries.push(...tries)
    operation.settledMs = this.nowMs
    if (tries.at(-1)?.kind === 'ok') this.acknowledged++
    this.#recording.write({ entry: 'call', ...operation })
  }

  async #perform(): Promise<void> {
    const { random, ledgers } = this.#options
    // Few ledgers get most of the calls.
    const place = Math.floor(random.float() ** 2 * ledgers)
    let share = random.float() * allShares
    const method = shares.find(([, of]) => (share -= of) < 0)![0]
    const keyed = random.float() < 0.4 && method !== 'read' && !leavesNothing(method)
    const operation = this.#operation(method, `a${place}`, keyed, this.#argsOf(method, place))
    const tries: Outcome[] = []
    for (;;) {
      const { id, args, op } = operation
      const outcome = await this.#try({ type: 'Ledger', id, method, args, key: keyed ? op : undefined }, this.#someDoor(random.float() < ASK_ANY_DOOR), ANSWER_MS)
      tries.push(outcome)
      const again = outcome.kind !== 'ok' && (keyed || (outcome.kind === 'error' && outcome.executed === 'no' && this.#phase === 'running'))
      if (!again || this.#phase === 'over') break
      await pause(random.float() * RETRY_MS)
    }
    this.#settle(operation, tries)
  }

  #try(call: Parameters<Caller['call']>[1], door: ChaosHost | undefined, answerMs: number): Promise<Outcome> {
    return door === undefined ? Promise.resolve({ kind: 'error', code: 'NOT_SENT', executed: 'no', message: 'no host is up' }) : this.#caller.call(door.url, call, answerMs)
  }

  #someDoor(any: boolean): ChaosHost | undefined {
    const { hosts, doors } = this.#cluster
    const open = any ? hosts : doors
    return open[Math.floor(this.#options.random.float() * open.length)]
  }

  #argsOf(method: Method, place: number): unknown[] {
    const { random, ledgers } = this.#options
    const other = Math.floor(random.float() * ledgers)
    switch (method) {
      case 'addSlowly': return [Math.round(random.float() ** 3 * 1_500)]
      case 'transfer': return [`a${other === place ? (other + 1) % ledgers : other}`, 1 + Math.floor(random.float() * 100)]
      // Always to a higher one: two that wait for each other would wait until their time is over.
      case 'relay': return [`a${place + 1 + Math.floor(random.float() * BEYOND)}`]
      case 'remind': return [Math.round(random.float() * 3_000)]
      case 'remindEvery': return [50 + Math.round(random.float() * 900), 1 + Math.floor(random.float() * 5)]
      default: return []
    }
  }
}
