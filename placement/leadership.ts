/**
 * Holding the leader row: wins it, renews it, notices its loss, and tries again. Decisions over the ports Clock and ClusterStore.
 *
 * The row only chooses who should lead. That two leaders can never both publish is the store's promise: a table is saved
 * for the newest term alone.
 */
import { sleep, type Clock, type Timer } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore, LeaderRow } from '../stores/cluster-store.ts'

export interface LeadershipParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly store: ClusterStore
  /** HOST:PORT that the row shall name. */
  readonly address: string
  readonly ttlMs: number
  /** The row was won with this term; called again for each later term. A failure gives the row back. */
  elected(term: number): Promise<void>
  /** The row was lost: stop publishing. Called before `elected` is called again. */
  deposed(reason: string): void
}

export class Leadership {
  readonly #parts: LeadershipParts
  readonly #nonce: string
  /** The term that is held now. */
  #term: number | undefined
  #validUntilMs = 0
  #holder: string | undefined
  #timer: Timer | undefined
  #stopped = false

  constructor(parts: LeadershipParts) {
    this.#parts = parts
    this.#nonce = parts.random.nonce()
  }

  /** Address of the last leader seen that is not this one. */
  get holder(): string | undefined {
    return this.#holder
  }

  /**
   * Wins the row for the first time, waiting for a dead leader's row to expire, then keeps it.
   * @throws LEADER_HELD when a living leader renews it · STORE_UNAVAILABLE · what `elected` throws
   */
  async start(): Promise<void> {
    const { clock, ttlMs, log, store } = this.#parts
    const deadline = clock.monotonicMs() + ttlMs * 1.25 + (store.lateMs ?? 0)
    let waiting = false
    for (;;) {
      const row = await this.#campaign()
      if (row.nonce === this.#nonce) return this.#won(row.term)
      if (clock.monotonicMs() >= deadline) {
        throw new TroupeError('LEADER_HELD',
          `the placement leader at ${row.address} is alive and holds the leader row (term ${row.term}); stop it first, or give this cluster a store of its own`,
          { data: { address: row.address, term: row.term } })
      }
      if (!waiting) log.info({ holder: row.address }, 'another placement leader holds the row; waiting for it to expire')
      waiting = true
      await sleep(clock, ttlMs / 8)
    }
  }

  /** The leader itself found out that a newer one was elected. */
  lost(reason: string): void {
    if (this.#term === undefined) return
    this.#term = undefined
    this.#parts.deposed(reason)
    this.#later(this.#parts.ttlMs / 2)
  }

  /** Gives the row back, so that the next leader need not wait. Never throws. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    const held = this.#term !== undefined
    this.#term = undefined
    if (held) await this.#resign()
  }

  async #campaign(): Promise<LeaderRow> {
    const { store, clock, address, ttlMs } = this.#parts
    const sentMs = clock.monotonicMs()
    const row = await store.campaign({ nonce: this.#nonce, address, ttlMs })
    // Counted from before the request: the store's end of the row is not earlier than this.
    if (row.nonce === this.#nonce) this.#validUntilMs = sentMs + ttlMs
    else this.#holder = row.address
    return row
  }

  async #won(term: number): Promise<void> {
    this.#term = term
    try {
      await this.#parts.elected(term)
    } catch (error) {
      this.#term = undefined
      await this.#resign()
      throw error
    }
    this.#later(this.#parts.ttlMs / 3)
  }

  #later(delayMs: number): void {
    this.#timer?.cancel()
    if (!this.#stopped) this.#timer = this.#parts.clock.after(delayMs, () => void this.#turn())
  }

  async #turn(): Promise<void> {
    const { clock, log, ttlMs, random } = this.#parts
    try {
      const row = await this.#campaign()
      // While the request was on its way: stopped, or deposed by the store's refusal of a table.
      if (this.#stopped) {
        if (row.nonce === this.#nonce) await this.#resign()
        return
      }
      if (row.nonce === this.#nonce && row.term === this.#term) return this.#later(ttlMs / 3)
      // Not ours any more; or ours again after it had expired, and somebody may have led in between.
      this.lost(`the leader row is ${row.nonce === this.#nonce ? 'held under a new term' : `held by ${row.address}`}`)
      if (row.nonce === this.#nonce) return await this.#won(row.term)
    } catch (error) {
      log.warn({ err: messageOf(error) }, 'the leader row could not be renewed')
      if (this.#term !== undefined && clock.monotonicMs() >= this.#validUntilMs) this.lost('the leader row could not be renewed in time')
    }
    this.#later(this.#term === undefined ? ttlMs * (0.25 + random.float() / 4) : ttlMs / 6)
  }

  async #resign(): Promise<void> {
    try {
      await this.#parts.store.resign(this.#nonce)
    } catch (error) {
      this.#parts.log.warn({ err: messageOf(error) }, 'the leader row could not be given back; it ends by itself')
    }
  }
}
