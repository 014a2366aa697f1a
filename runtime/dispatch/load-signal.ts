/**
 * How late this host is, measured where lateness arises: in the turns of its event loop.
 *
 * A request that waits in a socket is seen only when the loop comes round, so the length of a turn of the loop is the delay
 * of everything, refusals included. Two answers to it:
 * - The slice: what gateways let in may keep one turn of the loop busy for `sliceMs`; what comes later in that turn is
 *   refused, which is quick. So turns of the loop stay short however much stands at the door, and nearly all of the
 *   processor goes into calls that are served.
 * - Pressure, from 0 to 2: it rises with each late turn of the loop (others than gateways may be the reason: peers, turns,
 *   a store) and falls with time spent in good ones. Up to 1 it is the share of calls from outside that are refused; beyond
 *   that, calls of running turns are refused as well. One long stall raises it by one small step: it is no overload.
 *
 * Nothing is polled: turns are measured while calls come, and an idle host measures nothing.
 */
import type { Clock } from '../../core/clock.ts'

export interface LoadLimits {
  /** How long calls that gateways let in may keep one turn of the loop busy. */
  readonly sliceMs: number
  /** Turns of the loop that last longer are late. */
  readonly lateMs: number
}

const defaults: LoadLimits = { sliceMs: 20, lateMs: 50 }
const RISE = 0.1
/** From the whole of what is refused to nothing of it. */
const FALL_MS = 1_000
const MOST = 2
/** Some always come in: what they meet says whether it is over. */
const MOST_OUTSIDE = 0.95
const MOST_INSIDE = 0.5

export class LoadSignal {
  readonly #clock: Clock
  readonly #limits: LoadLimits
  readonly #turnEnds = (): void => this.#ended(this.#clock.monotonicMs())
  /** Beginning of the present turn of the loop, while calls come; of the quiet time, while none do. */
  #sinceMs: number
  #phase: 'quiet' | 'measuring' = 'quiet'
  /** Looks of this turn of the loop. */
  #looks = 0
  #pressure = 0

  constructor(clock: Clock, limits: Partial<LoadLimits> = {}) {
    this.#clock = clock
    this.#limits = { ...defaults, ...limits }
    this.#sinceMs = clock.monotonicMs()
  }

  /** Notes that a call has come. @returns whether this turn of the loop has been busy for longer than its slice */
  look(): boolean {
    const nowMs = this.#clock.monotonicMs()
    this.#looks++
    if (this.#phase === 'quiet') {
      this.#fall(nowMs - this.#sinceMs)
      this.#phase = 'measuring'
      this.#sinceMs = nowMs
      this.#clock.soon(this.#turnEnds)
    }
    return nowMs - this.#sinceMs > this.#limits.sliceMs
  }

  /** Share of the calls from outside that are to be refused. */
  get outside(): number {
    return Math.min(MOST_OUTSIDE, this.#pressure)
  }

  /** The same of calls that turns make. */
  get inside(): number {
    return Math.min(MOST_INSIDE, Math.max(0, this.#pressure - 1))
  }

  #ended(nowMs: number): void {
    const tookMs = nowMs - this.#sinceMs
    this.#sinceMs = nowMs
    if (tookMs > this.#limits.lateMs) this.#pressure = Math.min(MOST, this.#pressure + RISE)
    else this.#fall(tookMs)
    // No call came in this turn of the loop: from here on time is quiet, and would only be measured by waking up.
    if (this.#looks === 0) this.#phase = 'quiet'
    else this.#clock.soon(this.#turnEnds)
    this.#looks = 0
  }

  #fall(byMs: number): void {
    this.#pressure = Math.max(0, this.#pressure - byMs / FALL_MS)
  }
}
