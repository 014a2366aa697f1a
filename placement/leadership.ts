/**
 * Holding the leader row: campaigns for it for ever, renews it, notices its loss. Decisions over the ports Clock, ClusterStore, Probe.
 *
 * The row only chooses who should lead. That two leaders can never both publish is the store's promise: a table is saved
 * for the newest term alone. So the row may be taken from a holder that is thought to be gone (`row-holder.ts`) before its time is
 * over: one that lives after all loses a term, and no more.
 *
 * A store that fails is tried again for ever. What cannot be led (a stored table that does not fit this process) is given back, and
 * tried again slowly: another process may lead it.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore, LeaderRow } from '../stores/cluster-store.ts'
import { addressProblem } from './addresses.ts'
import type { Probe } from './prober.ts'
import { RowHolder } from './row-holder.ts'

export interface LeadershipParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly store: ClusterStore
  readonly probe: Probe
  /** HOST:PORT that the row shall name. */
  readonly address: string
  /** The row is renewed three times in it, and looked at by others three to six times. */
  readonly ttlMs: number
  /** The row was won with this term; called again for each later term. A failure gives the row back. */
  elected(term: number): Promise<void>
  /** The row was lost: stop publishing. Called before `elected` is called again. */
  deposed(reason: string): void
  /** The address of the leader, as the row says, is another now; undefined: nobody is known. */
  seen(address: string | undefined): void
}

/** While the holder is in doubt. More hints, as of many hosts that look for their leader here, cost no more looks. */
const HINT_EVERY_MS = 100
/** How often a process that cannot lead this cluster tries to. */
const UNFIT_MS = 5_000
/** A timer that is so much later than it should be: this process stood still. */
const STOOD_STILL_MS = 500

export class Leadership {
  readonly #parts: LeadershipParts
  #nonce: string
  /** The term that is held now. */
  #term: number | undefined
  #validUntilMs = 0
  #leader: string | undefined
  readonly #holder: RowHolder
  #lookedMs = -Infinity
  #unfit: TroupeError | undefined
  #troubleMs = -Infinity
  #failing = false
  #timer: { timer: Timer; at: number } | undefined
  #expiry: Timer | undefined
  #turning = false
  #again = false
  #stopped = false
  #first: { resolve(): void; reject(error: unknown): void } | undefined

  constructor(parts: LeadershipParts) {
    this.#parts = parts
    this.#nonce = parts.random.nonce()
    this.#holder = new RowHolder({ ...parts, gone: () => this.#soon(0) })
  }

  /** True while the row is this one's, by the clock too: a process that was frozen finds itself without it. */
  get leads(): boolean {
    return this.#term !== undefined && this.#parts.clock.monotonicMs() < this.#validUntilMs
  }

  /** Address of the leader as last seen, this one's included. */
  get leader(): string | undefined {
    return this.#leader
  }

  /** Why this process cannot lead this cluster, if it has been found so. */
  get unfit(): TroupeError | undefined {
    return this.#unfit
  }

  /** When the store failed last, or this process stood still: what others could do meanwhile is not to be judged. */
  get troubleMs(): number {
    return this.#troubleMs
  }

