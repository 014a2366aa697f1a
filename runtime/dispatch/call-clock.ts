/**
 * Deadlines of calls and turns, on one wheel. A call's time begins with its first wait: one that is answered at once costs
 * no clock reading at all.
 */
import type { Invocation } from '../../actors/invocation.ts'
import type { Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import type { Activation } from '../activation/activation.ts'
import { nameOf } from '../activation/turn.ts'
import { Deadlines } from './deadlines.ts'

export class CallClock {
  readonly deadlines: Deadlines<Invocation>
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
    this.deadlines = new Deadlines(clock, call => this.#expired(call))
  }

  /** Milliseconds that are left of the call's time, which begins now if it has not begun. */
  remainingMs(call: Invocation): number {
    const now = this.#clock.monotonicMs()
    if (call.deadline === 0) call.deadline = now + call.timeoutMs
    return Math.max(0, call.deadline - now)
  }

  watch(call: Invocation): number {
    const left = this.remainingMs(call)
    call.wheel = this.deadlines
    this.deadlines.add(call, call.deadline)
    return left
  }

  unwatch(call: Invocation): void {
    this.deadlines.remove(call)
  }

  watchTurn(call: Invocation, activation: Activation): void {
    const now = this.#clock.monotonicMs()
    if (call.deadline === 0) call.deadline = now + call.timeoutMs
    call.turnDeadline = now + activation.type.turnTimeoutMs
    call.onTurnTimeout = () => {
      const error = new TroupeError('TURN_TIMEOUT', `${nameOf(call)}: its turn took longer than ${activation.type.turnTimeoutMs} ms and was abandoned; nothing of it is stored`)
      if (activation.phase === 'activating') activation.failActivation(error)
      else activation.end(error)
    }
    this.deadlines.add(call, Math.min(call.deadline, call.turnDeadline))
  }

  watchStream(call: Invocation, ms: number, onTimeout: () => void): void {
    call.turnDeadline = this.#clock.monotonicMs() + ms
    call.onTurnTimeout = onTimeout
    this.deadlines.add(call, call.turnDeadline)
  }

  #expired(call: Invocation): void {
    const now = this.#clock.monotonicMs()
    if (call.deadline !== 0 && call.deadline <= now && !mechanisms.off?.has('call-deadline')) call.expire()
    if (call.turnPhase !== 'running' || call.onTurnTimeout === undefined) return
    // The caller is gone, the turn goes on: it has its own, longer time.
    if (call.turnDeadline <= now) call.onTurnTimeout()
    else this.deadlines.add(call, call.turnDeadline)
  }
}
