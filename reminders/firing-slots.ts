/**
 * How many fires may run at once: few at first, twice as many each time they end quickly, and none held up by slow ones.
 *
 * After a take-over or an outage thousands of rows are due at once; started together they would load thousands of actors
 * in one go. So fires get slots: `first` of them, one more for each fire that ends while they are in demand (twice as
 * many a round), up to `most`. A fire that takes longer than `slowMs` leaves its slot to others and is counted
 * apart, up to `slowMost`. And when all slots are taken and nothing ends for `rampMs`, their number doubles: a handful of
 * handlers that hang cannot hold up the rest for as long as a slow one takes to be found out. Pure: time is an argument.
 */
export interface SlotLimits {
  readonly first: number
  readonly most: number
  readonly slowMs: number
  readonly slowMost: number
  readonly rampMs: number
}

/** One fire. */
export interface Ticket {
  readonly startedMs: number
}

/** After so long without any fire, start slowly again. */
const IDLE_MS = 1_000

export class FiringSlots {
  readonly #limits: SlotLimits
  /** In order of their start. */
  readonly #quick = new Set<Ticket>()
  #slow = 0
  #allowed: number
  #movedMs = -Infinity

  constructor(limits: SlotLimits) {
    this.#limits = limits
    this.#allowed = limits.first
  }

  get free(): boolean {
    return this.#quick.size < this.#allowed
  }
  get allowed(): number {
    return this.#allowed
  }
  get slow(): number {
    return this.#slow
  }

  /** Only while `free`. */
  start(nowMs: number): Ticket {
    if (this.#quick.size === 0 && nowMs - this.#movedMs > IDLE_MS) this.#allowed = this.#limits.first
    const ticket = { startedMs: nowMs }
    this.#quick.add(ticket)
    this.#movedMs = nowMs
    return ticket
  }

  end(ticket: Ticket, nowMs: number): void {
    this.#movedMs = nowMs
    if (!this.#quick.delete(ticket)) {
      this.#slow--
      return
    }
    if (2 * (this.#quick.size + 1) > this.#allowed) this.#allowed = Math.min(this.#limits.most, this.#allowed + 1)
  }

  /** Slow ones leave; a standstill doubles the slots. Call it before `free`. */
  sweep(nowMs: number): void {
    const { slowMs, slowMost, rampMs, most } = this.#limits
    for (const ticket of this.#quick) {
      if (nowMs - ticket.startedMs < slowMs || this.#slow >= slowMost) break
      this.#quick.delete(ticket)
      this.#slow++
    }
    if (!this.free && this.#allowed < most && nowMs - this.#movedMs >= rampMs) {
      this.#allowed = Math.min(most, this.#allowed * 2)
      this.#movedMs = nowMs
    }
  }

  /** When `sweep` will make a slot free, if nothing ends before; undefined when it will not. */
  get sweepMs(): number | undefined {
    const { slowMs, slowMost, rampMs, most } = this.#limits
    const [oldest] = this.#quick
    const leaves = oldest === undefined || this.#slow >= slowMost ? Infinity : oldest.startedMs + slowMs
    const at = Math.min(leaves, this.#allowed < most ? this.#movedMs + rampMs : Infinity)
    return at === Infinity ? undefined : at
  }
}
