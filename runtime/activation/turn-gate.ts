/**
 * May this call start now on a busy activation? The one place that decides it (P1, P8). Pure.
 *
 * Exclusive turns run alone, readonly turns may overlap each other, arrival order otherwise. A call whose chain waits in
 * this very activation cannot simply queue: it would wait on itself.
 */

import { mechanisms } from '../../core/mechanisms.ts'

export interface GateState {
  /** Takes calls of anyone: false before `onActivate` has ended and once the activation retires. Chains still come back in. */
  readonly open: boolean
  /** An exclusive turn is running (the innermost one, if turns re-entered). */
  readonly exclusive: boolean
  /** Running readonly turns; beside an exclusive turn they run inside it. */
  readonly readers: number
  /** Calls already waiting. */
  readonly waiting: number
}

export interface GateCall {
  readonly readonly: boolean
  /** The innermost running exclusive turn waits in this call's chain. */
  readonly chainHasExclusive: boolean
  /** An exclusive turn around the innermost one waits in its chain. */
  readonly chainHasOuter: boolean
  /** A running readonly turn of this activation waits in its chain. */
  readonly chainHasReader: boolean
  /** The type lets call chains back in. */
  readonly reentrant: boolean
}

export type Admission = 'run' | 'reenter' | 'wait' | 'cycle'

export function admit(state: GateState, call: GateCall): Admission {
  if (mechanisms.off?.has('turn-gate') && state.open) return 'run'
  if (state.exclusive) {
    if (!call.chainHasExclusive && !call.chainHasOuter && !call.chainHasReader) return 'wait'
    if (!call.reentrant) return 'cycle'
    // A sibling of its own chain runs inside the outer turn: it ends by itself, then this one may enter.
    if (!call.chainHasExclusive) return 'wait'
    if (call.readonly || state.readers === 0) return 'reenter'
    return call.chainHasReader ? 'cycle' : 'wait'
  }
  const free = state.open && state.waiting === 0
  if (state.readers > 0) {
    if (!call.readonly) return call.chainHasReader ? 'cycle' : 'wait'
    // Behind a waiting writer it would wait for its own chain's reader: it overlaps instead.
    return call.chainHasReader || free ? 'run' : 'wait'
  }
  return free ? 'run' : 'wait'
}
