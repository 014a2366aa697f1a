/**
 * What becomes of a call that finds an activation busy: the facts that the gate decides on (turn-gate.ts), which waiting
 * call is next, and the errors of those that may not come in. Reads the running turns, changes nothing but the mailbox.
 */
import type { ActorType } from '../../actors/actor-type.ts'
import { chainCount, chainHas, showChain } from '../../actors/call-chain.ts'
import type { Invocation } from '../../actors/invocation.ts'
import { TroupeError } from '../../core/errors.ts'
import { showKey } from '../../core/ids.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import type { Mailbox } from './mailbox.ts'
import { admit, type Admission } from './turn-gate.ts'

/** The turns of one activation as they are now. */
export interface RunningTurns {
  readonly type: ActorType
  /** Takes calls of anyone. */
  readonly open: boolean
  /** Its last turn runs or has run: the application forgets the actor. */
  readonly leaving: boolean
  /** The innermost exclusive turn; outer ones hang on it. */
  readonly exclusive: Invocation | undefined
  readonly readers: readonly Invocation[] | undefined
}

/** A durable send is none: that it was applied must be stored. */
export const isReadonly = (call: Invocation): boolean =>
  call.method === undefined || (call.method.readonly && call.once?.delivery === undefined)

/**
 * An operation on an application's actor changes everything at once, at its end, or nothing. There is nothing to take back when it fails:
 * what has changed since it began is the work of others beside it.
 */
export const isWhole = ({ kind }: Invocation, { app }: ActorType): boolean => app !== undefined && kind === 'manage'

/** True when `turn`, of the activation that `call` is for, waits for it. */
const waitsFor = (turn: Invocation, call: Invocation): boolean => call.parent !== undefined && chainHas(call.parent, call.typeName, call.id, turn.turn)

/**
 * What an application asks for while its turn runs cannot be told from what others ask for: both come in. Its turns hold nothing back.
 * A timer that is set in the last turn would be gone with it: it is for the actor's next life.
 */
const entersAnyTurn = ({ kind, methodName }: Invocation, { type, leaving }: RunningTurns): boolean =>
  type.app !== undefined && (kind === 'read' || (kind === 'manage' && !(leaving && methodName === 'timers.set')))

function admissionOf(call: Invocation, turns: RunningTurns, waiting: number): Admission {
  const { exclusive, readers, open, type } = turns
  if (exclusive !== undefined && entersAnyTurn(call, turns)) return 'reenter'
  let chainHasOuter = false
  for (let turn = exclusive?.outer; turn !== undefined; turn = turn.outer) chainHasOuter ||= waitsFor(turn, call)
  return admit({ open, exclusive: exclusive !== undefined, readers: readers?.length ?? 0, waiting }, {
    readonly: isReadonly(call), reentrant: type.reentrant, chainHasOuter,
    chainHasExclusive: exclusive !== undefined && waitsFor(exclusive, call), chainHasReader: readers?.some(turn => waitsFor(turn, call)) ?? false,
  })
}

/** What becomes of a call that finds the activation busy: it starts, waits, or may not come in. */
export function verdictOn(call: Invocation, turns: RunningTurns, waiting: number, activating: boolean): 'start' | 'wait' | TroupeError {
  const { type } = turns
  if (isTooDeep(call, type)) return depthError(call, type)
  const admission = admissionOf(call, turns, waiting)
  if (admission === 'cycle') return cycleError(call, type)
  if (admission !== 'wait') return 'start'
  // The call that brings an actor to life always finds a place.
  return waiting >= type.mailbox && !(waiting === 0 && activating) && !mechanisms.off?.has('mailbox-bound') ? fullError(call, waiting) : 'wait'
}

/**
 * Puts the call among those that wait, or refuses it: what waits may take so many bytes, and who cannot have a turn before its
 * time is over is told so now. `leftMs`: of its time.
 */
export function enqueue(call: Invocation, mailbox: Mailbox, type: ActorType, leftMs: number): void {
  const refusal = call.kind === 'internal' || mailbox.size === 0 ? undefined : noRoom(call, mailbox, type) ?? tooSlow(call, mailbox, leftMs)
  if (refusal !== undefined) return call.fail(refusal)
  mailbox.push(call)
  call.keeper = mailbox
}

