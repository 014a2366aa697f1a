/**
 * What a door says of a failure: the Dapr actor API's table of codes, with what each is over HTTP and over gRPC, and which of
 * them an error of Troupe is, for the work that failed. Both doors ask here and nowhere else.
 *
 * Strictly it is what that API would say, and nothing more. Otherwise the words are that API's, and the status is Troupe's,
 * which says more; what an application's actor answered is told alike in both. What an error proves is not in here
 * (gateway/error-body.ts). ERR_ACTOR_NAMESPACE_REQUIRED has no counterpart: there are no hosts without a namespace.
 */
import { METHOD_NOT_FOUND, SERVICE_ERROR } from '../../actors/app-channel.ts'
import { isActorError } from '../../actors/errors.ts'
import { errorCodes, TroupeError, type ErrorCode } from '../../core/errors.ts'
import type { ActorKey } from '../../core/ids.ts'
import { remoteHostOf } from '../../runtime/dispatch/remote-error.ts'
import { failureOf } from '../error-body.ts'

interface DaprCode {
  readonly errorCode: string
  /** HTTP. */
  readonly status: number
  /** gRPC status code. */
  readonly grpc: number
}

export interface DoorAnswer extends DaprCode {
  /** The text over HTTP, and over gRPC. */
  readonly message: string
  readonly details: string
}

const code = (errorCode: string, status: number, grpc: number): DaprCode => ({ errorCode, status, grpc })

const UNIMPLEMENTED = 12

const daprCodes = {
  instanceMissing: code('ERR_ACTOR_INSTANCE_MISSING', 400, 13),
  invoke: code('ERR_ACTOR_INVOKE_METHOD', 500, 13),
  stackDepth: code('ERR_ACTOR_STACK_DEPTH', 500, 8),
  noAddress: code('ERR_ACTOR_NO_ADDRESS', 404, 9),
  noPlacement: code('ERR_ACTOR_NO_PLACEMENT', 400, 14),
  noAppChannel: code('ERR_ACTOR_NO_APP_CHANNEL', 400, 14),
  runtimeNotFound: code('ERR_ACTOR_RUNTIME_NOT_FOUND', 500, 13),
  runtimeClosed: code('ERR_ACTOR_RUNTIME_CLOSED', 503, 14),
  typeReserved: code('ERR_ACTOR_TYPE_RESERVED', 403, 7),
  stateGet: code('ERR_ACTOR_STATE_GET', 500, 13),
  stateSave: code('ERR_ACTOR_STATE_TRANSACTION_SAVE', 500, 13),
  reminderNonHosted: code('ERR_ACTOR_REMINDER_NON_HOSTED', 403, 7),
  reminderCreate: code('ERR_ACTOR_REMINDER_CREATE', 500, 13),
  reminderGet: code('ERR_ACTOR_REMINDER_GET', 500, 13),
  reminderDelete: code('ERR_ACTOR_REMINDER_DELETE', 500, 13),
  reminderNotFound: code('ERR_ACTOR_REMINDER_NOT_FOUND', 404, 5),
  reminderExists: code('ERR_ACTOR_REMINDER_ALREADY_EXISTS', 409, 6),
  timerNonHosted: code('ERR_ACTOR_TIMER_NON_HOSTED', 403, 7),
  timerNotOwned: code('ERR_ACTOR_TIMER_NOT_OWNED', 403, 7),
  timerCreate: code('ERR_ACTOR_TIMER_CREATE', 500, 13),
  timerGet: code('ERR_ACTOR_TIMER_GET', 500, 13),
  timerDelete: code('ERR_ACTOR_TIMER_DELETE', 500, 13),
  timerNotFound: code('ERR_ACTOR_TIMER_NOT_FOUND', 404, 5),
} as const satisfies Record<string, DaprCode>

/** What a door was asked to do, and how that API says that it failed. */
const works = {
  'invoke': [daprCodes.invoke, 'error invoke actor method'],
  'state.get': [daprCodes.stateGet, 'error getting actor state'],
  'state.save': [daprCodes.stateSave, 'error saving actor transaction state'],
  'reminder.create': [daprCodes.reminderCreate, 'error creating actor reminder'],
  'reminder.get': [daprCodes.reminderGet, 'error getting actor reminder'],
  'reminder.delete': [daprCodes.reminderDelete, 'error deleting actor reminder'],
  'timer.create': [daprCodes.timerCreate, 'error creating actor timer'],
  'timer.get': [daprCodes.timerGet, 'error getting actor timer'],
  'timer.delete': [daprCodes.timerDelete, 'error deleting actor timer'],
} as const satisfies Record<string, readonly [DaprCode, string]>

export type DoorWork = keyof typeof works

export interface WorkTarget extends ActorKey {
  /** Of the method, reminder or timer; undefined where the work is about none or several. */
  readonly name?: string | undefined
}

