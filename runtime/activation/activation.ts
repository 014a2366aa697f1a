/**
 * One live actor: its instance, the turns running on it, the calls waiting for it, and what of it is not durable yet.
 *
 * Promises: one exclusive turn at a time, readonly turns overlap each other (P1); a turn's changes are captured at its end
 * or taken back (P2); an answer leaves only when every commit that its turn could have seen is durable (P3); after a commit
 * that was not 'ok' nothing of this memory is believed any more (P4): held answers become errors, waiting calls, which did
 * not run, go back to the router.
 *
 * What is decided elsewhere: who may start (admission.ts, turn-gate.ts), what changed (actors/fields.ts, entry-buffer.ts), what
 * waits for a flush (answer-gate.ts), when bytes are flushed (stores/group-commit.ts), how it is brought to life
 * (activator.ts), how streams run (stream-turn.ts), what takes effect once (once-calls.ts).
 */
import type { Actor, ActorHooks, ContextSource, DeactivationReason } from '../../actors/actor.ts'
import type { ActorContext } from '../../actors/actor-context.ts'
import type { ActorType } from '../../actors/actor-type.ts'
import type { ChainLink } from '../../actors/call-chain.ts'
import { noEntries, type EntryTally, type Fields } from '../../actors/fields.ts'
import { runInTurn, type Invocation, type OutputGate } from '../../actors/invocation.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { showKey } from '../../core/ids.ts'
import { seams } from '../../core/seams.ts'
import type { ActorAddress, ActorWrite, CommitResult } from '../../stores/actor-store.ts'
import type { Committable } from '../../stores/group-commit.ts'
import { ActivationContext } from './activation-context.ts'
import type { ActivationServices } from './activation-services.ts'
import { AnswerGate } from './answer-gate.ts'
import { depthError, enqueue, isInsideTurn, isTooDeep, isReadonly, isWhole, noLeaseError, takeNext, verdictOn, type RunningTurns } from './admission.ts'
import { EntryBuffer } from './entry-buffer.ts'
import { Mailbox } from './mailbox.ts'
import { OnceCalls } from './once-calls.ts'
import { onceHost } from './once-host.ts'
import { startStream } from './stream-turn.ts'
import type { ActivationTimers } from './timers.ts'
import { commitError, cutTurn, isThenable, methodFailure, readonlyViolation, runMethod, savepointOf, takeBack, takeResult, writeOf, type Held, type Outcome, type Savepoint } from './turn.ts'

/**
 * activating → active → retiring → ended, or any → ended at once. Retiring: starts no turn, lets the running ones and
 * their commits end.
 */
export type ActivationPhase = 'activating' | 'active' | 'retiring' | 'ended'

export class Activation implements Committable, ContextSource, OutputGate {
  readonly type: ActorType
  readonly id: string
  readonly shard: number
  readonly epoch: number
  readonly services: ActivationServices
  phase: ActivationPhase = 'activating'
  /** Coarse time of the last call, in the idle collector's ticks. */
  lastUsed = 0
  /** Its application has been asked to run turns of it: it is told of the end, once (farewells.ts). */
  knownToApp = false
  told: Promise<void> | undefined = undefined
  #instance: Actor | undefined
  #fields: Fields | undefined
  #entries: EntryBuffer | undefined
  #once: OnceCalls | undefined
  #timers: ActivationTimers | undefined
  #context: ActivationContext | undefined
  /** Version that the store holds, or will hold when the flush in flight is done. */
  #version = 0
  /** The innermost exclusive turn; outer ones hang on it. */
  #exclusive: Invocation | undefined
  /** Readonly turns that did not end at once. */
  #readers: Invocation[] | undefined
  #mailbox: Mailbox | undefined
  /** Made with the first change. */
  #gate: AnswerGate | undefined
  /** After its end: when its id is free. */
  #left: void | Promise<void> = undefined
  #onQuiet: (() => void)[] | undefined
  #pumping = false
  #captures = 0
  /** Its end, once it retires: whoever asks again waits for the same. */
  #retired: Promise<void> | undefined

