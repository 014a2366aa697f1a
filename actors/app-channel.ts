/**
 * The port to an application that runs actors of its own, in any language, beside this process: how it is asked to.
 *
 * Adapters are in gateway/dapr (HTTP, h2c, the event stream of gRPC). They promise one answer or one error to each call,
 * and an end when `signal` is aborted. Errors they reject with:
 *
 * - METHOD_FAILED, `executed: 'yes'`: the application answered that it failed; `error from actor service: (500) what it said`.
 * - UNKNOWN_METHOD, `executed: 'no'`: it has no such method; `actor method not found: actors/TYPE/ID/method/METHOD`.
 * - APP_UNREACHABLE: `executed: 'no'` when the call proved not to have left, 'unknown' when the connection broke after it had.
 */

/** How the texts of the first two begin. */
export const SERVICE_ERROR = 'error from actor service: '
export const METHOD_NOT_FOUND = 'actor method not found: '

/** Names (in lower case) and values of headers, alternating. */
export type HeaderList = readonly string[]

/** A method call as it came in by a door: the application gets it byte for byte. */
export interface AppRequest {
  readonly type: string
  readonly id: string
  readonly method: string
  /** What followed `?` in the caller's URL; empty when nothing did. */
  readonly query: string
  readonly headers: HeaderList
  readonly body: Uint8Array
}

/** What the application answered, byte for byte. */
export interface AppReply {
  /** With `content-type` where it gave one, and `x-daprerrorresponseheader` when the body is an error of the actor's own. */
  readonly headers: HeaderList
  readonly body: Uint8Array
}

/** A reminder that is due, or the tick of a timer. */
export interface AppCallback {
  readonly type: string
  readonly id: string
  /** Of the reminder or timer. */
  readonly name: string
  /** JSON text, as it was registered; undefined: none was. */
  readonly data: string | undefined
  /** As they were registered; reminders have them empty. */
  readonly dueTime: string
  readonly period: string
  /** Of timers: the name that the application dispatches on. */
  readonly callback: string
  /** To be echoed by calls that the application makes meanwhile; undefined: none. */
  readonly reentrancyId: string | undefined
}

export interface AppCallbackReply {
  /** The application wants no more of it. */
  readonly cancel: boolean
}

export interface AppChannel {
  /** For messages: `http://127.0.0.1:3000`. */
  readonly name: string
  invoke(request: AppRequest, signal: AbortSignal): Promise<AppReply>
  remind(reminder: AppCallback, signal: AbortSignal): Promise<AppCallbackReply>
  tick(timer: AppCallback, signal: AbortSignal): Promise<AppCallbackReply>
  /** The application may forget the actor. Its refusal is an error like any other: whoever calls logs it. */
  deactivate(type: string, id: string, signal: AbortSignal): Promise<void>
}

/** The header that names a chain of calls, and the one that marks a body as an actor's own error. */
export const REENTRANCY_HEADER = 'dapr-reentrancy-id'
export const ACTOR_ERROR_HEADER = 'x-daprerrorresponseheader'
/** When a stored value expires, RFC 3339. */
export const EXPIRES_HEADER = 'metadata.ttlexpiretime'

/** The value of a header, by its name in lower case. */
export function headerOf(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1]
  return undefined
}
