/**
 * Errors of calls, state and timers in the words of the Dapr API, which has codes of its own for each kind of operation;
 * reminder-errors.ts has those of reminders.
 *
 * Only codes, texts and, for types that no host runs, the status are the standard's: what the error proves stays. `strict`:
 * also where Troupe's status says more than the standard's, which is then INTERNAL.
 */
import { errorCodes, TroupeError, type ErrorCode } from '../../core/errors.ts'

export interface StandardFailure {
  readonly error: unknown
  readonly errorCode?: string
  /** HTTP status. */
  readonly status?: number
  /** gRPC status code. */
  readonly grpc?: number
  /** What the standard begins the text of this error with, over gRPC. */
  readonly prefix?: string
}

export type TimerVerb = 'CREATE' | 'GET' | 'DELETE'
export type StateVerb = 'GET' | 'TRANSACTION_SAVE'

const PERMISSION_DENIED = 7
const UNIMPLEMENTED = 12
const INTERNAL = 13

/** What says no more than that the operation failed. */
const general: ReadonlySet<string> = new Set(['ERR_ACTOR_INVOKE_METHOD', 'ERR_ACTOR_REMINDER_CREATE'])
/** What is about the request's time or the host's load, whatever was asked for. */
const ofTheMoment: ReadonlySet<ErrorCode> = new Set(['CALL_TIMEOUT', 'TURN_TIMEOUT', 'CANCELLED', 'OVERLOADED', 'MAILBOX_FULL'])
const doing: Readonly<Record<TimerVerb, string>> = { CREATE: 'creating', GET: 'getting', DELETE: 'deleting' }
const stateDoing: Readonly<Record<StateVerb, string>> = { GET: 'error getting actor state', TRANSACTION_SAVE: 'error saving actor transaction state' }

const INSTANCE_MISSING = 'actor instance is missing'
export const TIMERS_NON_HOSTED = 'operations on actor timers are only possible on hosted actor types'

export const timerNotFound = (name: string): TroupeError => new TroupeError('TIMER_NOT_FOUND', `actor timer not found: ${name}`)

/** `error` as one that failed an operation, where it says nothing more special. */
export function generalFailure(error: TroupeError, errorCode: string, prefix: string, strict: boolean): StandardFailure {
  if (!general.has(errorCodes[error.code].errorCode)) return { error }
  return { error, errorCode, prefix, ...(strict && !ofTheMoment.has(error.code) ? { grpc: INTERNAL, status: 500 } : {}) }
}

export function timerFailure(error: unknown, verb: TimerVerb, strict: boolean): StandardFailure {
  if (!TroupeError.is(error)) return { error }
  if (error.code === 'UNKNOWN_TYPE') {
    const shown = strict ? said(error, TIMERS_NON_HOSTED) : error
    return { error: shown, errorCode: 'ERR_ACTOR_TIMER_NON_HOSTED', status: 403, grpc: PERMISSION_DENIED, prefix: TIMERS_NON_HOSTED }
  }
  return generalFailure(error, `ERR_ACTOR_TIMER_${verb}`, `error ${doing[verb]} actor timer`, strict)
}

/** An operation of a transaction that is neither. */
export const unknownOperation = (operation: string): TroupeError =>
  new TroupeError('METHOD_NOT_ALLOWED', `operation type ${operation.slice(0, 100)} not supported`)

export function stateFailure(error: unknown, verb: StateVerb, strict: boolean): StandardFailure {
  if (!TroupeError.is(error)) return { error }
  const errorCode = `ERR_ACTOR_STATE_${verb}`
  const prefix = stateDoing[verb]
  switch (error.code) {
    // An actor that nobody runs is not active here.
    case 'UNKNOWN_TYPE':
    case 'NOT_ACTIVE': {
      if (verb === 'GET') return { error }
      return { error: said(error, INSTANCE_MISSING), errorCode: 'ERR_ACTOR_INSTANCE_MISSING', status: 400, grpc: INTERNAL, prefix: INSTANCE_MISSING }
    }
    case 'METHOD_NOT_ALLOWED': return { error, errorCode, status: 500, grpc: UNIMPLEMENTED }
    // What a transaction holds: the standard leaves that to the store.
    case 'INVALID_ARGUMENT': return { error, errorCode, status: 500, grpc: INTERNAL, prefix }
    default: return generalFailure(error, errorCode, prefix, strict)
  }
}

/** Troupe tells apart why an actor could not be called; the standard has one status for all of it. */
export function invokeFailure(error: unknown, type: string, id: string, strict: boolean): StandardFailure {
  if (!strict || !TroupeError.is(error)) return { error }
  switch (error.code) {
    case 'UNKNOWN_METHOD': return { error, status: 500, grpc: INTERNAL }
    case 'UNKNOWN_TYPE':
    case 'NO_HOST': {
      const text = 'error invoke actor method: failed to lookup actor: api error: code = FailedPrecondition desc = '
        + `did not find address for actor '${type}/${id}'`
      return { error: said(error, text), errorCode: 'ERR_ACTOR_INVOKE_METHOD', status: 500, grpc: INTERNAL, prefix: text }
    }
    default: return { error }
  }
}

/** The same error in the standard's words. */
export function said(error: TroupeError, text: string): TroupeError {
  const { code, executed, retryable, retryAfterMs, data } = error
  return new TroupeError(code, text, { executed, retryable, data, cause: error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
}