  constructor(type: ActorType, id: string, shard: number, epoch: number, services: ActivationServices) {
    this.type = type
    this.id = id
    this.shard = shard
    this.epoch = epoch
    this.services = services
  }

  get name(): string {
    return showKey({ type: this.type.name, id: this.id })
  }

  get fields(): Fields | undefined {
    return this.#fields
  }

  get entries(): EntryBuffer {
    return (this.#entries ??= new EntryBuffer())
  }

  get timers(): ActivationTimers {
    return (this.#timers ??= this.services.timersOf(this))
  }

  get address(): ActorAddress {
    return { type: this.type.name, shard: this.shard, id: this.id }
  }

  /** Nothing of it is in the store or on its way there. */
  get unstored(): boolean {
    return this.#version === 0 && !this.hasUnsaved
  }

  /** True when nothing runs, waits or is unsaved. */
  get quiet(): boolean {
    return this.#exclusive === undefined && (this.#readers === undefined || this.#readers.length === 0) && !this.hasUnsaved
  }

  get waiting(): number {
    return this.#mailbox?.size ?? 0
  }

  context(): ActorContext {
    return (this.#context ??= new ActivationContext(this))
  }

  // ---- life -------------------------------------------------------------------------------------------------------

  /** The activator made and filled the instance; calls may run now. */
  begin(instance: Actor, fields: Fields, version: number, tally: EntryTally = noEntries): void {
    this.#instance = instance
    this.#fields = fields
    this.#version = version
    if (tally !== noEntries) this.#entries = new EntryBuffer(tally)
    this.#once?.begin()
  }

  /** The chain of the call that brought it to life: what `onActivate` calls must not wait for that chain. */
  get broughtBy(): ChainLink | undefined {
    return (this.#mailbox?.peek() ?? this.#once?.firstEarly)?.parent
  }

  /** Runs `onActivate` as the first turn, or an application's deactivation as the last; its commit is durable when `call` is answered. */
  runApart(call: Invocation): void {
    this.#start(call)
  }

  /** Ends before it began. @returns what waited; it did not run */
  giveUp(): Invocation[] {
    const waiting = this.#takeWaiting()
    this.end()
    return waiting
  }

  failActivation(error: unknown): void {
    for (const call of this.giveUp()) call.fail(error)
  }

  /** Opens the mailbox, after `onActivate`. */
  open(): void {
    if (this.phase !== 'activating') return
    this.phase = 'active'
    this.#pump()
  }

  /**
   * Starts no more turns; ends when the running ones and their commits have. Calls that wait or come then go back to the
   * router at its end: the actor can be nowhere else before.
   * @returns when it has ended
   */
  retire(reason: DeactivationReason): Promise<void> {
    if (this.phase === 'ended') return Promise.resolve()
    return (this.#retired ??= this.#retire(reason))
  }

  #retire(reason: DeactivationReason): Promise<void> {
    const wasActive = this.phase === 'active'
    this.phase = 'retiring'
    this.#timers?.clear()
    return this.#whenQuiet(async () => {
      if (this.phase !== 'retiring') return
      if (wasActive && (this.type.onDeactivate || this.knownToApp)) await this.services.hook(this, 'onDeactivate', reason)
      if (!this.quiet) await this.#whenQuiet(() => undefined)
      this.end()
      await this.#left
    })
  }

  /** Ends now: running turns are not waited for, their answers are `error`, nothing of theirs is stored. */
  end(error?: TroupeError): void {
    if (this.phase === 'ended') return
    this.phase = 'ended'
    this.#timers?.clear()
    const writing = this.#gate?.writing === true
    if (!this.quiet || this.#once !== undefined) this.#cutAll(error ?? new TroupeError('HOST_STOPPING', `${this.name}: its activation ended`, { executed: 'unknown' }))
    this.#exclusive = this.#readers = this.#gate = undefined
    // Whoever still points here (a reference, a bucket) keeps no state alive.
    this.#instance = this.#fields = this.#entries = this.#timers = undefined
    this.services.ending(this)
    // The next activation must not load before a write on its way has landed or failed: calls wait here until then.
    if (!writing) this.#left = this.services.ended(this, () => this.#takeWaiting())
    this.#settleQuiet()
  }

  #cutAll(why: TroupeError): void {
    for (const call of this.#once?.end(why) ?? []) (this.#mailbox ??= new Mailbox()).push(call)
    this.#once = undefined
    // Their turns had ended: another one's timeout is none of theirs, and whether they are stored nobody can say.
    const lost = why.code === 'TURN_TIMEOUT' ? commitError(this.name, 'unknown') : why
    for (const held of this.#gate?.takeAll() ?? []) held.fail(lost)
    for (let turn = this.#exclusive; turn !== undefined; turn = turn.outer) cutTurn(this, turn, why)
    if (this.#readers !== undefined) for (const turn of this.#readers) cutTurn(this, turn, why)
  }

  /** All that wait, also those that came after its end. */
  #takeWaiting(): Invocation[] {
    const waiting = [...this.#mailbox?.takeAll() ?? [], ...this.#once?.end(commitError(this.name, 'unknown')) ?? []]
    this.#mailbox = this.#once = undefined
    for (const call of waiting) call.keeper = undefined
    return waiting
  }

  #whenQuiet(then: () => void | Promise<void>): Promise<void> {
    return this.quiet ? Promise.resolve(then()) : new Promise<void>(resolve => (this.#onQuiet ??= []).push(resolve)).then(then)
  }

  #settleQuiet(): void {
    if (this.#onQuiet === undefined || !(this.quiet || this.phase === 'ended')) return
    for (const waiter of this.#onQuiet.splice(0)) waiter()
  }

  // ---- admission --------------------------------------------------------------------------------------------------

  /** Takes a call of a checked method: it starts, waits, or fails. */
  accept(call: Invocation): void {
    this.lastUsed = this.services.idleTick()
    if (call.once === undefined) return this.#admit(call)
    const isInside = (joining: Invocation): boolean => isInsideTurn(joining, this.#turns)
    ;(this.#once ??= new OnceCalls(onceHost(this, admitted => this.#admit(admitted), isInside, held => this.#pass(held)))).accept(call)
  }

  #admit(call: Invocation): void {
    if (this.phase === 'active' && this.#exclusive === undefined && this.waiting === 0
      && (this.#readers === undefined || this.#readers.length === 0) && this.services.mayStart(this)) {
      if (isTooDeep(call, this.type)) call.fail(depthError(call, this.type))
      else this.#start(call)
      return
    }
    this.#acceptBusy(call)
  }

  #acceptBusy(call: Invocation): void {
    const verdict = verdictOn(call, this.#turns, this.waiting, this.phase === 'activating')
    if (typeof verdict !== 'string') return call.fail(verdict)
    if (verdict === 'start') {
      if (this.services.mayStart(this)) return this.#start(call)
      call.problem = noLeaseError(call)
    }
    enqueue(call, (this.#mailbox ??= new Mailbox()), this.type, this.services.watch(call))
  }

  get #turns(): RunningTurns {
    return { type: this.type, open: this.phase === 'active', leaving: this.told !== undefined, exclusive: this.#exclusive, readers: this.#readers }
  }

  /** Starts every waiting call that may start now. One loop: turns that end at once must not nest, however many wait. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    try {
      for (let call = this.#takeNext(); call !== undefined; call = this.#takeNext()) this.#start(call)
    } finally {
      this.#pumping = false
    }
    if (this.#mailbox?.size === 0) this.#mailbox = undefined
  }

  #takeNext(): Invocation | undefined {
    if (this.#mailbox === undefined || this.phase === 'ended' || !this.services.mayStart(this)) return undefined
    return takeNext(this.#mailbox, this.#turns)
  }

  /** Its host may start turns again; or `tooLong` it may not: nobody waits on. */
  resume(tooLong: boolean): void {
    if (tooLong) for (const call of this.#mailbox?.takeAll() ?? []) call.fail(noLeaseError(call))
    this.#pump()
  }

  // ---- turns ------------------------------------------------------------------------------------------------------

  #start(call: Invocation): void {
    if (call.once !== undefined && this.#once!.refuses(call)) return
    const readonly = isReadonly(call)
    const savepoint = readonly || this.#exclusive === undefined || isWhole(call, this.type) ? undefined : savepointOf(call, this.#instance!, this.#entries, this.#captures)
    if (savepoint === 'failed') return
    call.turnPhase = 'running'
    call.keeper = undefined
    call.gate = this
    call.turn = this.services.nextTurn()
    if (!readonly) {
      call.outer = this.#exclusive
      this.#exclusive = call
    }
    let result: unknown
    try {
      result = runInTurn(call, runMethod, this, call, this.#instance!)
    } catch (error) {
      return this.#finish(call, { threw: true, value: error }, savepoint)
    }
    if (call.method?.stream === true) {
      if (readonly) (this.#readers ??= []).push(call)
      return startStream(this, call, result as AsyncGenerator<unknown>)
    }
    if (!isThenable(result)) return this.#finish(call, { threw: false, value: result }, savepoint)
    if (readonly) (this.#readers ??= []).push(call)
    this.services.watchTurn(call, this)
    Promise.resolve(result).then(
      value => this.#finish(call, { threw: false, value }, savepoint),
      (error: unknown) => this.#finish(call, { threw: true, value: error }, savepoint),
    )
  }

  /** The end of a turn: its changes are captured or taken back, its answer is let go or held. */
  #finish(call: Invocation, outcome: Outcome, savepoint: Savepoint | undefined): void {
    // After an await the activation may have ended: its callers have their errors, nothing of this turn counts.
    if (this.phase === 'ended') return
    const readonly = isReadonly(call)
    if (!readonly && this.#exclusive !== call) {
      // A nested turn that it did not wait for still runs: its end is this one's end, or the two would take back each other's changes.
      call.onInnerEnd = () => this.#finish(call, outcome, savepoint)
      return
    }
    call.host = this.services.hostId
    call.epoch = this.epoch
    if (!outcome.threw) {
      try {
        call.outcome = takeResult(call, outcome.value, this.services.maxPayloadBytes)
        if (call.once !== undefined) this.#once!.record(call)
        if (!readonly || this.type.app !== undefined) this.#capture()
        else if (this.services.checkReadonly && this.#takeBackReadonly()) throw readonlyViolation(call)
      } catch (error) {
        outcome = { threw: true, value: error }
      }
    }
    if (outcome.threw) {
      call.failed = true
      call.outcome = methodFailure(call, outcome.value, this.services.log)
      try {
        if (!readonly) this.#rollback(call, savepoint)
        else if (this.services.checkReadonly) this.#takeBackReadonly()
      } catch (error) {
        // A frozen instance, say: nothing of this memory can be believed any more.
        return this.end(new TroupeError('METHOD_FAILED', `${messageOf(outcome.value)} (and its changes could not be taken back: ${messageOf(error)})`, { executed: 'unknown', cause: outcome.value }))
      }
    }
    this.#leave(call, readonly)
    if (seams.at !== undefined && call.once?.delivery !== undefined) this.whenDurable(() => seams.at?.('send.applied'), () => undefined)
    // What keeps its answer from leaving may last (a store that is away, a lease that ran out): its time goes on.
    if (this.hasUnsaved) this.services.watch(call)
    this.#pass(call)
    if (call.once !== undefined) this.#once?.finished(call)
    call.outer?.onInnerEnd?.()
    if (this.#mailbox !== undefined) this.#pump()
    this.#settleQuiet()
  }

  /** A stream's turn is over; `outcome` is its last answer. */
  finishStream(call: Invocation, outcome: Outcome): void {
    this.#finish(call, outcome, undefined)
  }

  /** A yield of an exclusive stream is a commit point: what came before it is durable before the item leaves. */
  captureStream(call: Invocation): void {
    if (!isReadonly(call)) this.#capture()
  }

  #leave(call: Invocation, readonly: boolean): void {
    this.services.deadlines.remove(call)
    call.turnPhase = 'over'
    if (!readonly) this.#exclusive = call.outer
    else if (this.#readers !== undefined) {
      const at = this.#readers.indexOf(call)
      if (at >= 0) this.#readers.splice(at, 1)
    }
  }

  #capture(): void {
    const changed = this.#fields!.capture(this.#instance!)
    const wrote = this.#entries?.complete() ?? false
    this.#captures++
    if ((changed || wrote) && (this.#gate ??= new AnswerGate()).shutForChanges()) this.services.commits.enqueue(this)
  }

  /** To the start of the turn, or to the end of the last turn inside it that was captured: what that one answered stays true. */
  #rollback(call: Invocation, savepoint: Savepoint | undefined): void {
    if (isWhole(call, this.type)) return
    const start = savepoint?.captures === this.#captures ? savepoint : undefined;
    (start?.fields ?? this.#fields!).restore(this.#instance!)
    this.#entries?.rollback(start?.entries)
  }

  /** Undoes what a readonly turn changed; true when there was anything. Inside an exclusive turn nobody can tell whose change it is. */
  #takeBackReadonly(): boolean {
    return this.#exclusive === undefined && takeBack(this.#fields!, this.#instance!)
  }

  // ---- output gate and commit ---------------------------------------------------------------------------------------

  /** Lets it go, or holds it until what its turn could have seen is durable (P3). */
  #pass(held: Held): void {
    if (this.#gate === undefined) held.release()
    else this.#gate.pass(held)
  }

  /** Runs `then` when all that is visible now is durable; never when a commit fails (its turns get the error). */
  whenDurable(then: () => void, failed: (error: unknown) => void): void {
    this.#pass({ release: then, fail: failed })
  }

  get hasUnsaved(): boolean {
    return this.#gate?.shut === true
  }

  takeWrite(): ActorWrite {
    seams.at?.('commit.begin')
    this.#gate!.flushBegins()
    return writeOf(this, this.#version, this.#fields!, this.#entries)
  }

  writeSettled(result: CommitResult): void {
    if (this.phase === 'ended') {
      // Whoever loads it next must not be overtaken by this write. What it stored is found by whoever reads the shard's due rows.
      this.services.commitFailed(this, result === 'ok' || result === 'duplicate' ? 'late' : result)
      return void (this.#left = this.services.ended(this, () => this.#takeWaiting()))
    }
    if (result !== 'ok' && result !== 'duplicate') {
      this.services.commitFailed(this, result)
      // Nothing is being written any more: a failing `onActivate` ends the activation from within `fail`.
      for (const held of this.#gate!.flushEnded()) held.fail(commitError(this.name, result))
      return this.end(commitError(this.name, result))
    }
    seams.at?.('commit.durable')
    this.#version++
    const flushed = this.#entries?.flushed()
    if (flushed !== undefined) this.services.stored(this, flushed)
    for (const held of this.#gate!.flushEnded()) held.release()
    this.#settleQuiet()
  }

  runHook(name: 'onDeactivate', reason: DeactivationReason): void | Promise<void> {
    return (this.#instance as ActorHooks | undefined)?.[name]?.(reason)
  }
}
