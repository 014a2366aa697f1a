/**
 * What a route of the Dapr actor API answers when its work fails: the words of that API (gateway/dapr/error-texts.ts), with
 * Troupe's own statuses and facts unless the door is strict. Errors of an application's actor are the same in both modes.
 */
import { errorCodes, TroupeError } from '../core/errors.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
import {
  appError, daprAnswer, daprCodes, generalFailure, REMINDERS_NON_HOSTED, reservedType, TIMERS_NON_HOSTED, type DoorWork, type WorkTarget,
} from './dapr/error-texts.ts'
import type { FailureOverrides, HttpExchange } from './http-exchange.ts'
import type { RouteHandler, RouteParams } from './http-routes.ts'
import { reminderFailure, type ReminderVerb } from './reminder-errors.ts'

export interface FailureContext {
  readonly dispatcher: Dispatcher
  readonly facts: DoorFacts
}

/** A failure that has its overrides with it: it was found by the route itself. */
class Refused extends Error {
  readonly error: TroupeError
  readonly overrides: FailureOverrides

  constructor(error: TroupeError, overrides: FailureOverrides) {
    super(error.message)
    this.error = error
    this.overrides = overrides
  }
}

/** In the words of that API, at which the request itself is refused. */
export function refusedAs({ errorCode, status }: { errorCode: string; status: number }, message: string): Error {
  return new Refused(new TroupeError('BAD_REQUEST', message), { errorCode, status })
}

/** Replies with an error of `work`. */
export function failWork({ facts }: FailureContext, exchange: HttpExchange, thrown: unknown, work: DoorWork, target: WorkTarget): void {
  if (thrown instanceof Refused) return exchange.fail(thrown.error, thrown.overrides)
  // Who accepts codec bytes is a client of Troupe's own.
  const strict = facts.strict && !exchange.wantsCodec
  const said = strict ? daprAnswer(thrown, work, target) : undefined
  if (said !== undefined) return exchange.fail(thrown, said)
  if (strict || !TroupeError.is(thrown)) return exchange.fail(thrown)
  const { error, ...overrides } = ownWords(thrown, work, target)
  exchange.fail(error, overrides)
}

/** A route whose handler rejects with what its work fails with. Types that are not for doors never get so far. */
export const workRoute = (
  context: FailureContext, work: DoorWork, handler: (exchange: HttpExchange, params: RouteParams) => Promise<void>,
): RouteHandler => (exchange, params) => {
  const attempt = async (): Promise<void> => {
    checkType(context, params.type!, work)
    await handler(exchange, params)
  }
  attempt().catch((thrown: unknown) => failWork(context, exchange, thrown, work, { type: params.type!, id: params.id!, name: params.name }))
}

/** Strictly, reminders and timers are only for types that run here. */
function checkType({ dispatcher, facts }: FailureContext, type: string, work: DoorWork): void {
  const reserved = reservedType(type)
  if (reserved !== undefined) throw new Refused(new TroupeError('FORBIDDEN', reserved), daprCodes.typeReserved)
  if (!facts.strict || work.startsWith('state.') || dispatcher.hostStatus().types.includes(type)) return
  const timers = work.startsWith('timer.')
  const { errorCode, status } = timers ? daprCodes.timerNonHosted : daprCodes.reminderNonHosted
  throw new Refused(new TroupeError('UNKNOWN_TYPE', timers ? TIMERS_NON_HOSTED : REMINDERS_NON_HOSTED), { errorCode, status })
}

/** What says no more than that the work failed. */
const general: ReadonlySet<string> = new Set(['ERR_ACTOR_INVOKE_METHOD', 'ERR_ACTOR_REMINDER_CREATE'])

/** The mode that is no stricter than it need be: what Troupe knows better stays. */
function ownWords(error: TroupeError, work: DoorWork, target: WorkTarget): FailureOverrides & { error: unknown } {
  if (work === 'invoke') return { error, ...appError(error) }
  if (work.startsWith('reminder.')) {
    const { error: told, errorCode, status } = reminderFailure(error, work.slice('reminder.'.length).toUpperCase() as ReminderVerb, target.name)
    return { error: told, ...(errorCode === undefined ? {} : { errorCode }), ...(status === undefined ? {} : { status }) }
  }
  if (work.startsWith('timer.') && error.code === 'UNKNOWN_TYPE') {
    return { error, errorCode: daprCodes.timerNonHosted.errorCode, status: daprCodes.timerNonHosted.status, message: `${TIMERS_NON_HOSTED}: ${error.message}` }
  }
  if (error.code === 'NOT_ACTIVE') return { error, message: 'actor instance is missing' }
  if (!general.has(errorCodes[error.code].errorCode) || error.code === 'STACK_DEPTH') return { error }
  const { code: { errorCode, status }, doing } = generalFailure(work)
  const message = work === 'state.get' ? error.message : `${doing}: ${error.message}`
  // A transaction is what an application's SDK sends; it knows one status.
  return { error, errorCode, message, ...(work === 'state.save' ? { status } : {}) }
}
