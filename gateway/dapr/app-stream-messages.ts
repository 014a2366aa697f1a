/**
 * The messages of the event stream (`SubscribeActorEventsAlpha1` of dapr.proto), as proto-loader has them, and what they stand
 * for in the ports: registrations, requests, answers. Pure.
 */
import { ACTOR_ERROR_HEADER, METHOD_NOT_FOUND, REENTRANCY_HEADER, SERVICE_ERROR, type AppCallback, type AppReply, type AppRequest, type HeaderList } from '../../actors/app-channel.ts'
import { TroupeError } from '../../core/errors.ts'
import { checkType } from '../../core/ids.ts'
import type { RawAppConfig } from './app-config.ts'
import { jsonAny, type AnyMessage } from './json-any.ts'

type TextMap = Readonly<Record<string, string>>

interface DurationMessage {
  readonly seconds: number
  readonly nanos: number
}

interface EntityMessage {
  readonly entities?: readonly string[]
  readonly actorIdleTimeout?: DurationMessage | null
  readonly drainOngoingCallTimeout?: DurationMessage | null
  readonly drainRebalancedActors?: boolean
  readonly reentrancy?: { readonly enabled: boolean; readonly maxStackDepth?: number } | null
}

export interface InitialMessage extends EntityMessage {
  readonly entitiesConfig?: readonly EntityMessage[]
}

export interface InvokeResponse {
  readonly id: string
  readonly data?: Uint8Array
  readonly metadata?: TextMap
  readonly error?: boolean
}

export interface CallbackResponse {
  readonly id: string
  readonly cancel?: boolean
}

export interface FailedMessage {
  readonly id: string
  readonly code: number
  readonly message: string
}

/** One of these is set; none in a message that could not be read. */
export interface FromApp {
  readonly initialRequest?: InitialMessage
  readonly invokeResponse?: InvokeResponse
  readonly reminderResponse?: CallbackResponse
  readonly timerResponse?: CallbackResponse
  readonly deactivateResponse?: { readonly id: string }
  readonly requestFailed?: FailedMessage
}

interface Addressed {
  readonly id: string
  readonly actorType: string
  readonly actorId: string
}

interface CallbackMessage extends Addressed {
  readonly name: string
  readonly dueTime: string
  readonly period: string
  readonly data?: AnyMessage
  readonly metadata?: TextMap
}

export interface ToApp {
  readonly initialResponse?: object
  readonly invokeRequest?: Addressed & { readonly method: string; readonly data: Uint8Array; readonly metadata: TextMap }
  readonly reminderRequest?: CallbackMessage
  readonly timerRequest?: CallbackMessage & { readonly callback: string }
  readonly deactivateRequest?: Addressed
}

/** A length of protobuf is exact to the nanosecond; what is below a millisecond is rounded up. @throws BAD_REQUEST */
function millisOf({ seconds, nanos }: DurationMessage, field: string): number {
  const ms = seconds * 1000 + Math.ceil(nanos / 1e6)
  if (Number.isSafeInteger(ms) && ms >= 0) return ms
  throw new TroupeError('BAD_REQUEST', `invalid request: initial_request: ${field} of ${seconds} s is no length of time; give 0 or more`)
}

const MAX_TYPES = 10_000

/** @throws BAD_REQUEST naming the field */
export function configOf(initial: InitialMessage): RawAppConfig {
  const entitiesConfig = (initial.entitiesConfig ?? []).map(entityOf)
  const config = { ...entityOf(initial), entitiesConfig }
  if (config.entities.length > MAX_TYPES) throw new TroupeError('BAD_REQUEST', `invalid request: initial_request: more than ${MAX_TYPES} entities`)
  return config
}

