/**
 * May this call start now on a busy activation? The one place that decides it (P1, P8). Pure.
 *
 * Exclusive turns run alone, readonly turns may overlap each other, arrival order otherwise. A call whose chain waits in
 * this very activation cannot simply queue: it would wait on itself.
 */

export interface GateState {
  /** An exclusive turn is running (the innermost one, if turns re-entered). */
  readonly exclusive: boolean
  readonly readers: number
  /** Calls already waiting. */
  readonly waiting: number
}

export interface GateCall {
  readonly readonly: boolean
  /** The innermost running exclusive turn waits in this call's chain. */
  readonly chainHasExclusive: boolean
  /** Some other running turn of this activation (an outer exclusive one, or a reader) waits in its chain. */
  readonly chainHasOther: boolean
  /** The type lets call chains back in. */
  readonly reentrant: boolean
}

export type Admission = 'run' | 'reenter' | 'wait' | 'cycle'

export function admit(state: GateState, call: GateCall): Admission {
  if (state.exclusive) {
    if (call.chainHasExclusive) return call.reentrant ? 'reenter' : 'cycle'
    // A sibling of its own chain runs inside the outer turn: it ends by itself, then this one may enter.
    if (call.chainHasOther) return call.reentrant ? 'wait' : 'cycle'
    return 'wait'
  }
  if (state.readers > 0) {
    if (!call.readonly) return call.chainHasOther ? 'cycle' : 'wait'
    // Behind a waiting writer it would wait for its own chain's reader: it overlaps instead.
    return call.chainHasOther || state.waiting === 0 ? 'run' : 'wait'
  }
  return state.waiting === 0 ? 'run' : 'wait'
}
