/**
 * How many retries a client may still make: a tenth of its calls, and a few besides.
 *
 * Retries help against what hits single calls. When everything fails, they double and treble the load on what is failing, and
 * keep it down: then they end, and callers get the errors as they come (P7).
 */
import type { Clock } from '../core/clock.ts'

/** Of a retry, for each call. */
const EARNED = 0.1
/** Saved up at most: what a burst of failures after a long time of success may cost. */
const MOST = 100
/** Also for whoever calls seldom: so many, and one more a second. */
const RESERVE = 10
const RESERVE_A_SECOND = 1

export class RetryBudget {
  readonly #clock: Clock
  #left = RESERVE
  #sinceMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.monotonicMs()
  }

  /** A call is made for the first time. */
  earn(): void {
    this.#left = Math.min(MOST, this.#left + EARNED)
  }

  /** Takes one retry; false when none is left. */
  spend(): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (this.#left < RESERVE) this.#left = Math.min(RESERVE, this.#left + (nowMs - this.#sinceMs) / 1000 * RESERVE_A_SECOND)
    this.#sinceMs = nowMs
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