const INSTANCE_MISSING = 'actor instance is missing'
const RUNTIME_CLOSED = 'actor runtime is closed'
const NO_PLACEMENT = 'placement service is not configured'
const TOO_DEEP = 'maximum stack depth exceeded'
const REMINDERS_NON_HOSTED = 'operations on actor reminders are only possible on hosted actor types'
const TIMERS_NON_HOSTED = 'operations on actor timers are only possible on hosted actor types'
const TIMERS_NOT_OWNED = 'operations on actor timers are only possible on the host that owns the actor'
const NO_STORE = 'the state store is not configured to use the actor runtime. Have you set the - name: actorStateStore value: "true" in your state store component file?'
const RESERVED = 'dapr.internal.'

/** These say what was wrong with the request itself, or that the host is too busy to look at it, and keep their own row. */
const asTheyAre: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BAD_REQUEST', 'MALFORMED_BODY', 'PAYLOAD_TOO_LARGE', 'UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'METHOD_NOT_ALLOWED', 'NOT_READY', 'OVERLOADED',
])
/** What says no more than that the work failed. */
const general: ReadonlySet<string> = new Set(['ERR_ACTOR_INVOKE_METHOD', 'ERR_ACTOR_REMINDER_CREATE'])

export const reminderNotFound = (name: string): TroupeError => new TroupeError('REMINDER_NOT_FOUND', `actor reminder not found: ${name}`)
export const timerNotFound = (name: string): TroupeError => new TroupeError('TIMER_NOT_FOUND', `actor timer not found: ${name}`)

/** @throws FORBIDDEN for the types of the workflow runtime, whose state, reminders and timers are nobody else's */
export function refuseReserved(type: string): void {
  if (isReserved(type)) throw new TroupeError('FORBIDDEN', reservedText(type))
}

const isReserved = (type: string): boolean => type.startsWith(RESERVED)
const reservedText = (type: string): string =>
  `actor type ${JSON.stringify(type)} is reserved for the Dapr workflow runtime; direct actor API access is not permitted`

/** What a door answers when `work` failed with `thrown`. */
export function doorAnswer(thrown: unknown, work: DoorWork, target: WorkTarget, strict: boolean): DoorAnswer {
  const { status, grpc, body: { errorCode, message } } = failureOf(thrown)
  const own: DoorAnswer = { errorCode, status, grpc, message, details: message }
  return ofBoth(thrown, work, target) ?? (strict ? strictly(thrown, work, target) ?? own : leniently(own, thrown, work, target))
}

/** What is the same in both modes. */
function ofBoth(thrown: unknown, work: DoorWork, { type, name = '' }: WorkTarget): DoorAnswer | undefined {
  if (!TroupeError.is(thrown)) return undefined
  switch (thrown.code) {
    case 'FORBIDDEN': return work !== 'invoke' && isReserved(type) ? said(daprCodes.typeReserved, reservedText(type)) : undefined
    case 'NOT_ACTIVE': return said(daprCodes.instanceMissing, INSTANCE_MISSING)
    case 'REMINDER_EXISTS': return said(daprCodes.reminderExists, `actor reminder already exists: ${name}`)
    case 'REMINDER_NOT_FOUND': return said(daprCodes.reminderNotFound, `actor reminder not found: ${name}`)
    case 'TIMER_NOT_FOUND': return said(daprCodes.timerNotFound, `actor timer not found: ${name}`)
    // An actor that nobody runs is not active here.
    case 'UNKNOWN_TYPE': return work === 'state.save' ? said(daprCodes.instanceMissing, INSTANCE_MISSING) : undefined
    // What a transaction holds: SDKs know one status for all of it, but for an operation that is none.
    case 'INVALID_ARGUMENT': return work === 'state.save' ? failed(work, thrown.message) : undefined
    case 'METHOD_NOT_ALLOWED':
      return work === 'state.save' ? { ...failed(work, thrown.message), grpc: UNIMPLEMENTED, details: thrown.message } : undefined
    default: return undefined
  }
}

