/**
 * The pauses between the tries of one call. Pure but for chance: time is an argument.
 *
 * However a policy is written, retries end: no pause begins that would end more than an hour after the first try. Whoever waits
 * for the call has a shorter deadline of its own nearly always.
 */
import type { Random } from '../../../core/random.ts'
import type { RetryPolicy } from './resiliency-spec.ts'

export const LONGEST_MS = 3_600_000

export class BackOff {
  readonly #policy: RetryPolicy
  readonly #random: Random
  #retries = 0
  #intervalMs: number

  constructor(policy: RetryPolicy, random: Random) {
    this.#policy = policy
    this.#random = random
    this.#intervalMs = policy.pauses.kind === 'constant' ? policy.pauses.pauseMs : Math.min(policy.pauses.initialMs, policy.pauses.longestMs)
  }

  /**
   * Milliseconds until the next try; undefined: there is none.
   * @param elapsedMs since the first try began
   * @param leastMs what the error asks for
   */
  next(elapsedMs: number, leastMs = 0): number | undefined {
    const { pauses, maxRetries } = this.#policy
    if (maxRetries >= 0 && this.#retries >= maxRetries) return undefined
    this.#retries++
    const pauseMs = Math.max(leastMs, this.#pause())
    const withinMs = pauses.kind === 'exponential' && pauses.withinMs > 0 ? Math.min(LONGEST_MS, pauses.withinMs) : LONGEST_MS
    return elapsedMs + pauseMs > withinMs ? undefined : pauseMs
  }

  #pause(): number {
    const { pauses } = this.#policy
    if (pauses.kind === 'constant') return pauses.pauseMs
    const intervalMs = this.#intervalMs
    this.#intervalMs = Math.min(pauses.longestMs, intervalMs * pauses.multiplier)
    return intervalMs * (1 + pauses.randomization * (2 * this.#random.float() - 1))
  }
}
