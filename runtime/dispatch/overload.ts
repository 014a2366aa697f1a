/**
 * Which calls this host takes on, and which it refuses at once (P7): OVERLOADED, with proof that nothing ran.
 *
 * Calls under way are counted, and the bytes of their arguments: those from outside (gateways, references outside turns,
 * wherever in the cluster they began) may have three quarters of the room, so that turns that are under way find room for
 * the calls they need to end. Besides, calls from outside are refused while the host is late (load-signal.ts), the more of
 * them the longer that lasts; calls of turns only when that did not help.
 *
 * Never refused: answers, whatever the runtime does itself (reminders, timers, sweeps), hand-over, leases, placement: none
 * of them passes here.
 */
import { LocalCall, type Invocation } from '../../actors/invocation.ts'
import { TroupeError } from '../../core/errors.ts'
import { weightOf } from './load-weight.ts'
import type { LoadSignal } from './load-signal.ts'

export interface AdmissionLimits {
  /** Calls under way. */
  readonly maxCalls: number
  /** What their arguments take. */
  readonly maxCallBytes: number
}

const OUTSIDE_SHARE = 0.75
/** References are called millions of times a second: their calls are told to the signal in bunches. */
const CALLS_A_LOOK = 16
const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 1_000

/** True for a call that no turn waits for and no store holds. */
const isOutside = (call: Invocation): boolean => call.parent === undefined && call.once?.delivery === undefined

export class CallAdmission {
  readonly #limits: AdmissionLimits
  readonly #outside: AdmissionLimits
  readonly #load: LoadSignal
  #calls = 0
  #bytes = 0
  #refused = 0
  #uncounted = 0
  /** What the shares have added up to: at 1 one call is refused. Even, where chance would come in runs. */
  #owedOutside = 0
  #owedInside = 0

  constructor(load: LoadSignal, limits: AdmissionLimits) {
    this.#load = load
    this.#limits = limits
    this.#outside = { maxCalls: Math.ceil(limits.maxCalls * OUTSIDE_SHARE), maxCallBytes: Math.ceil(limits.maxCallBytes * OUTSIDE_SHARE) }
  }

  get stats(): { readonly calls: number; readonly bytes: number; readonly refused: number } {
    return { calls: this.#calls, bytes: this.#bytes, refused: this.#refused }
  }

  /**
   * Asked by a gateway before it reads a call's body of `bytes`: why the call is refused, or undefined. Whoever was let in
   * here is not asked for the load again by `enter`.
   */
  atDoor(bytes: number): TroupeError | undefined {
    return this.#load.isOver() ? this.#late() : this.#shed(true) ?? this.#full(bytes, true)
  }

  /** Takes the call on, until `leave`; or says why not. `asked`: a door let it in. */
  enter(call: Invocation, asked: boolean): TroupeError | undefined {
    const outside = isOutside(call)
    if (++this.#uncounted >= (call.form === 'copy' && !asked ? CALLS_A_LOOK : 1)) {
      this.#load.came(this.#uncounted)
      this.#uncounted = 0
    }
    const refusal = (asked || this.#load.calm ? undefined : this.#shed(outside)) ?? this.#full(call.bytes, outside)
    if (refusal !== undefined) return refusal
    this.#calls++
    this.#bytes += call.bytes
    return undefined
  }

  leave(call: Invocation): void {
    this.#calls--
    this.#bytes -= call.bytes
  }

  #shed(outside: boolean): TroupeError | undefined {
    if (outside) {
      this.#owedOutside += this.#load.outside
      if (this.#owedOutside < 1) return undefined
      this.#owedOutside--
    } else {
      this.#owedInside += this.#load.inside
      if (this.#owedInside < 1) return undefined
      this.#owedInside--
    }
    return this.#late()
  }

  #full(bytes: number, outside: boolean): TroupeError | undefined {
    const { maxCalls, maxCallBytes } = outside ? this.#outside : this.#limits
    if (this.#calls >= maxCalls) return this.#refuse(`${this.#calls} calls are under way here, ${maxCalls} may be`)
    // One that is larger than all the room would never find any.
    if (this.#bytes + bytes > maxCallBytes && this.#calls > 0) {
      return this.#refuse(`the arguments of calls that are under way here take ${this.#bytes} bytes, ${maxCallBytes} may be taken`)
    }
    return undefined
  }

  #late(): TroupeError {
    return this.#refuse('this host is behind with its work')
  }

  #refuse(why: string): TroupeError {
    this.#refused++
    const retryAfterMs = Math.round(Math.max(FIRST_RETRY_MS, LAST_RETRY_MS * this.#load.outside))
    return new TroupeError('OVERLOADED', `${why}; call again in ${retryAfterMs} ms`, { retryAfterMs })
  }
}

/** A call of this process that counts as under way from its admission to its answer. */
export class AdmittedCall extends LocalCall {
  #admission: CallAdmission | undefined

  /** `doorBytes`: of the call's body, when a door let it in. */
  enter(admission: CallAdmission, doorBytes: number | undefined): TroupeError | undefined {
    this.bytes = doorBytes ?? weightOf(this.args)
    const refusal = admission.enter(this, doorBytes !== undefined)
    if (refusal === undefined) this.#admission = admission
    return refusal
  }

  protected override answer(value: unknown): void {
    this.#admission?.leave(this)
    super.answer(value)
  }
  protected override refuse(error: unknown): void {
    this.#admission?.leave(this)
    super.refuse(error)
  }
}
