/**
 * How late this host is, measured where lateness arises: in the turns of its event loop.
 *
 * A request that waits in a socket is seen only when the loop comes round, so the length of a turn of the loop is the delay
 * of everything, refusals included. One long turn is a burst or a stall, and passes; several in a row are a queue that does
 * not go away by itself. Two answers to that:
 * - The slice: what gateways let in may keep one turn of the loop busy for `sliceMs`; what comes later in that turn is
 *   refused, which is quick. So turns become short again however much stands at the door, and nearly all of the processor
 *   goes into calls that are served. It ends when all that comes has fitted into it for a while.
 * - Pressure, from 0 to 2, for lateness that the slice does not cure (peers, references, turns, a store): it rises with each
 *   late turn and falls with time spent in good ones. Up to 1 it is the share of calls from outside that are refused; beyond
 *   that, calls of running turns are refused as well. A turn with one call alone, however long, does not raise it: to let
 *   less in would not help.
 *
 * Nothing is polled: turns are measured while calls come, and an idle host measures nothing.
 */
import type { Clock } from '../../core/clock.ts'

export interface LoadLimits {
  /** How long calls that gateways let in may keep one turn of the loop busy, once turns are late. */
  readonly sliceMs: number
  /** Turns of the loop that last longer are late. */
  readonly lateMs: number
}

const defaults: LoadLimits = { sliceMs: 10, lateMs: 100 }
/** Late turns in a row that are no burst. */
const LASTING = 2
/** Time without a late turn, and without a call that the slice had no room for, after which nothing is sliced any more. */
const CALM_MS = 500
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
  /** Calls of this turn of the loop that came in, and those that its slice had no room for. */
  #came = 0
  #sliced = 0
  /** Late turns in a row. */
  #late = 0
  #slicing = false
  #calmMs = 0
  #pressure = 0

  constructor(clock: Clock, limits: Partial<LoadLimits> = {}) {
    this.#clock = clock
    this.#limits = { ...defaults, ...limits }
    this.#sinceMs = clock.monotonicMs()
  }

  /** So many calls have come in, by whatever way. */
  came(calls: number): void {
    this.#came += calls
    if (this.#phase === 'quiet') this.#measure(this.#clock.monotonicMs())
  }

  /** Another call is at a gateway: true when this turn of the loop has no room left for it. */
  isOver(): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (this.#phase === 'quiet') this.#measure(nowMs)
    const over = this.#slicing && nowMs - this.#sinceMs > this.#limits.sliceMs
    if (over) this.#sliced++
    return over
  }

  /** Nothing is to be refused. */
  get calm(): boolean {
    return this.#pressure === 0
  }

  /** Share of the calls from outside that are to be refused. */
  get outside(): number {
    return Math.min(MOST_OUTSIDE, this.#pressure)
  }

  /** The same of calls that turns make. */
  get inside(): number {
    return Math.min(MOST_INSIDE, Math.max(0, this.#pressure - 1))
  }

  #measure(nowMs: number): void {
    this.#good(nowMs - this.#sinceMs)
    this.#phase = 'measuring'
    this.#sinceMs = nowMs
    this.#clock.soon(this.#turnEnds)
  }

  #ended(nowMs: number): void {
    const tookMs = nowMs - this.#sinceMs
    this.#sinceMs = nowMs
    const came = this.#came
    // As long as the turn would have been if all had come in.
    const wantedMs = tookMs * (came + this.#sliced) / Math.max(1, came)
    if (wantedMs > this.#limits.lateMs) {
      this.#calmMs = 0
      if (++this.#late >= LASTING) {
        this.#slicing = true
        if (tookMs > this.#limits.lateMs && came > 1) this.#pressure = Math.min(MOST, this.#pressure + RISE)
      }
    } else this.#good(tookMs)
    // Turns are short because of the slice: without it the next ones would be late.
    if (this.#sliced > 0) this.#calmMs = 0
    // No call came in this turn of the loop: from here on time is quiet, and would only be measured by waking up.
    if (came + this.#sliced === 0) this.#phase = 'quiet'
    else this.#clock.soon(this.#turnEnds)
    this.#came = this.#sliced = 0
  }

  #good(ms: number): void {
    this.#late = 0
    this.#calmMs += ms
    if (this.#calmMs >= CALM_MS) this.#slicing = false
    this.#pressure = Math.max(0, this.#pressure - ms / FALL_MS)
  }
}