  /**
   * Campaigns from now on. Resolves when the row was read for the first time: won, or another's. Rejects when that failed,
   * and goes on campaigning all the same. @throws STORE_UNAVAILABLE · what `elected` throws
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#first = { resolve, reject }
      this.#soon(0)
    })
  }

  /** A hint that the leader is gone: looks at the row now, and probes its holder a few times. */
  nudge(): void {
    if (this.#stopped || this.#term !== undefined) return
    this.#holder.hint()
    this.#soon(Math.max(0, this.#lookedMs + HINT_EVERY_MS - this.#parts.clock.monotonicMs()))
  }

  /** The store refused what this leader saved: it knows a higher term, be it that another leads, or that it has lost what it knew. */
  refused(reason: string): void {
    if (this.#term !== undefined) this.#startOver(reason)
  }

  /**
   * This term is over, whether the row is still this one's or not: a request on its way may renew it, and a table of this term may be on
   * its way, too. Nobody must lead on from what is stored before that: so this process comes back as somebody else, who deposes the one
   * that it was, under another term.
   */
  #startOver(reason: string): void {
    this.#nonce = this.#parts.random.nonce()
    this.#lose(reason)
  }

  #lose(reason: string): void {
    if (this.#term === undefined) return
    this.#term = undefined
    this.#expiry?.cancel()
    this.#parts.deposed(reason)
    this.#see(undefined)
    this.#soon(this.#lookMs())
  }

  /** Gives the row back, so that the next leader need not wait. Never throws. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.timer.cancel()
    this.#expiry?.cancel()
    this.#holder.forget()
    const held = this.#term !== undefined
    this.#term = undefined
    this.#first?.resolve()
    if (held) await this.#resign()
  }

  // ---- turns: one look at the row at a time ---------------------------------------------------------------------------

  #soon(delayMs: number): void {
    if (this.#stopped) return
    if (this.#turning) {
      this.#again ||= delayMs === 0
      return
    }
    const at = this.#parts.clock.monotonicMs() + delayMs
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#timer?.timer.cancel()
    this.#timer = { at, timer: this.#parts.clock.after(delayMs, () => {
      if (this.#parts.clock.monotonicMs() - at > STOOD_STILL_MS) this.#trouble()
      this.#timer = undefined
      void this.#turn()
    }) }
  }

  async #turn(): Promise<void> {
    this.#turning = true
    this.#again = false
    let nextMs: number
    try {
      nextMs = await this.#look()
      this.#failing = false
      this.#first?.resolve()
    } catch (error) {
      nextMs = this.#failed(error)
      this.#first?.reject(error)
    }
    this.#first = undefined
    this.#turning = false
    this.#soon(this.#again ? 0 : nextMs)
  }

  /** Looks at the row, which is also to campaign for it; gives the time until the next look. */
  async #look(): Promise<number> {
    const row = await this.#campaign()
    const mine = row.nonce === this.#nonce
    // While the request was on its way: stopped, or deposed by the store's refusal of a table.
    if (this.#stopped) {
      if (mine) await this.#resign()
      return 0
    }
    if (mine && row.term === this.#term) return this.#renewMs()
    // Not ours any more; or ours again after it had expired, and somebody may have led in between.
    this.#lose(`the leader row is ${mine ? 'held under a new term' : `held by ${row.address}`}`)
    if (mine) return await this.#won(row.term)
    const holder = this.#holder.saw(row)
    if (holder === 'gone') return 0
    this.#see(addressProblem(row.address) === undefined ? row.address : undefined)
    return holder === 'doubted' ? HINT_EVERY_MS : this.#lookMs()
  }

  async #campaign(): Promise<LeaderRow> {
    const { store, clock, address, ttlMs } = this.#parts
    const sentMs = this.#lookedMs = clock.monotonicMs()
    const deposes = this.#holder.condemned
    // By time, too: the store may take long to answer.
    if (this.#term !== undefined) this.#expire()
    const row = await store.campaign({ nonce: this.#nonce, address, ttlMs, deposes })
    this.#expiry?.cancel()
    if (clock.monotonicMs() - sentMs > STOOD_STILL_MS) this.#trouble()
    this.#holder.tried(deposes)
    if (row.nonce === this.#nonce) {
      // Counted from before the request: the store's end of the row is not earlier than this.
      this.#validUntilMs = sentMs + ttlMs
      this.#holder.forget()
    }
    return row
  }

  async #won(term: number): Promise<number> {
    const { address, log } = this.#parts
    try {
      await this.#parts.elected(term)
    } catch (error) {
      this.#see(undefined)
      await this.#resign()
      throw error
    }
    if (this.#stopped) {
      this.#parts.deposed('this candidate stops')
      await this.#resign()
      return 0
    }
    this.#unfit = undefined
    this.#term = term
    log.info({ term, address }, 'leads placement')
    this.#see(address)
    return this.#renewMs()
  }

  #failed(error: unknown): number {
    const { log, ttlMs, random } = this.#parts
    if (TroupeError.is(error) && error.code !== 'STORE_UNAVAILABLE') {
      if (error.message !== this.#unfit?.message) log.error({ err: error.message }, 'this process cannot lead placement')
      this.#unfit = error
      // Whoever looks for the leader is told here why there is none.
      if (this.#leader === undefined) this.#see(this.#parts.address)
      return UNFIT_MS * (1 + random.float())
    }
    this.#trouble()
    if (!this.#failing) log.warn({ err: messageOf(error) }, 'the leader row could not be read or renewed; trying on')
    this.#failing = true
    return this.#term === undefined ? this.#lookMs() : ttlMs / 6
  }

  /** Loses the row by time, unless it is renewed before. */
  #expire(): void {
    const { clock } = this.#parts
    const leftMs = this.#validUntilMs - clock.monotonicMs()
    this.#expiry?.cancel()
    if (leftMs <= 0) this.#startOver('the leader row could not be renewed in time')
    else this.#expiry = clock.after(leftMs, () => this.#expire())
  }

  #see(address: string | undefined): void {
    if (address === this.#leader) return
    this.#leader = address
    this.#parts.seen(address)
  }

  #trouble(): void {
    this.#troubleMs = this.#parts.clock.monotonicMs()
  }

  #renewMs(): number {
    return Math.max(0, this.#validUntilMs - (this.#parts.ttlMs * 2) / 3 - this.#parts.clock.monotonicMs())
  }

  #lookMs(): number {
    return (this.#parts.ttlMs / 6) * (1 + this.#parts.random.float())
  }

  async #resign(): Promise<void> {
    try {
      await this.#parts.store.resign(this.#nonce)
    } catch (error) {
      this.#parts.log.warn({ err: messageOf(error) }, 'the leader row could not be given back; it ends by itself')
    }
  }
}
