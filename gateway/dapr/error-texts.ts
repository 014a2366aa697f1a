/**
 * Errors in the words of the Dapr actor API: its table of codes with what each is over HTTP and gRPC, and which of them an
 * error of Troupe is, for the work that failed.
 *
 * `daprAnswer` is what that API would say, always: doors that follow it strictly say exactly this. `appError` is what an
 * application's actor answered, which they say in either mode. ERR_ACTOR_NAMESPACE_REQUIRED has no counterpart: there are no
 * hosts without a namespace.
 */
import { isActorError } from '../../actors/errors.ts'
import { errorCodes, TroupeError, type ErrorCode } from '../../core/errors.ts'
import type { ActorKey } from '../../core/ids.ts'

export interface DaprCode {
  readonly errorCode: string
  /** HTTP. */
  readonly status: number
  /** gRPC status code. */
  readonly grpc: number
}

export interface DaprAnswer extends DaprCode {
  readonly message: string
}

const code = (errorCode: string, status: number, grpc: number): DaprCode => ({ errorCode, status, grpc })

export const daprCodes = {
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

export const REMINDERS_NON_HOSTED = 'operations on actor reminders are only possible on hosted actor types'
export const TIMERS_NON_HOSTED = 'operations on actor timers are only possible on hosted actor types'
const TIMERS_NOT_OWNED = 'operations on actor timers are only possible on the host that owns the actor'
const NO_STORE = 'the state store is not configured to use the actor runtime. Have you set the - name: actorStateStore value: "true" in your state store component file?'
/** How an application's channel begins its errors (actors/app-channel.ts). */
const SERVICE_ERROR = 'error from actor service: '
const METHOD_NOT_FOUND = 'actor method not found: '
const RESERVED = 'dapr.internal.'

/** These say what was wrong with the request itself, and are that API's own. */
const asTheyAre: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BAD_REQUEST', 'MALFORMED_BODY', 'PAYLOAD_TOO_LARGE', 'UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'METHOD_NOT_ALLOWED', 'NOT_READY',
])

/** The code and the beginning of the text of what went wrong for no reason that has a code of its own. */
export const generalFailure = (work: DoorWork): { code: DaprCode; doing: string } => ({ code: works[work][0], doing: works[work][1] })

/** Why state, reminders and timers of a type are not for doors, or undefined. */
export const reservedType = (type: string): string | undefined => type.startsWith(RESERVED)
  ? `actor type ${JSON.stringify(type)} is reserved for the Dapr workflow runtime; direct actor API access is not permitted` : undefined

/** What an application's actor answered to an invocation; undefined when the error is none of it. */
export function appError(error: unknown): DaprAnswer | undefined {
  if (!TroupeError.is(error)) return undefined
  const { code, message } = error
  const isApps = code === 'METHOD_FAILED' && message.startsWith(SERVICE_ERROR) || code === 'UNKNOWN_METHOD' && message.startsWith(METHOD_NOT_FOUND)
  return isApps ? general('invoke', message) : undefined
}

/** What that API answers when `work` failed with `thrown`; undefined where the error's own row says it. */
export function daprAnswer(thrown: unknown, work: DoorWork, target: WorkTarget): DaprAnswer | undefined {
  if (isActorError(thrown)) return general(work, `${SERVICE_ERROR}(${statusOf(thrown.status)}) ${String(thrown.message)}`)
  if (!TroupeError.is(thrown)) return general(work, 'internal error of this host; its log tells more')
  const { code, message } = thrown
  if (asTheyAre.has(code)) return undefined
  switch (code) {
    case 'STACK_DEPTH': return { ...daprCodes.stackDepth, message: 'maximum stack depth exceeded' }
    case 'NOT_ACTIVE': return { ...daprCodes.instanceMissing, message: 'actor instance is missing' }
    case 'HOST_STOPPING': return { ...daprCodes.runtimeClosed, message: 'actor runtime is closed' }
    case 'PLACEMENT_UNREACHABLE': return { ...daprCodes.noPlacement, message: 'placement service is not configured' }
    case 'STORE_OPEN_FAILED': return { ...daprCodes.runtimeNotFound, message: NO_STORE }
    case 'UNKNOWN_TYPE':
    case 'NO_HOST': return notHosted(work, target)
    case 'REMINDER_EXISTS': return { ...daprCodes.reminderExists, message: `actor reminder already exists: ${target.name ?? ''}` }
    case 'REMINDER_NOT_FOUND': return { ...daprCodes.reminderNotFound, message: `actor reminder not found: ${target.name ?? ''}` }
    case 'TIMER_NOT_FOUND': return { ...daprCodes.timerNotFound, message: `actor timer not found: ${target.name ?? ''}` }
    case 'APP_UNREACHABLE': return work === 'invoke' ? general(work, message) : { ...daprCodes.noAppChannel, message: 'app channel is not initialized' }
    case 'MOVED': return work.startsWith('timer.') ? { ...daprCodes.timerNotOwned, message: TIMERS_NOT_OWNED } : general(work, message)
    case 'UNKNOWN_METHOD': return general(work, work === 'invoke' ? methodNotFound(message, target) : message)
    case 'METHOD_FAILED': return general(work, work !== 'invoke' || message.startsWith(SERVICE_ERROR) ? message : `${SERVICE_ERROR}(${errorCodes[code].status}) ${message}`)
    default: return general(work, message)
  }
}

/** As a `TroupeError` where a door has to raise it. */
export const timerNotFound = (name: string): TroupeError => new TroupeError('TIMER_NOT_FOUND', `actor timer not found: ${name}`)

function general(work: DoorWork, message: string): DaprAnswer {
  const [code, doing] = works[work]
  return { ...code, message: `${doing}: ${message}` }
}

function notHosted(work: DoorWork, { type, id }: WorkTarget): DaprAnswer {
  const noAddress = `did not find address for actor '${type}/${id}'`
  switch (work) {
    case 'invoke': return general(work, `failed to lookup actor: api error: code = FailedPrecondition desc = ${noAddress}`)
    case 'state.get': return { ...daprCodes.noAddress, message: noAddress }
    case 'state.save': return { ...daprCodes.instanceMissing, message: 'actor instance is missing' }
    default: return work.startsWith('timer.') ? { ...daprCodes.timerNonHosted, message: TIMERS_NON_HOSTED } : { ...daprCodes.reminderNonHosted, message: REMINDERS_NON_HOSTED }
  }
}

const methodNotFound = (message: string, { type, id, name }: WorkTarget): string =>
  message.startsWith(METHOD_NOT_FOUND) ? message : `${METHOD_NOT_FOUND}actors/${type}/${id}/method/${name ?? ''}`

/** Authors may have assigned anything to it. */
const statusOf = (given: unknown): number => Number.isInteger(given) && (given as number) >= 400 && (given as number) <= 599 ? given as number : 500
