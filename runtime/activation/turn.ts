/** Pieces of a turn that need no activation: how a method is run, what becomes of its result and of what it throws. */
import type { Actor } from '../../actors/actor.ts'
import { isActorError } from '../../actors/errors.ts'
import { Fields } from '../../actors/fields.ts'
import type { Invocation } from '../../actors/invocation.ts'
import { copy, encode, isPrimitive } from '../../core/codec.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { showKey } from '../../core/ids.ts'
import type { Logger } from '../../core/logger.ts'
import type { ActorWrite, CommitResult } from '../../stores/actor-store.ts'
import type { Activation } from './activation.ts'
import { runOnApp } from './app-turn.ts'
import type { EntryBuffer, EntrySavepoint } from './entry-buffer.ts'

export interface Outcome {
  readonly threw: boolean
  readonly value: unknown
}

/** What the output gate holds: an answer, or a call or stream item on its way out. */
export interface Held {
  release(): void
  fail(error: unknown): void
}

/** What a nested turn that throws goes back to. */
export interface Savepoint {
  readonly fields: Fields
  readonly entries: EntrySavepoint | undefined
  /** Captures of the activation before it: one that came since has made what is here old. */
  readonly captures: number
}

/** What the outer turn holds now, for the way back of `call`; when that cannot be held the call has failed, and must not start. */
export function savepointOf(call: Invocation, instance: Actor, entries: EntryBuffer | undefined, captures: number): Savepoint | 'failed' {
  try {
    return { fields: Fields.savepoint(instance), entries: entries?.savepoint(), captures }
  } catch (error) {
    call.fail(new TroupeError('STATE_NOT_STORABLE', `${nameOf(call)} could not re-enter: ${messageOf(error)}`, { executed: 'no' }))
    return 'failed'
  }
}

/** Gives a readonly turn's instance its held values again; true when it differed. */
export function takeBack(fields: Fields, instance: Actor): boolean {
  let changed = true
  try {
    changed = fields.differs(instance)
  } catch {
    // A value that cannot be stored: no state ever held it.
  }
  if (changed) fields.restore(instance)
  return changed
}

export const readonlyViolation = (call: Invocation): TroupeError =>
  new TroupeError('READONLY_VIOLATION', `${nameOf(call)} is declared readonly and changed the state; the change was taken back`)

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'

/** Runs the call's method, or reads the field or storage key that it names. */
export function runMethod(activation: Activation, call: Invocation, instance: Actor): unknown {
  if (activation.type.app !== undefined && call.kind !== 'internal' && call.kind !== 'manage') return runOnApp(activation, call, activation.type.app)
  if (call.method !== undefined) {
    const { args } = call
    return args.length === 0 ? call.method.run.call(instance) : call.method.run.apply(instance, args as unknown[])
  }
  const field = activation.fields!.read(call.methodName)
  return field.found ? field.value : activation.context().storage.get(call.methodName)
}

/**
 * The result as it may leave: it shares nothing with the actor's memory.
 * @throws RESULT_NOT_ENCODABLE naming the path · RESULT_TOO_LARGE
 */
export function takeResult(call: Invocation, value: unknown, maxBytes: number): unknown {
  // Nobody reads what a durable send returns.
  if (call.once?.delivery !== undefined) return undefined
  if (isPrimitive(value) && (typeof value !== 'string' || value.length * 3 <= maxBytes)) return value
  // Made for this call alone.
  if (call.appReply && call.form === 'copy') return value
  if (call.form === 'copy') return copy(value, 'result', 'RESULT_NOT_ENCODABLE')
  const bytes = encode(value, 'result', 'RESULT_NOT_ENCODABLE')
  if (bytes.length > maxBytes) throw tooLarge(call, bytes.length, maxBytes)
  return bytes
}

export const tooLarge = (call: Invocation, bytes: number, maxBytes: number): TroupeError =>
  new TroupeError('RESULT_TOO_LARGE', `${nameOf(call)}: its result takes ${bytes} bytes, ${maxBytes} may travel; return less, or a stream`)

/** What the caller gets for what a turn threw. Errors of authors and of Troupe pass; everything else is METHOD_FAILED. */
export function methodFailure(call: Invocation, thrown: unknown, log: Logger): unknown {
  if (isActorError(thrown)) return thrown
  if (TroupeError.is(thrown)) {
    // What an application's channel says is about this very call.
    if ((call.gate as Activation).type.app !== undefined) return thrown
    // An error of a call that this turn made says whether *that* ran; this turn did run.
    return thrown.executed === 'no' || thrown.executed === 'unknown' ? ranToItsEnd(thrown) : thrown
  }
  log.debug({ actor: nameOf(call), err: thrown }, 'method threw')
  return new TroupeError('METHOD_FAILED', messageOf(thrown), { cause: thrown, data: thrown instanceof Error && thrown.name !== 'Error' ? { name: thrown.name } : undefined })
}

function ranToItsEnd(error: TroupeError): TroupeError {
  return new TroupeError(error.code, error.message, {
    executed: 'yes', retryable: error.retryable, data: error.data, cause: error,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  })
}

/** Ends a running turn from outside: its caller gets `why`, nothing of it counts any more. */
export function cutTurn({ services }: Activation, turn: Invocation, why: TroupeError): void {
  services.deadlines.remove(turn)
  turn.turnPhase = 'over'
  turn.fail(why)
  turn.abort(why)
  turn.onCut?.(why)
  turn.keeper?.abandoned(turn, why)
}

/** What completed turns left, as the store takes it. */
export function writeOf({ type, shard, id, epoch, services }: Activation, version: number, fields: Fields, buffer: EntryBuffer | undefined): ActorWrite {
  const changed = buffer?.take()
  const { head, entries: fieldEntries } = fields.takeHead(type.version, changed?.tally)
  const entries = changed?.changes === undefined ? fieldEntries : [...fieldEntries ?? [], ...changed.changes]
  const write = { type: type.name, shard, id, epoch, nonce: services.nonce, previous: version, head }
  return entries === undefined ? write : { ...write, entries }
}

/** After about so long a store that is back is asked again (stores/circuit.ts). */
const STORE_AWAY_MS = 500

/** Why the answers of a failed commit cannot be given. */
export function commitError(name: string, result: Exclude<CommitResult, 'ok' | 'duplicate'>): TroupeError {
  switch (result) {
    case 'fenced':
      return new TroupeError('FENCED', `${name}: another host owns it now; nothing of this turn was stored`)
    case 'conflict':
      return new TroupeError('STORE_CONFLICT', `${name}: the store holds another version than this host wrote last; nothing of this turn was stored and the actor is loaded afresh`)
    case 'unavailable':
      // The turn ran, and what it called may have taken effect: no proof that it can be repeated, as with the two above.
      return new TroupeError('STORE_UNAVAILABLE', `${name}: the store is away; nothing of this turn was stored`, { executed: 'unknown', retryAfterMs: STORE_AWAY_MS })
    case 'unknown':
      return new TroupeError('COMMIT_UNKNOWN', `${name}: the store did not say whether the turn was stored; read before you repeat it`)
  }
}

export const nameOf = (call: Invocation): string => `${showKey({ type: call.typeName, id: call.id })}.${call.methodName}`
