/**
 * One call on its way, from the reference to its one answer; while it runs it is its own turn.
 *
 * Two lives: its turn (waiting → running → over) and its answer (given exactly once: later answers, deadlines and
 * cancellations find it settled and do nothing). A caller may give up while the turn goes on. Whoever holds a waiting
 * call (mailbox, shard queue, peer link) asks `settled` first.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { TroupeError } from '../core/errors.ts'
import { inDoubt } from '../core/in-doubt.ts'
import { showKey } from '../core/ids.ts'
import type { Method } from './actor-type.ts'
import type { Caller } from './authorize.ts'
import type { ChainLink } from './call-chain.ts'

/** How its result leaves this host: as a copy for a caller in this process, as bytes for a peer. */
export type ResultForm = 'copy' | 'encoded'

/** What a turn's outgoing calls must pass (P3). */
export interface OutputGate {
  readonly phase: string
  readonly hasUnsaved: boolean
  whenDurable(then: () => void, failed: (error: unknown) => void): void
}

/** Whoever holds a call on its way: a mailbox, a peer link, a stream's reader. */
export interface CallKeeper {
  /** The caller gave up, or the activation ended under a running stream: nobody waits for it any more. */
  abandoned(call: Invocation, reason: TroupeError): void
  /** True when what it waits for there is its own effect, and that has begun. */
  readonly hasStarted?: boolean
}

/** Keeps a call until its deadline, unless it is removed before. */
export interface DeadlineKeeper {
  remove(call: Invocation): void
  /** The time that deadlines are kept by, monotonic ms. */
  nowMs(): number
}

/**
 * What is asked of the actor: one of its methods · one of its methods with the body of a door's request for arguments · a field or storage key by name (a read) · an operation on its reminders
 * and sends (`managementOperations`) · something of the runtime itself, which brings its method along and never leaves this host.
 */
export type CallKind = 'method' | 'body' | 'read' | 'manage' | 'internal'

/** A durable send as its target sees it. Numbers of one sender rise. */
export interface Delivery {
  /** `TYPE/ID`. */
  readonly sender: string
  readonly number: number
  /** The send that must have been applied before this one; undefined when none is on its way. */
  readonly previous: number | undefined
}

/** Of a call that takes effect once, however often it comes (P6): by a caller's key, or because it is a durable send. */
export class Once {
  readonly key: string | undefined
  readonly delivery: Delivery | undefined
  /** Of a call with a key: what its repeats must be equal in. Set by the router. */
  fingerprint: Uint8Array | undefined = undefined
  /** Told when the call fails before its turn has started. */
  onNotStarted: (() => void) | undefined = undefined
  /** An earlier try of it may have run: what refuses a later one proves nothing. */
  mayHaveRun = false
  /** Hosts that died while they had it, and the life of the last to which the link broke meanwhile. */
  deaths = 0
  lost: { readonly host: string; readonly incarnation: string } | undefined = undefined

  constructor(by: string | Delivery) {
    this.key = typeof by === 'string' ? by : undefined
    this.delivery = typeof by === 'string' ? undefined : by
  }
}

export interface CallParts {
  readonly typeName: string
  readonly id: string
  readonly methodName: string
  readonly args: readonly unknown[]
  readonly timeoutMs: number
  readonly parent: ChainLink | undefined
  readonly kind?: CallKind | undefined
  readonly once?: Once | undefined
  /** Who calls, where the call itself does not say it (`callerOf`). */
  readonly caller?: Caller | undefined
}

/** A subclass says who is told the answer. */
export abstract class Invocation implements ChainLink {
  readonly typeName: string
  readonly id: string
  readonly methodName: string
  /** Owned by the callee. */
  args: readonly unknown[]
  readonly parent: ChainLink | undefined
  readonly depth: number
  readonly form: ResultForm
  readonly kind: CallKind
  readonly once: Once | undefined
  readonly caller: Caller | undefined
  /** What its arguments take, as far as is known: what bounds in bytes are counted in. */
  bytes = 0
  /** Monotonic ms; the call fails with CALL_TIMEOUT when it passes. 0 = not yet fixed: `timeoutMs` from the first wait on. */
  deadline: number
  readonly timeoutMs: number

  turnPhase: 'waiting' | 'running' | 'over' = 'waiting'
  /** The answer was given. */
  settled = false
  /** Number of the turn, set when it starts. */
  turn = 0
  /** Monotonic ms at which the running turn is abandoned, and what happens then; set with the turn's first wait. */
  turnDeadline = 0
  onTurnTimeout: (() => void) | undefined = undefined
  /** Told when the running turn is cut from outside: a caller that gives up cuts nothing. */
  onCut: ((why: TroupeError) => void) | undefined = undefined
  method: Method | undefined = undefined
  /** The exclusive turn around this one, when it re-entered. */
  outer: Invocation | undefined = undefined
  /** Set when its method is over but a turn inside it is not: called when that one is. */
  onInnerEnd: (() => void) | undefined = undefined
  /** What the turn returned or threw, while the output gate holds it. */
  outcome: unknown = undefined
  failed = false
  /** The activation that its turn runs on: calls made by the turn leave through its output gate. */
  gate: OutputGate | undefined = undefined
  /** The last reason why it could not be delivered, while the router tries on. */
  problem: TroupeError | undefined = undefined
  /** This host's authorize hook has let it in. */
  admitted = false
  attempts = 0
  /** Its value is an application's answer as it came: `[headers, body]`. */
  appReply = false
  /** Who answered. */
  host = ''
  epoch = 0
  /** Place in the deadline wheel; owned by it. */
  wheelSlot = -1
  wheelIndex = -1
  /** Where its deadline is kept, once it is. */
  wheel: DeadlineKeeper | undefined = undefined
  keeper: CallKeeper | undefined = undefined
  /** Id under which a peer link carries it. */
  wireId = 0
  #abort: AbortController | undefined

