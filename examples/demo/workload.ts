/**
 * The load of the demo: lanes that move money between accounts and lanes that count, without pause, and what must be
 * true of it at the end: the bank's total is what it was, and no acknowledged increment is missing.
 */
import { CallFailed, HttpLane, type HostList } from './http-lane.ts'

const ACCOUNTS = 100
const COUNTERS = 100
const OPENING_CENTS = 100_000

export interface Tally {
  calls: number
  /** Calls that ended in an error, by its code. */
  readonly errors: Map<string, number>
}

export const errorsOf = (tally: Tally): number => [...tally.errors.values()].reduce((sum, n) => sum + n, 0)

/** What is known of one counter: increments that were acknowledged, and those whose outcome nobody knows. */
interface Counted {
  acknowledged: number
  unknown: number
  /** Host that answered last. */
  host: string
}

export class Workload {
  readonly counters = new Map<string, Counted>()
  readonly phases = new Map<string, Tally>()
  readonly openingCents = ACCOUNTS * OPENING_CENTS
  transfers = 0
  #phase = ''
  #running = false
  #inFlight = 0
  /** While it is unresolved, no call begins: the line between two phases. */
  #gate: PromiseWithResolvers<void> | undefined
  #whenQuiet: (() => void) | undefined
  readonly #hosts: HostList
  readonly #lanes: HttpLane[]
  #work: Promise<void>[] = []

  constructor(hosts: HostList, lanes: number) {
    this.#hosts = hosts
    this.#lanes = Array.from({ length: lanes }, (_, i) => new HttpLane(this.#hosts, i))
    for (let i = 0; i < COUNTERS; i++) this.counters.set(`c${i}`, { acknowledged: 0, unknown: 0, host: '' })
  }

  /** Lets the calls on their way end, so that each error counts where its call began; then counts under this name. */
  async enter(phase: string): Promise<void> {
    const gate = this.#gate = Promise.withResolvers<void>()
    if (this.#inFlight > 0) await new Promise<void>(resolve => { this.#whenQuiet = resolve })
    this.#phase = phase
    this.phases.set(phase, { calls: 0, errors: new Map() })
    this.#gate = undefined
    gate.resolve()
  }

  get calls(): number {
    return [...this.phases.values()].reduce((sum, tally) => sum + tally.calls, 0)
  }

  get errors(): number {
    return [...this.phases.values()].reduce((sum, tally) => sum + errorsOf(tally), 0)
  }

  async openAccounts(): Promise<void> {
    await this.#spread(ACCOUNTS, async (lane, i) => { await this.#call(lane, 'Account', `a${i}`, 'deposit', [OPENING_CENTS]) })
  }

  start(): void {
    this.#running = true
    this.#work = this.#lanes.map((lane, i) => (i % 2 === 0 ? this.#transferMoney(lane, i) : this.#count(lane)))
    // A lane that fails is reported by `stop`; until then it is nobody's unhandled rejection.
    for (const work of this.#work) work.catch(() => {})
  }

  /** Ends the load after the calls on their way; rejects if a lane failed. */
  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#work)
  }

  close(): void {
    this.#running = false
    for (const lane of this.#lanes) lane.close()
  }

  async bankTotal(): Promise<number> {
    const balances: number[] = []
    await this.#spread(ACCOUNTS, async (lane, i) => { balances.push(Number(await this.#repeat(lane, 'Account', `a${i}`, 'total', []))) })
    return balances.reduce((sum, cents) => sum + cents, 0)
  }

  /** Counters that lost an acknowledged increment, or count more than was ever sent. */
  async wrongCounters(): Promise<string[]> {
    const wrong: string[] = []
    const ids = [...this.counters.keys()]
    await this.#spread(ids.length, async (lane, i) => {
      const id = ids[i]!
      const { acknowledged, unknown } = this.counters.get(id)!
      const value = Number(await this.#repeat(lane, 'Counter', id, 'get', []))
      if (value < acknowledged || value > acknowledged + unknown) {
        wrong.push(`${id} is ${value}, acknowledged ${acknowledged}, unknown ${unknown}`)
      }
    })
    return wrong
  }

  /** Ids of counters that this host answered for last. */
  countersOn(host: string, limit: number): string[] {
    return [...this.counters].filter(([, counted]) => counted.host === host).slice(0, limit).map(([id]) => id)
  }

  async #transferMoney(lane: HttpLane, number: number): Promise<void> {
    for (let i = 0; this.#running; i++) {
      const from = Math.floor(Math.random() * ACCOUNTS)
      const to = (from + 1 + Math.floor(Math.random() * (ACCOUNTS - 1))) % ACCOUNTS
      await this.#repeat(lane, 'Transfer', `t${number}-${i}`, 'run', [`a${from}`, `a${to}`, 1 + Math.floor(Math.random() * 500)])
      this.transfers++
    }
  }

  async #count(lane: HttpLane): Promise<void> {
    while (this.#running) {
      const id = `c${Math.floor(Math.random() * COUNTERS)}`
      const counted = this.counters.get(id)!
      try {
        counted.host = (await this.#call(lane, 'Counter', id, 'increment', [])).host
        counted.acknowledged++
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error
        // An increment is not repeatable: what nobody knows stays unknown.
        if (error.executed !== 'no') counted.unknown++
        await pause(50)
      }
    }
  }

  /** For calls that may be repeated: again until it succeeds, each failure counted. */
  async #repeat(lane: HttpLane, type: string, id: string, method: string, args: readonly unknown[]): Promise<unknown> {
    for (let left = 200; ; left--) {
      try {
        return (await this.#call(lane, type, id, method, args)).value
      } catch (error) {
        if (!(error instanceof CallFailed) || !error.retryable || left === 0) throw error
        await pause(50)
      }
    }
  }

  async #call(lane: HttpLane, type: string, id: string, method: string, args: readonly unknown[]) {
    await this.#gate?.promise
    const tally = this.phases.get(this.#phase)!
    tally.calls++
    this.#inFlight++
    try {
      return await lane.call(type, id, method, args)
    } catch (error) {
      if (error instanceof CallFailed) tally.errors.set(error.code, (tally.errors.get(error.code) ?? 0) + 1)
      throw error
    } finally {
      if (--this.#inFlight === 0) this.#whenQuiet?.()
    }
  }

  /** Runs `work` for 0 … n-1 on all lanes. */
  async #spread(n: number, work: (lane: HttpLane, i: number) => Promise<void>): Promise<void> {
    let next = 0
    await Promise.all(this.#lanes.map(async lane => {
      while (next < n) await work(lane, next++)
    }))
  }
}

const pause = (ms: number): Promise<void> => new Promise(resolve => { setTimeout(resolve, ms) })