/** Undefined where the error's own row says it. */
function strictly(thrown: unknown, work: DoorWork, target: WorkTarget): DoorAnswer | undefined {
  if (isActorError(thrown)) return failed(work, serviceError(thrown.status, String(thrown.message)), thrown)
  if (!TroupeError.is(thrown)) return failed(work, 'internal error of this host; its log tells more')
  const { code, message } = thrown
  if (asTheyAre.has(code)) return undefined
  switch (code) {
    case 'STACK_DEPTH': return said(daprCodes.stackDepth, TOO_DEEP)
    case 'HOST_STOPPING': return said(daprCodes.runtimeClosed, RUNTIME_CLOSED)
    case 'PLACEMENT_UNREACHABLE': return said(daprCodes.noPlacement, NO_PLACEMENT)
    case 'STORE_OPEN_FAILED': return said(daprCodes.runtimeNotFound, NO_STORE)
    case 'UNKNOWN_TYPE':
    case 'NO_HOST': return notHosted(work, target)
    case 'APP_UNREACHABLE': return work === 'invoke' ? failed(work, message, thrown) : said(daprCodes.noAppChannel, 'app channel is not initialized')
    case 'MOVED': return work.startsWith('timer.') ? said(daprCodes.timerNotOwned, TIMERS_NOT_OWNED) : failed(work, message, thrown)
    case 'UNKNOWN_METHOD': return failed(work, work === 'invoke' ? methodNotFound(message, target) : message, thrown)
    case 'METHOD_FAILED': return failed(work, work !== 'invoke' || message.startsWith(SERVICE_ERROR) ? message : serviceError(errorCodes[code].status, message), thrown)
    default: return failed(work, message, thrown)
  }
}

/** Where Troupe knows more, its status and text stay; over gRPC the text begins as that API's does. */
function leniently(own: DoorAnswer, thrown: unknown, work: DoorWork, { type, id }: WorkTarget): DoorAnswer {
  const { message } = own
  const begun = (text: string): DoorAnswer => ({ ...own, details: begin(text, message) })
  if (isActorError(thrown)) return { ...own, details: begin(works[work][1], serviceError(own.status, message)) }
  if (TroupeError.is(thrown)) {
    if (work === 'invoke' && isApps(thrown)) return failed(work, message)
    const kind = work.slice(0, work.indexOf('.'))
    if (thrown.code === 'UNKNOWN_TYPE' && kind === 'reminder') return said(daprCodes.reminderNonHosted, begin(REMINDERS_NON_HOSTED, message))
    if (thrown.code === 'UNKNOWN_TYPE' && kind === 'timer') return said(daprCodes.timerNonHosted, begin(TIMERS_NON_HOSTED, message))
    switch (thrown.code) {
      case 'STACK_DEPTH': return { ...own, details: TOO_DEEP }
      case 'HOST_STOPPING': return begun(RUNTIME_CLOSED)
      case 'PLACEMENT_UNREACHABLE': return begun(NO_PLACEMENT)
      case 'UNKNOWN_TYPE':
      case 'NO_HOST': return begun(`did not find address for actor '${type}/${id}'`)
      default: if (!general.has(own.errorCode)) return own
    }
  }
  const [{ errorCode, status }, doing] = works[work]
  const details = begin(doing, message)
  // A transaction is what an application's SDK sends; it knows one status.
  if (work === 'state.save') return { ...own, errorCode, status, message: details, details }
  return { ...own, errorCode, message: work.startsWith('timer.') ? details : message, details }
}

/** What an application's actor answered to an invocation. */
const isApps = ({ code, message }: TroupeError): boolean =>
  code === 'METHOD_FAILED' && message.startsWith(SERVICE_ERROR) || code === 'UNKNOWN_METHOD' && message.startsWith(METHOD_NOT_FOUND)

const said = (code: DaprCode, text: string): DoorAnswer => ({ ...code, message: text, details: text })

const begin = (beginning: string, text: string): string => text.startsWith(beginning) ? text : `${beginning}: ${text}`

/** `thrown` where it matters who answered: between its own processes that API says the same again. */
function failed(work: DoorWork, message: string, thrown?: unknown): DoorAnswer {
  const [code, doing] = works[work]
  const text = `${doing}: ${message}`
  return said(code, work === 'invoke' && remoteHostOf(thrown) !== undefined ? `${doing}: rpc error: code = Internal desc = ${text}` : text)
}

function notHosted(work: DoorWork, { type, id }: WorkTarget): DoorAnswer {
  const noAddress = `did not find address for actor '${type}/${id}'`
  switch (work) {
    case 'invoke': return failed(work, `failed to lookup actor: api error: code = FailedPrecondition desc = ${noAddress}`)
    case 'state.get': return said(daprCodes.noAddress, noAddress)
    case 'state.save': return said(daprCodes.instanceMissing, INSTANCE_MISSING)
    default: return work.startsWith('timer.') ? said(daprCodes.timerNonHosted, TIMERS_NON_HOSTED) : said(daprCodes.reminderNonHosted, REMINDERS_NON_HOSTED)
  }
}

const methodNotFound = (message: string, { type, id, name }: WorkTarget): string =>
  message.startsWith(METHOD_NOT_FOUND) ? message : `${METHOD_NOT_FOUND}actors/${type}/${id}/method/${name ?? ''}`

/** Authors may have assigned anything to a status. */
const serviceError = (status: unknown, message: string): string =>
  `${SERVICE_ERROR}(${Number.isInteger(status) && (status as number) >= 400 && (status as number) <= 599 ? status as number : 500}) ${message}`
