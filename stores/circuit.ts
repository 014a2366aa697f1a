/**
 * Whether to ask a store that may be away. Pure: time is an argument.
 *
 * The problem: a store that froze leaves each call unanswered for its whole time limit, so every caller of every actor waits
 * seconds for an error that is known beforehand, and what they hold meanwhile piles up. So after some failures in a row the
 * circuit is *open*: calls are refused at once. After a pause one call goes through as a *probe*: if it is answered the circuit
 * closes, else the next pause is longer. Nothing runs by itself: without calls there is nothing to find out.
 *
 * A failure is no answer, not an answer that says no. One answer closes the circuit, whichever call it was for.
 */

const PROBE_MS = 10_000

export interface CircuitOptions {
  /** Failures in a row that open it; 3 by default. */
  readonly failures?: number
  /** The first pause; each further one is twice as long. 250 ms by default. */
  readonly pauseMs?: number
  /** The longest pause: how late at most a store that is back is noticed by a caller. 1 s by default. */
  readonly maxPauseMs?: number
}

export class Circuit {
  readonly #failures: number
  readonly #pauseMs: number
  readonly #maxPauseMs: number
  #phase: 'closed' | 'open' | 'probing' = 'closed'
  /** Failures since the last answer. */
  #failed = 0
  #pause = 0
  #probeAtMs = 0
  #openedAtMs = 0

  constructor(options: CircuitOptions = {}) {
    this.#failures = options.failures ?? 3
    this.#pauseMs = options.pauseMs ?? 250
    this.#maxPauseMs = options.maxPauseMs ?? 1_000
  }

  get closed(): boolean {
    return this.#phase === 'closed'
  }

  /** True: make the call and say how it ended, by `answered` or `unanswered`. */
  admits(nowMs: number): boolean {
    if (this.#phase === 'closed') return true
    if (nowMs < this.#probeAtMs) return false
    this.#phase = 'probing'
    // Should this one never end, it is not waited for for ever.
    this.#probeAtMs = nowMs + PROBE_MS
    return true
  }

  /** When a refused call may be worth repeating; at least 50. */
  retryAfterMs(nowMs: number): number {
    return Math.max(50, Math.ceil(this.#phase === 'probing' ? this.#pauseMs : this.#probeAtMs - nowMs))
  }

  /** How long it has been open; 0 when it is closed. */
  openMs(nowMs: number): number {
    return this.#phase === 'closed' ? 0 : nowMs - this.#openedAtMs
  }

  /** @returns true when this closed it */
  answered(): boolean {
    const closes = this.#phase !== 'closed'
    this.#phase = 'closed'
    this.#failed = 0
    this.#pause = 0
    return closes
  }

  /**
   * Also called for calls that were made before it opened.
   * @returns true when this opened it
   */
  unanswered(nowMs: number): boolean {
    this.#failed++
    if (this.#phase === 'open' || (this.#phase === 'closed' && this.#failed < this.#failures)) return false
    const opens = this.#phase === 'closed'
    if (opens) this.#openedAtMs = nowMs
    this.#phase = 'open'
    this.#pause = Math.min(this.#maxPauseMs, this.#pause === 0 ? this.#pauseMs : 2 * this.#pause)
    this.#probeAtMs = nowMs + this.#pause
    return opens
  }
}
