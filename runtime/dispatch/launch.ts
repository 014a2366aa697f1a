/**
 * How a call begins on this host: it leaves through the output gate of the turn that makes it (P3), carries that turn's
 * chain, has at most the time that turn's caller has left, and ends when its signal is aborted.
 */
import type { Caller } from '../../actors/authorize.ts'
import { Once, turnScope, type CallKind, type Invocation, type OutputGate } from '../../actors/invocation.ts'
import { TroupeError } from '../../core/errors.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import { AdmittedCall, type CallAdmission } from './overload.ts'

/** What a call needs of its host. */
export interface CallPort {
  readonly callTimeoutMs: number
  route(call: Invocation): void
  remainingMs(call: Invocation): number
  /** Whether this host's lease has not run out at this very moment. */
  mayServe(): boolean
  /** Which calls are taken on; all, when absent. */
  readonly admission?: CallAdmission
}

export interface Target {
  readonly typeName: string
  readonly id: string
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly idempotencyKey?: string | undefined
  /** Of a call that comes in by a door. */
  readonly caller?: Caller | undefined
  /** The turn that makes it, where the call comes in by a door and says whose chain it belongs to. */
  readonly parent?: Invocation | undefined
  /** Of its body, when the door has asked whether it may come in (`Dispatcher.refusal`). */
  readonly bytes?: number | undefined
}

/** Starts a call of `target`; resolves with what the method returned. `args` must already be the callee's. */
export function startCall(port: CallPort, target: Target, methodName: string, args: readonly unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => startWith(port, target, methodName, args, 'method', resolve, reject))
}

/** The same for whoever wants to know who answered, or to read state: `resolve` gets the call with the value. */
export function startWith(
  port: CallPort, target: Target, methodName: string, args: readonly unknown[], kind: CallKind,
  resolve: (value: unknown, call: Invocation) => void, reject: (error: unknown) => void,
): void {
  const { signal } = target
  if (signal === undefined) {
    launch(port, target, methodName, args, kind, resolve, reject)
    return
  }
  let cancel: (() => void) | undefined
  const unbind = (): void => { if (cancel !== undefined) signal.removeEventListener('abort', cancel) }
  const call = launch(port, target, methodName, args, kind, (value, answered) => {
    unbind()
    resolve(value, answered)
  }, error => {
    unbind()
    reject(error)
  })
  // Most turns end at once: listening would cost them more than they do.
  if (call.settled) return
  cancel = () => call.abandon('CANCELLED', 'the caller gave up')
  signal.addEventListener('abort', cancel, { once: true })
  // The turn itself may have aborted it before its first wait.
  if (signal.aborted) cancel()
}

function launch(
  port: CallPort, target: Target, methodName: string, args: readonly unknown[], kind: CallKind,
  resolve: (value: unknown, call: Invocation) => void, reject: (error: unknown) => void,
): Invocation {
  const scope = turnScope.getStore()
  const parent = target.parent ?? (scope !== undefined && scope.turnPhase === 'running' ? scope : undefined)
  let { timeoutMs } = target
  if (parent !== undefined) timeoutMs = Math.min(timeoutMs, port.remainingMs(parent))
  const once = target.idempotencyKey === undefined || (kind !== 'method' && kind !== 'body') ? undefined : new Once(target.idempotencyKey)
  const call = new AdmittedCall({ typeName: target.typeName, id: target.id, methodName, args, timeoutMs, parent, kind, once, caller: target.caller }, resolve, reject)
  if (target.signal?.aborted === true) call.abandon('CANCELLED', 'the caller had given up')
  else if (timeoutMs <= 0) call.abandon('CALL_TIMEOUT', 'no time was left for it')
  else if (!isAdmitted(port, call, target.bytes)) return call
  else {
    const gate = target.parent?.gate ?? scope?.gate
    if (gate === undefined) port.route(call)
    else passGate(port, gate, call)
  }
  return call
}

function isAdmitted(port: CallPort, call: AdmittedCall, doorBytes: number | undefined): boolean {
  const refusal = port.admission && call.enter(port.admission, doorBytes)
  if (refusal !== undefined) call.fail(refusal)
  return refusal === undefined
}

/**
 * A call made by a turn passes that turn's output gate first; so does one made by code that a turn left behind, since it
 * has seen the same memory.
 */
function passGate(port: CallPort, gate: OutputGate, call: Invocation): void {
  if (gate.phase === 'ended') {
    call.fail(new TroupeError('OUTSIDE_TURN', `${call.typeName}/${call.id}: the activation that calls it has ended and may call nobody any more`))
  } else if (!port.mayServe()) {
    // A turn of a host that was held up: what it has seen may be old.
    call.fail(new TroupeError('NO_LEASE', `${call.typeName}/${call.id}: the host of the turn that calls it could not renew its lease in time`))
  } else if (gate.hasUnsaved && !mechanisms.off?.has('calls-wait')) gate.whenDurable(() => port.route(call), error => call.fail(error))
  else port.route(call)
}
