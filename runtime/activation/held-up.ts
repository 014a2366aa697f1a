/**
 * Actors that may not start turns because their host's lease has run out: they go on when it is renewed. Calls wait for
 * that, for so long after it ran out; then they are told NO_LEASE, and others at once, until it is back.
 */
import type { Clock, Timer } from '../../core/clock.ts'

/** Who has a turn to start. */
interface HeldBack {
  /** It may start turns again, or should ask again; or `tooLong` it may not: nobody waits on. */
  resume(tooLong: boolean): void
}

const LOOK_MS = 25
const WAIT_MS = 5_000

export class HeldUp {
  readonly #mayServe: () => boolean
  readonly #clock: Clock
  readonly #waiting = new Set<HeldBack>()
  #timer: Timer | undefined
  /** When it was first asked in vain. */
  #sinceMs: number | undefined
  #closed = false

  constructor(mayServe: () => boolean, clock: Clock) {
    this.#mayServe = mayServe
    this.#clock = clock
  }

  /** Whether `asking` may start a turn at this very moment; if not, it is resumed when it may. */
  mayStart(asking: HeldBack): boolean {
    if (this.#mayServe()) {
      this.#sinceMs = undefined
      return true
    }
    this.#sinceMs ??= this.#clock.monotonicMs()
    if (this.#closed) return false
    this.#waiting.add(asking)
    this.#timer ??= this.#clock.after(LOOK_MS, () => this.#look())
    return false
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#waiting.clear()
  }

  #look(): void {
    this.#timer = undefined
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    // Also when nobody waits any more: the next outage must not be taken for this one.
    if (this.#mayServe()) this.#sinceMs = undefined
    else this.#timer = this.#clock.after(LOOK_MS, () => this.#look())
    const tooLong = this.#sinceMs !== undefined && this.#clock.monotonicMs() - this.#sinceMs >= WAIT_MS
    // One that still may not comes back here by itself.
    for (const asking of waiting) asking.resume(tooLong)
  }
}
