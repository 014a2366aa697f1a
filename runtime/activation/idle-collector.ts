/**
 * Ends activations that had no call for their type's `idleAfter`. No timer an activation and no work a call: an activation
 * sits in the bucket of the tick at which it could be idle at the earliest, and moves on if it was used meanwhile.
 * It ends between `idleAfter` and `idleAfter` + two ticks after its last call.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import type { Activation } from './activation.ts'

export class IdleCollector {
  /** Coarse time: counts ticks, and stands while there is nothing to collect. */
  tick = 0
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #buckets = new Map<number, Activation[]>()
  #timer: Timer | undefined
  #phase: 'running' | 'closed' = 'running'

  constructor(clock: Clock, shortestIdleMs: number) {
    this.#clock = clock
    this.#tickMs = Math.min(1000, Math.max(10, Math.floor(shortestIdleMs / 8)))
  }

  add(activation: Activation): void {
    activation.lastUsed = this.tick
    this.#put(activation, this.tick + this.#idleTicks(activation))
  }

  close(): void {
    this.#phase = 'closed'
    this.#timer?.cancel()
    this.#buckets.clear()
  }

  #idleTicks(activation: Activation): number {
    return Math.ceil(activation.type.idleAfterMs / this.#tickMs) + 1
  }

  #put(activation: Activation, tick: number): void {
    const bucket = this.#buckets.get(tick)
    if (bucket === undefined) this.#buckets.set(tick, [activation])
    else bucket.push(activation)
    if (this.#timer === undefined) this.#arm()
  }

  #arm(): void {
    this.#timer = this.#clock.after(this.#tickMs, () => {
      this.#timer = undefined
      if (this.#phase === 'closed') return
      this.tick++
      this.#collect()
      if (this.#buckets.size > 0 && this.#timer === undefined) this.#arm()
    })
  }

  #collect(): void {
    const bucket = this.#buckets.get(this.tick)
    if (bucket === undefined) return
    this.#buckets.delete(this.tick)
    for (const activation of bucket) {
      if (activation.phase === 'ended') continue
      const idleAt = activation.lastUsed + this.#idleTicks(activation)
      if (idleAt > this.tick) this.#put(activation, idleAt)
      else if (activation.phase === 'active' && activation.quiet && activation.waiting === 0 && !hasTimers(activation)) void activation.retire('idle')
      else this.#put(activation, this.tick + 1)
    }
  }
}

/** An application counts on the timers that it set: its actor is not idle while there are any. */
const hasTimers = (activation: Activation): boolean => activation.type.app !== undefined && activation.timers.size > 0
