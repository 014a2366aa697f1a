/**
 * One live actor: its instance, the turns running on it, the calls waiting for it, and what of it is not durable yet.
 *
 * Promises: one exclusive turn at a time, readonly turns overlap each other (P1); a turn's changes are captured at its end
 * or taken back (P2); an answer leaves only when every commit that its turn could have seen is durable (P3); after a commit
 * that was not 'ok' nothing of this memory is believed any more (P4): held answers become errors, waiting calls, which did
 * not run, go back to the router.
 *
 * What is decided elsewhere: who may start (admission.ts, turn-gate.ts), what changed (actors/fields.ts), when bytes are flushed
 * (stores/group-commit.ts), how it is brought to life (activator.ts), how streams run (stream-turn.ts).
 */
import type { Actor, ActorHooks, ContextSource, DeactivationReason } from '../../actors/actor.ts'
import type { ActorContext } from '../../actors/actor-context.ts'
import type { ActorType } from '../../actors/actor-type.ts'
import type { ChainLink } from '../../actors/call-chain.ts'
import type { Fields } from '../../actors/fields.ts'
import { runInTurn, type Invocation, type OutputGate } from '../../actors/invocation.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { showKey } from '../../core/ids.ts'
import type { ActorWrite, CommitResult } from '../../stores/actor-store.ts'
import type { Committable } from '../../stores/group-commit.ts'
import { ActivationContext, storageEntry } from './activation-context.ts'
import type { ActivationServices } from './activation-services.ts'
import { admissionOf, cycleError, depthError, fullError, isReadonly, takeNext, type RunningTurns } from './admission.ts'
import { Mailbox } from './mailbox.ts'
import { StorageBuffer } from './storage-buffer.ts'
import { startStream } from './stream-turn.ts'
import { commitError, isThenable, methodFailure, runMethod, savepointOf, takeResult, type Held, type Outcome, type Savepoint } from './turn.ts'

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
  #instance: Actor | undefined
  #fields: Fields | undefined
  #storage: StorageBuffer | undefined
  #context: ActivationContext | undefined
  /** Version that the store holds, or will hold when the flush in flight is done. */
  #version = 0
  /** The innermost exclusive turn; outer ones hang on it. */
  #exclusive: Invocation | undefined
  /** Readonly turns that did not end at once. */
  #readers: Invocation[] | undefined
  #mailbox: Mailbox | undefined
  /** Answers that wait for the next flush, and for the one in flight. Defined = there is such a flush. */
  #heldQueued: Held[] | undefined
  #heldInFlight: Held[] | undefined
  #onQuiet: (() => void)[] | undefined
  #pumping = false
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

  get storage(): StorageBuffer {
    return (this.#storage ??= new StorageBuffer())
  }

  /** True when nothing runs, waits or is unsaved. */
  get quiet(): boolean {
    return this.#exclusive === undefined && (this.#readers === undefined || this.#readers.length === 0)
      && this.#heldQueued === undefined && this.#heldInFlight === undefined
  }

  get waiting(): number {
    return this.#mailbox?.size ?? 0
  }

  context(): ActorContext {
    return (this.#context ??= new ActivationContext(this))
  }

  // ---- life -------------------------------------------------------------------------------------------------------

  /** The activator made and filled the instance; calls may run now. */
  begin(instance: Actor, fields: Fields, version: number): void {
    this.#instance = instance
    this.#fields = fields
    this.#version = version
  }

  /** The chain of the call that brought it to life: what `onActivate` calls must not wait for that chain. */
  get broughtBy(): ChainLink | undefined {
    return this.#mailbox?.peek()?.parent
  }

  /** Runs `onActivate` as the first turn; its commit is durable when `call` is answered. */
  runFirst(call: Invocation): void {
    this.#start(call)
  }

  /** The activation failed: what waits gets `error` (it did not run), the id is free for another try. */
  failActivation(error: unknown): void {
    for (const call of this.#takeWaiting()) call.fail(error)
    this.end()
  }

  /** Its shard is another's: ends before it began. What waits did not run. */
  giveUp(): Invocation[] {
    const waiting = this.#takeWaiting()
    this.end()
    return waiting
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
    return this.#whenQuiet(async () => {
      if (this.phase !== 'retiring') return
      if (wasActive && this.type.onDeactivate) await this.services.hook(this, 'onDeactivate', reason)
      this.end()
    })
  }

  /** Ends now: running turns are not waited for, their answers are `error`, nothing of theirs is stored. */
  end(error?: TroupeError): void {
    if (this.phase === 'ended') return
    this.phase = 'ended'
    const busy = this.#heldInFlight ?? this.#heldQueued ?? this.#exclusive ?? this.#readers?.[0]
    if (busy !== undefined) this.#cutAll(error ?? new TroupeError('HOST_STOPPING', `${this.name}: its activation ended`, { executed: 'unknown' }))
    this.#exclusive = undefined
    const writing = this.#heldInFlight !== undefined
    this.#readers = this.#heldQueued = this.#heldInFlight = undefined
    // Whoever still points here (a reference, a bucket) keeps no state alive.
    this.#instance = this.#fields = this.#storage = undefined
    // The next activation must not load before a write on its way has landed or failed: calls wait here until then.
    if (!writing) this.services.ended(this, this.#takeWaiting())
    this.#settleQuiet()
  }

  #cutAll(why: TroupeError): void {
    for (const held of [this.#heldInFlight, this.#heldQueued]) if (held !== undefined) for (const call of held) call.fail(why)
    for (let turn = this.#exclusive; turn !== undefined; turn = turn.outer) this.#cut(turn, why)
    if (this.#readers !== undefined) for (const turn of this.#readers) this.#cut(turn, why)
  }

  #cut(turn: Invocation, why: TroupeError): void {
    this.services.deadlines.remove(turn)
    turn.turnPhase = 'over'
    turn.fail(why)
    turn.abort(why)
    turn.keeper?.abandoned(turn, why)
  }

  #takeWaiting(): Invocation[] {
    const waiting = this.#mailbox?.takeAll() ?? []
    this.#mailbox = undefined
    for (const call of waiting) call.keeper = undefined
    return waiting
  }

  #whenQuiet(then: () => void | Promise<void>): Promise<void> {
    if (this.quiet) return Promise.resolve(then())
    return new Promise<void>(resolve => (this.#onQuiet ??= []).push(resolve)).then(then)
  }

  #settleQuiet(): void {
    if (this.#onQuiet === undefined || !(this.quiet || this.phase === 'ended')) return
    const waiters = this.#onQuiet
    this.#onQuiet = undefined
    for (const waiter of waiters) waiter()
  }

  // ---- admission --------------------------------------------------------------------------------------------------

  /** Takes a call of a checked method: it starts, waits, or fails. */
  accept(call: Invocation): void {
    this.lastUsed = this.services.idleTick()
    if (this.phase === 'active' && this.#exclusive === undefined && this.waiting === 0
      && (this.#readers === undefined || this.#readers.length === 0)) {
      if (call.depth > this.type.maxDepth) call.fail(depthError(call, this.type))
      else this.#start(call)
      return
    }
    this.#acceptBusy(call)
  }

  #acceptBusy(call: Invocation): void {
    if (call.depth > this.type.maxDepth) return call.fail(depthError(call, this.type))
    const admission = admissionOf(call, this.#turns, this.waiting)
    if (admission === 'cycle') return call.fail(cycleError(call, this.type))
    if (admission !== 'wait') return this.#start(call)
    // The call that brings an actor to life always finds a place.
    if (this.waiting >= this.type.mailbox && !(this.waiting === 0 && this.phase === 'activating')) return call.fail(fullError(call, this.waiting))
    const mailbox = (this.#mailbox ??= new Mailbox())
    mailbox.push(call)
    call.keeper = mailbox
    this.services.watch(call)
  }

  get #turns(): RunningTurns {
    return { type: this.type, open: this.phase === 'active', exclusive: this.#exclusive, readers: this.#readers }
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
    return this.#mailbox === undefined || this.phase === 'ended' ? undefined : takeNext(this.#mailbox, this.#turns)
  }

  // ---- turns ------------------------------------------------------------------------------------------------------

  #start(call: Invocation): void {
    const readonly = isReadonly(call)
    let savepoint: Savepoint | undefined
    if (!readonly && this.#exclusive !== undefined) {
      try {
        savepoint = savepointOf(this.#instance!, this.#storage)
      } catch (error) {
        // What the outer turn holds now cannot be held for a way back: this one does not start.
        return call.fail(new TroupeError('STATE_NOT_STORABLE', `${this.name}.${call.methodName} could not re-enter: ${messageOf(error)}`, { executed: 'no' }))
      }
    }
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
        if (!readonly) this.#capture()
        else if (this.services.checkReadonly) this.#proveUnchanged(call)
      } catch (error) {
        outcome = { threw: true, value: error }
      }
    }
    if (outcome.threw) {
      call.failed = true
      call.outcome = methodFailure(call, outcome.value, this.services.log)
      try {
        if (!readonly) this.#rollback(savepoint)
        else if (this.services.checkReadonly) this.#takeBackReadonly()
      } catch (error) {
        // A frozen instance, say: nothing of this memory can be believed any more.
        return this.end(new TroupeError('METHOD_FAILED', `${messageOf(outcome.value)} (and its changes could not be taken back: ${messageOf(error)})`, { executed: 'unknown', cause: outcome.value }))
      }
    }
    this.#leave(call, readonly)
    this.#answer(call)
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
    const wrote = this.#storage?.complete() ?? false
    if ((changed || wrote) && this.#heldQueued === undefined) {
      this.#heldQueued = []
      this.services.commits.enqueue(this)
    }
  }

  #rollback(savepoint: Savepoint | undefined): void {
    (savepoint?.fields ?? this.#fields!).restore(this.#instance!)
    this.#storage?.rollback(savepoint?.storage)
  }

  #proveUnchanged(call: Invocation): void {
    if (!this.#takeBackReadonly()) return
    throw new TroupeError('READONLY_VIOLATION', `${this.name}.${call.methodName} is declared readonly and changed the state; the change was taken back`)
  }

  /** Undoes what a readonly turn changed; true when there was anything. Inside an exclusive turn nobody can tell whose change it is. */
  #takeBackReadonly(): boolean {
    if (this.#exclusive !== undefined) return false
    const fields = this.#fields!
    let changed = true
    try {
      changed = fields.differs(this.#instance!)
    } catch {
      // A value that cannot be stored: no state ever held it.
    }
    if (changed) fields.restore(this.#instance!)
    return changed
  }

  // ---- output gate and commit ---------------------------------------------------------------------------------------

  /** Lets the answer go, or holds it until what its turn could have seen is durable (P3). */
  #answer(call: Invocation): void {
    const held = this.#heldQueued ?? this.#heldInFlight
    if (held === undefined) call.release()
    else held.push(call)
  }

  /** Runs `then` when all that is visible now is durable; never when a commit fails (its turns get the error). */
  whenDurable(then: () => void, failed: (error: unknown) => void): void {
    const held = this.#heldQueued ?? this.#heldInFlight
    if (held === undefined) then()
    else held.push({ release: then, fail: failed })
  }

  get hasUnsaved(): boolean {
    return this.#heldQueued !== undefined || this.#heldInFlight !== undefined
  }

  takeWrite(): ActorWrite {
    this.#heldInFlight = this.#heldQueued
    this.#heldQueued = undefined
    const { head, entries: fieldEntries } = this.#fields!.takeHead(this.type.version)
    const stored = this.#storage?.take()
    let entries = fieldEntries
    if (stored !== undefined) for (const [key, value] of stored) (entries ??= []).push([storageEntry(key), value])
    const write = {
      type: this.type.name, shard: this.shard, id: this.id, epoch: this.epoch, nonce: this.services.nonce, previous: this.#version, head,
    }
    return entries === undefined ? write : { ...write, entries }
  }

  writeSettled(result: CommitResult): void {
    if (this.phase === 'ended') {
      // Whoever loads it next must not be overtaken by this write.
      if (result === 'unknown') this.services.commitFailed(this, result)
      return this.services.ended(this, this.#takeWaiting())
    }
    if (result !== 'ok' && result !== 'duplicate') {
      this.services.commitFailed(this, result)
      // Nothing is being written any more: a failing `onActivate` ends the activation from within `fail`.
      const held = this.#heldInFlight
      this.#heldInFlight = undefined
      held?.forEach(call => call.fail(commitError(this.name, result)))
      return this.end(commitError(this.name, result))
    }
    this.#version++
    this.#storage?.flushed()
    const held = this.#heldInFlight
    this.#heldInFlight = undefined
    if (held !== undefined) for (const call of held) call.release()
    this.#settleQuiet()
  }

  async runHook(name: 'onDeactivate', reason: DeactivationReason): Promise<void> {
    await (this.#instance as ActorHooks | undefined)?.[name]?.(reason)
  }

  /** The value of a field as of the last completed turn. */
  readField(name: string): { found: boolean; value: unknown } {
    return this.#fields!.read(name)
  }
}
