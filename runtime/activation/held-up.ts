/**
 * Activations that may not start turns because their host's lease has run out: they go on when it is renewed. Calls wait for
 * that, for so long after it ran out; then they are told NO_LEASE, and others at once, until it is back.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import type { Activation } from './activation.ts'

const LOOK_MS = 25
const WAIT_MS = 5_000

export class HeldUp {
  readonly #mayServe: () => boolean
  readonly #clock: Clock
  readonly #waiting = new Set<Activation>()
  #timer: Timer | undefined
  /** When it was first asked in vain. */
  #sinceMs: number | undefined

  constructor(mayServe: () => boolean, clock: Clock) {
    this.#mayServe = mayServe
    this.#clock = clock
  }

  /** Whether `activation` may start a turn at this very moment; if not, it is resumed when it may. */
  mayStart(activation: Activation): boolean {
    if (this.#mayServe()) {
      this.#sinceMs = undefined
      return true
    }
    this.#sinceMs ??= this.#clock.monotonicMs()
    this.#waiting.add(activation)
    this.#timer ??= this.#clock.after(LOOK_MS, () => this.#look())
    return false
  }

  close(): void {
    this.#timer?.cancel()
    this.#waiting.clear()
  }

  #look(): void {
    this.#timer = undefined
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    if (this.#mayServe()) this.#sinceMs = undefined
    const tooLong = this.#sinceMs !== undefined && this.#clock.monotonicMs() - this.#sinceMs >= WAIT_MS
    // One that still may not comes back here by itself.
    for (const activation of waiting) activation.resume(tooLong)
  }
}
