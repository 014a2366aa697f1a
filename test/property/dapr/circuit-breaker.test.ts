// A circuit breaker against one that keeps everything that ever happened and counts anew each time it is asked.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CircuitBreaker, type Outcome } from '../../../gateway/dapr/resiliency/circuit-breaker.ts'
import type { BreakerPolicy } from '../../../gateway/dapr/resiliency/resiliency-spec.ts'
import { parseTrip, type TripExpression } from '../../../gateway/dapr/resiliency/trip-expression.ts'

interface ModelCall {
  readonly enteredIn: number
  outcome: Outcome | undefined
}

class Model {
  readonly policy: BreakerPolicy
  phase: 'closed' | 'open' | 'half-open' = 'closed'
  sinceMs = 0
  period = 0
  calls: ModelCall[] = []
  /** Ends of calls, in order, with the period that they count in. */
  ends: ModelCall[] = []

  constructor(policy: BreakerPolicy) {
    this.policy = policy
  }

  turn(phase: Model['phase'], nowMs: number): void {
    this.phase = phase
    this.sinceMs = nowMs
    this.period++
  }

  look(nowMs: number): void {
    if (this.phase === 'open' && nowMs >= this.sinceMs + this.policy.openMs) this.turn('half-open', nowMs)
    else if (this.phase === 'closed' && this.policy.intervalMs > 0 && nowMs >= this.sinceMs + this.policy.intervalMs) this.turn('closed', nowMs)
  }

  counts() {
    const ends = this.ends.filter(c => c.enteredIn === this.period && c.outcome !== 'nothing').map(c => c.outcome)
    const run = (of: Outcome): number => ends.length - 1 - ends.findLastIndex(outcome => outcome !== of)
    return {
      requests: this.calls.filter(c => c.enteredIn === this.period && c.outcome !== 'nothing').length,
      totalSuccesses: ends.filter(o => o === 'success').length,
      totalFailures: ends.filter(o => o === 'failure').length,
      consecutiveSuccesses: run('success'),
      consecutiveFailures: run('failure'),
    }
  }

  enter(nowMs: number): ModelCall | undefined {
    this.look(nowMs)
    if (this.phase === 'open' || (this.phase === 'half-open' && this.counts().requests >= this.policy.maxRequests)) return undefined
    const call: ModelCall = { enteredIn: this.period, outcome: undefined }
    this.calls.push(call)
    return call
  }

  leave(call: ModelCall, outcome: Outcome, nowMs: number): void {
    this.look(nowMs)
    call.outcome = outcome
    this.ends.push(call)
    if (call.enteredIn !== this.period || outcome === 'nothing') return
    if (this.phase === 'half-open') {
      if (outcome === 'failure') this.turn('open', nowMs)
      else if (this.counts().consecutiveSuccesses >= this.policy.maxRequests) this.turn('closed', nowMs)
    } else if (outcome === 'failure' && this.policy.trip(this.counts())) this.turn('open', nowMs)
  }
}

const policies = fc.record({
  name: fc.constant('p'),
  maxRequests: fc.integer({ min: 1, max: 3 }),
  intervalMs: fc.constantFrom(0, 0, 30),
  openMs: fc.constantFrom(1, 20),
  trip: fc.constantFrom('consecutiveFailures > 1', 'totalFailures >= 3', 'requests > 4 && totalFailures > totalSuccesses', 'consecutiveFailures >= 1', 'consecutiveSuccesses > 0 || totalFailures > 3')
    .map(text => parseTrip(text) as TripExpression),
})
const steps = fc.array(fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('enter' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('leave' as const), at: fc.nat(9), outcome: fc.constantFrom<Outcome>('success', 'failure', 'failure', 'nothing') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 25 }) }) },
), { maxLength: 120, size: 'max' })

test('it lets through what the model lets through, and is in the same phase', () => {
  fc.assert(fc.property(policies, steps, (policy, taken) => {
    const model = new Model(policy)
    const breaker = new CircuitBreaker(policy, 0)
    const running: { call: ModelCall; ticket: number }[] = []
    let nowMs = 0
    for (const step of taken) {
      if (step.kind === 'wait') nowMs += step.ms
      else if (step.kind === 'enter') {
        const ticket = breaker.enter(nowMs)
        const call = model.enter(nowMs)
        expect(ticket !== undefined).toBe(call !== undefined)
        if (ticket !== undefined && call !== undefined) running.push({ call, ticket })
        else expect(breaker.retryAfterMs(nowMs)).toBeGreaterThan(0)
      } else if (running.length > 0) {
        const [{ call, ticket }] = running.splice(step.at % running.length, 1) as [{ call: ModelCall; ticket: number }]
        breaker.leave(ticket, step.outcome, nowMs)
        model.leave(call, step.outcome, nowMs)
      }
      model.look(nowMs)
      expect(breaker.phase(nowMs)).toBe(model.phase)
    }
    // Once all have ended, an open breaker lets somebody through after its time: it is never stuck.
    for (const { ticket } of running) breaker.leave(ticket, 'nothing', nowMs)
    expect(breaker.enter(nowMs + policy.openMs)).toBeDefined()
  }), { numRuns: 500 })
})