function entityOf(message: EntityMessage): RawAppConfig['entitiesConfig'][number] {
  const { entities, actorIdleTimeout: idle, drainOngoingCallTimeout: drain, drainRebalancedActors, reentrancy } = message
  for (const entity of entities ?? []) checkType(entity)
  return {
    entities: [...entities ?? []],
    ...(isGiven(idle) ? { actorIdleTimeoutMs: millisOf(idle, 'actor_idle_timeout') } : {}),
    ...(isGiven(drain) ? { drainOngoingCallTimeoutMs: millisOf(drain, 'drain_ongoing_call_timeout') } : {}),
    ...(drainRebalancedActors === undefined ? {} : { drainRebalancedActors }),
    ...(isGiven(reentrancy) ? {
      reentrancy: { enabled: reentrancy.enabled, ...(reentrancy.maxStackDepth === undefined ? {} : { maxStackDepth: reentrancy.maxStackDepth }) },
    } : {}),
  }
}

const isGiven = <T>(value: T | null | undefined): value is T => value !== undefined && value !== null

/** How the standard spells the one name that applications look for. */
const REENTRANCY_NAME = 'Dapr-Reentrancy-Id'

export const invokeMessage = ({ type, id: actorId, method, headers, body }: AppRequest) => (id: string): ToApp =>
  ({ invokeRequest: { id, actorType: type, actorId, method, data: body, metadata: metadataOf(headers) } })

export const reminderMessage = (reminder: AppCallback) => (id: string): ToApp => ({ reminderRequest: callbackOf(reminder, id) })

export const timerMessage = (timer: AppCallback) => (id: string): ToApp => ({ timerRequest: { ...callbackOf(timer, id), callback: timer.callback } })

export const deactivateMessage = (actorType: string, actorId: string) => (id: string): ToApp => ({ deactivateRequest: { id, actorType, actorId } })

const callbackOf = ({ type, id: actorId, name, dueTime, period, data, reentrancyId }: AppCallback, id: string): CallbackMessage => ({
  id, actorType: type, actorId, name, dueTime, period,
  ...(data === undefined ? {} : { data: jsonAny(data) }),
  ...(reentrancyId === undefined ? {} : { metadata: { [REENTRANCY_NAME]: reentrancyId } }),
})

/** Headers of one name become one entry, as HTTP lists them. */
function metadataOf(headers: HeaderList): Record<string, string> {
  const entries = new Map<string, string>()
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] === REENTRANCY_HEADER ? REENTRANCY_NAME : headers[i]!
    const before = entries.get(name)
    entries.set(name, before === undefined ? headers[i + 1]! : `${before}, ${headers[i + 1]!}`)
  }
  return Object.fromEntries(entries)
}

export function replyOf({ data, metadata, error }: InvokeResponse): AppReply {
  const headers = Object.entries(metadata ?? {}).flatMap(([name, value]) => [name.toLowerCase(), value])
  if (error === true && !headers.some((name, i) => i % 2 === 0 && name === ACTOR_ERROR_HEADER)) headers.push(ACTOR_ERROR_HEADER, 'true')
  return { headers, body: data ?? new Uint8Array(0) }
}

const NOT_FOUND = 5

/** `path`: what the application was asked for, as a route. */
export const failureOf = ({ code, message }: FailedMessage, path: string): TroupeError => code === NOT_FOUND
  ? new TroupeError('UNKNOWN_METHOD', `${METHOD_NOT_FOUND}${path}`, { data: { message } })
  : new TroupeError('METHOD_FAILED', `${SERVICE_ERROR}${message}`)

/** At most so many bytes on the wire. */
export function sizeOf(message: ToApp): number {
  let bytes = 0
  const add = (value: unknown): void => {
    if (typeof value === 'string') bytes += Buffer.byteLength(value) + FIELD_BYTES
    else if (value instanceof Uint8Array) bytes += value.length + FIELD_BYTES
    else if (typeof value === 'object' && value !== null) {
      bytes += FIELD_BYTES
      for (const [name, member] of Object.entries(value)) {
        bytes += Buffer.byteLength(name)
        add(member)
      }
    }
  }
  add(message)
  return bytes
}

/** Tags and lengths of one field, those of a map's entry included. */
const FIELD_BYTES = 16
