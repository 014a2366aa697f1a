/**
 * Whether to make a call at all, from how the calls before ended. Pure: time is an argument.
 *
 * *Closed*: calls go through and are counted; when the counts fulfil the condition it opens. *Open*: none goes through for a
 * while. *Half-open*: so many go through as the policy says; if they all succeed it closes, one failure opens it again. With each
 * change of phase counting begins anew, and calls that began before it say nothing about after it.
 *
 * A call whose end tells nothing (its caller gave up, or sent what no actor could take) is taken back as if it had never been:
 * otherwise it would use up the place of a probe, and a half-open breaker would let nobody through for ever.
 */
import type { BreakerPolicy } from './resiliency-spec.ts'
import type { BreakerCounts } from './trip-expression.ts'

export type Outcome = 'success' | 'failure' | 'nothing'
export type BreakerPhase = 'closed' | 'open' | 'half-open'

/** What a half-open breaker that is full tells callers to wait, at most. */
const FULL_MS = 1_000

const none: BreakerCounts = { requests: 0, totalSuccesses: 0, totalFailures: 0, consecutiveSuccesses: 0, consecutiveFailures: 0 }

export class CircuitBreaker {
  readonly #policy: BreakerPolicy
  #phase: BreakerPhase = 'closed'
  #counts = none
  /** Raised whenever counting begins anew. */
  #generation = 0
  /** When it ends; undefined: not by time. */
  #untilMs: number | undefined

  constructor(policy: BreakerPolicy, nowMs: number) {
    this.#policy = policy
    this.#begin('closed', nowMs)
  }

  phase(nowMs: number): BreakerPhase {
    this.#pass(nowMs)
    return this.#phase
  }

  /** @returns a ticket with which to say how the call ended (`leave`); undefined: do not make it */
  enter(nowMs: number): number | undefined {
    this.#pass(nowMs)
    if (this.#phase === 'open') return undefined
    if (this.#phase === 'half-open' && this.#counts.requests >= this.#policy.maxRequests) return undefined
    this.#counts = { ...this.#counts, requests: this.#counts.requests + 1 }
    return this.#generation
  }

  leave(ticket: number, outcome: Outcome, nowMs: number): void {
    this.#pass(nowMs)
    if (ticket !== this.#generation) return
    if (outcome === 'nothing') this.#counts = { ...this.#counts, requests: this.#counts.requests - 1 }
    else if (outcome === 'success') this.#succeeded(nowMs)
    else this.#failed(nowMs)
  }

  /** When a refused call may be worth repeating. */
  retryAfterMs(nowMs: number): number {
    const leftMs = this.#phase === 'open' ? this.#untilMs! - nowMs : Math.min(FULL_MS, this.#policy.openMs)
    return Math.max(1, Math.ceil(leftMs))
  }

  #succeeded(nowMs: number): void {
    const counts = this.#counts
    this.#counts = { ...counts, totalSuccesses: counts.totalSuccesses + 1, consecutiveSuccesses: counts.consecutiveSuccesses + 1, consecutiveFailures: 0 }
    if (this.#phase === 'half-open' && this.#counts.consecutiveSuccesses >= this.#policy.maxRequests) this.#begin('closed', nowMs)
  }

  #failed(nowMs: number): void {
    const counts = this.#counts
    this.#counts = { ...counts, totalFailures: counts.totalFailures + 1, consecutiveFailures: counts.consecutiveFailures + 1, consecutiveSuccesses: 0 }
    if (this.#phase === 'half-open' || this.#policy.trip(this.#counts)) this.#begin('open', nowMs)
  }

  /** What time alone changes. */
  #pass(nowMs: number): void {
    if (this.#untilMs === undefined || nowMs < this.#untilMs) return
    this.#begin(this.#phase === 'open' ? 'half-open' : 'closed', nowMs)
  }

  #begin(phase: BreakerPhase, nowMs: number): void {
    this.#phase = phase
    this.#counts = none
    this.#generation++
    const { openMs, intervalMs } = this.#policy
    this.#untilMs = phase === 'open' ? nowMs + openMs : phase === 'closed' && intervalMs > 0 ? nowMs + intervalMs : undefined
  }
}
