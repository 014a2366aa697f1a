/**
 * Activations that may not start turns because their host's lease has run out: they go on when it is renewed. If it never is,
 * the host drops them all; their calls' own deadlines bound the wait meanwhile.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import type { Activation } from './activation.ts'

const LOOK_MS = 25

export class HeldUp {
  readonly #mayServe: () => boolean
  readonly #clock: Clock
  readonly #waiting = new Set<Activation>()
  #timer: Timer | undefined

  constructor(mayServe: () => boolean, clock: Clock) {
    this.#mayServe = mayServe
    this.#clock = clock
  }

  /** Whether `activation` may start a turn at this very moment; if not, it is resumed when it may. */
  mayStart(activation: Activation): boolean {
    if (this.#mayServe()) return true
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
    // One that still may not comes back here by itself.
    for (const activation of waiting) activation.resume()
  }
}
