/** The circuit breakers of one actor type: one, or one for each actor, of which those used last are kept. */
import { CircuitBreaker } from './circuit-breaker.ts'
import type { BreakerPolicy } from './resiliency-spec.ts'

export class Breakers {
  readonly #policy: BreakerPolicy
  readonly #limit: number
  /** The one that has been used least lately is first. */
  readonly #kept = new Map<string, CircuitBreaker>()

  constructor(policy: BreakerPolicy, limit: number) {
    this.#policy = policy
    this.#limit = limit
  }

  get size(): number {
    return this.#kept.size
  }

  get(key: string, nowMs: number): CircuitBreaker {
    const breaker = this.#kept.get(key) ?? new CircuitBreaker(this.#policy, nowMs)
    this.#kept.delete(key)
    this.#kept.set(key, breaker)
    if (this.#kept.size > this.#limit) this.#kept.delete(this.#kept.keys().next().value!)
    return breaker
  }
}