  constructor(call: CallParts, form: ResultForm) {
    this.typeName = call.typeName
    this.id = call.id
    this.methodName = call.methodName
    this.args = call.args
    this.parent = call.parent
    this.depth = call.parent === undefined ? 1 : call.parent.depth + 1
    this.form = form
    this.kind = call.kind ?? 'method'
    this.once = call.once
    this.caller = call.caller
    this.timeoutMs = call.timeoutMs
    this.deadline = 0
  }

  /** Tells the caller; called once. */
  protected abstract answer(value: unknown): void
  protected abstract refuse(error: unknown): void

  /** Aborted when the caller gave up or the turn's deadline passed; made when first asked for. */
  get signal(): AbortSignal {
    return (this.#abort ??= new AbortController()).signal
  }

  succeed(value: unknown): void {
    if (this.settled) return
    this.settled = true
    // Its answer was held, and did not wait as long as it might have.
    if (this.wheelSlot >= 0 && this.turnPhase === 'over') this.wheel?.remove(this)
    this.answer(value)
  }

  fail(error: unknown): void {
    if (this.settled) return
    this.settled = true
    // Unless its turn goes on here, nobody needs it any more, and its time may be long.
    if (this.wheel !== undefined && (this.turnPhase !== 'running' || this.gate === undefined)) {
      this.wheel.remove(this)
      this.args = []
    }
    this.refuse(this.once?.mayHaveRun === true ? inDoubt(error) : error)
    if (this.once !== undefined && this.turnPhase === 'waiting') this.once.onNotStarted?.()
  }

  /** Answers with what the turn left in `outcome`. */
  release(): void {
    if (this.failed) this.fail(this.outcome)
    else this.succeed(this.outcome)
  }

  /** Aborts `signal`; the turn may go on, nobody waits for it. */
  abort(reason: TroupeError): void {
    (this.#abort ??= new AbortController()).abort(reason)
  }

  /** Its deadline has passed. */
  expire(): void {
    this.abandon('CALL_TIMEOUT', `no answer within ${Math.round(this.timeoutMs)} ms`)
  }

  /** The caller gave up: by its deadline or its signal. What has not started never will. */
  abandon(code: 'CALL_TIMEOUT' | 'CANCELLED', what: string): void {
    if (this.settled) return
    const started = this.turnPhase !== 'waiting' || this.keeper?.hasStarted === true || this.once?.mayHaveRun === true
    const error = !started && this.problem !== undefined && code === 'CALL_TIMEOUT' ? this.problem : new TroupeError(code, `${showKey({ type: this.typeName, id: this.id })}.${this.methodName}: ${what}, ${
      started ? 'after its turn had started' : 'before its turn started'}`, { executed: started ? 'unknown' : 'no' })
    this.fail(error)
    this.abort(error)
    this.keeper?.abandoned(this, error)
  }
}

/** A call whose caller is in this process. */
export class LocalCall extends Invocation {
  readonly #resolve: (value: unknown, call: Invocation) => void
  readonly #reject: (error: unknown) => void

  constructor(call: CallParts, resolve: (value: unknown, call: Invocation) => void, reject: (error: unknown) => void) {
    super(call, 'copy')
    this.#resolve = resolve
    this.#reject = reject
  }
  protected answer(value: unknown): void {
    this.#resolve(value, this)
  }
  protected refuse(error: unknown): void {
    this.#reject(error)
  }
}

/** The turn in whose promise chain the code that asks is running. */
export const turnScope = new AsyncLocalStorage<Invocation>()

// Taken when this module is loaded, outside all turns: entering a scope from here and leaving it again costs half of what
// `turnScope.run` does, which makes two copies of the caller's scopes. A turn sees none of its caller's own scopes either.
const fromOutside = AsyncLocalStorage.snapshot()

function enter<A, B, C, Result>(turn: Invocation, run: (a: A, b: B, c: C) => Result, a: A, b: B, c: C): Result {
  turnScope.enterWith(turn)
  return run(a, b, c)
}

/** Runs a piece of a turn: whatever it starts belongs to the turn. */
export const runInTurn = <A, B, C, Result>(turn: Invocation, run: (a: A, b: B, c: C) => Result, a: A, b: B, c: C): Result =>
  fromOutside(enter<A, B, C, Result>, turn, run, a, b, c)