/** True when a running turn waits for the call. */
export const isInsideTurn = (call: Invocation, { exclusive, readers }: RunningTurns): boolean => {
  for (let turn = exclusive; turn !== undefined; turn = turn.outer) if (waitsFor(turn, call)) return true
  return readers?.some(turn => waitsFor(turn, call)) ?? false
}

/** Takes the waiting call that may start now, if there is one. */
export function takeNext(mailbox: Mailbox, turns: RunningTurns): Invocation | undefined {
  const { type, open, exclusive, readers } = turns
  const reading = readers !== undefined && readers.length > 0
  if (exclusive !== undefined) {
    if (!type.reentrant && type.app === undefined) return undefined
    // What enters any turn is here because it had to wait for a lease: the turn that runs may be waiting for it.
    return mailbox.takeFirst(call => entersAnyTurn(call, turns) || (type.reentrant && waitsFor(exclusive, call) && (isReadonly(call) || !reading)))
  }
  for (let call = open ? mailbox.peek() : undefined; call !== undefined; call = mailbox.peek()) {
    if (reading && !isReadonly(call)) return undefined
    const nowMs = call.wheel?.nowMs() ?? 0
    // Nobody waits for it any more, though the wheel has not come round to it: a turn may have held the thread.
    if (call.deadline !== 0 && call.deadline <= nowMs && !mechanisms.off?.has('call-deadline')) call.expire()
    else {
      mailbox.shift(nowMs)
      return call
    }
  }
  return undefined
}

const noRoom = (call: Invocation, mailbox: Mailbox, type: ActorType): TroupeError | undefined =>
  call.bytes === 0 || mailbox.bytes + call.bytes <= type.mailboxBytes ? undefined
    : new TroupeError('MAILBOX_FULL', `${showKey({ type: call.typeName, id: call.id })}: the arguments of ${mailbox.size} waiting calls take ${mailbox.bytes} bytes, its mailbox holds ${
      type.mailboxBytes}; call later, or with less`, { retryAfterMs: 100 })

function tooSlow(call: Invocation, mailbox: Mailbox, leftMs: number): TroupeError | undefined {
  const { expectedMs } = mailbox
  if (expectedMs === undefined || expectedMs <= leftMs || mechanisms.off?.has('call-deadline')) return undefined
  const why = `${mailbox.size} calls are waiting, which takes about ${Math.round(expectedMs)} ms, and this one has ${Math.round(leftMs)} ms left`
  return new TroupeError('OVERLOADED', `${showKey({ type: call.typeName, id: call.id })}: ${why}; call later, or give it more time`, {
    retryAfterMs: Math.ceil(Math.min(1_000, Math.max(100, expectedMs - leftMs))),
  })
}

/** Of applications each actor's own depth counts as well: how often the chain is in it. */
export const isTooDeep = (call: Invocation, type: ActorType): boolean =>
  call.depth > type.maxDepth || (type.app !== undefined && chainCount(call.parent, call.typeName, call.id) >= type.app.maxStackDepth)

function cycleError(call: Invocation, type: ActorType): TroupeError {
  const chain = showChain(call.parent, call.typeName, call.id)
  return new TroupeError('CALL_CYCLE', `${showKey({ type: call.typeName, id: call.id })}.${call.methodName}: this call would wait on itself: ${chain.join(' → ')}; ${
    type.reentrant ? 'only an exclusive turn can be re-entered' : "call without waiting, or set options.reentrancy to 'call-chain'"}`, { data: { chain } })
}

export const depthError = (call: Invocation, type: ActorType): TroupeError =>
  new TroupeError('STACK_DEPTH', 'maximum stack depth exceeded', { data: { maxDepth: type.maxDepth, chain: showChain(call.parent, call.typeName, call.id) } })

export const fullError = (call: Invocation, waiting: number): TroupeError =>
  new TroupeError('MAILBOX_FULL', `${showKey({ type: call.typeName, id: call.id })}: ${waiting} calls are waiting, its mailbox holds no more; call later`, { retryAfterMs: 100 })

/** Why a call waits whose turn could start, and what it is told if its time ends meanwhile. */
export const noLeaseError = (call: Invocation): TroupeError =>
  new TroupeError('NO_LEASE', `${showKey({ type: call.typeName, id: call.id })}: its host could not renew its lease in time, and may not serve until it has`)
